"""Read a LoRA adapter: two thin factors for some matrices of a base, and what scales them."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from merger.errors import SourceError
from merger.header import FileHeader, read_header, shown
from merger.layout import PICKLES, read_json
from merger.plain_json import PARTS

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."
FACTOR = re.compile(r"(?P<module>.+)\.lora_(?P<side>[AB])(?:\.[^.]+)?\.weight")
EMBEDDING = re.compile(r"(?P<module>.+)\.lora_embedding_(?P<side>[AB])(?:\.[^.]+)?")
SAVED = re.compile(
    r"(?P<module>.+?)(?:\.modules_to_save\.[^.]+|\.base_layer)?\.(?P<kind>weight|bias)"
)
# Each of these changes what the factors mean.
UNKNOWN = {
    "use_dora": "DoRA, which also rescales each row",
    "use_qalora": "QALoRA",
    "lora_bias": "a bias inside the adapter",
    "layer_replication": "repeated layers",
    "target_parameters": "parameters that are no layer",
    "alora_invocation_tokens": "an adapter that is switched on by words",
    "trainable_token_indices": "single trained tokens",
}
# These methods change the base itself before training.
CHANGES_BASE = ("pissa", "olora", "corda", "loftq")
# Groups that repeat, and many repeats, can take forever; patterns come from a file that nobody
# vouches for.
DANGEROUS = re.compile(r"[)\]][*+{]")
REPEATS = re.compile(r"[*+{?]")
MOST_REPEATS = 4
MERGE_FIRST = "Merge it into its base with PEFT (merge_and_unload), and use that folder."


class Module(NamedTuple):
    """One matrix that the adapter changes.

    Args:
        name: The module's name in the model that was trained.
        a: Name of the first factor, (r, in).
        b: Name of the second factor, (out, r).
        scale: What their product is multiplied by.
        is_embedding: Whether the product is stored transposed, as embeddings are.
    """

    name: str
    a: str
    b: str
    scale: float
    is_embedding: bool


@dataclass(frozen=True, slots=True)
class Adapter:
    """What an adapter's folder says; only headers are read.

    Args:
        folder: Where it lies.
        header: The header of its weights.
        modules: The matrices it changes, by the module's name.
        saved: Tensors stored whole, such as a trained head: their names in the model and the file.
        transposed: Whether matrices are stored as (in, out), as GPT-2's are.
        base: What it was trained on, as its config says; "" where it does not.
        task: What PEFT calls its task, if anything.
    """

    folder: Path
    header: FileHeader
    modules: Mapping[str, Module]
    saved: Mapping[str, str]
    transposed: bool
    base: str
    task: str | None


def read_adapter(folder: Path, header: FileHeader | None = None) -> Adapter:
    """Read config and header of a PEFT folder.

    Args:
        folder: Where they lie.
        header: That of weights which are not there yet.

    Raises:
        SourceError: it is no LoRA adapter, or one whose numbers mean something else.
    """
    if not (folder / CONFIG).is_file():
        raise SourceError(
            f"{folder} holds no {CONFIG}.", "Give the folder that PEFT's save_pretrained wrote."
        )
    config = read_json(folder / CONFIG, parts=PARTS)
    _check_kind(folder, config)
    if header is None:
        if not (folder / WEIGHTS).is_file():
            raise _no_weights(folder)
        header = read_header(folder / WEIGHTS)
    factors, saved = _sort(folder, header)
    modules = {name: _module(folder, header, name, pair, config) for name, pair in factors.items()}
    base, task = config.get("base_model_name_or_path"), config.get("task_type")
    return Adapter(
        folder, header, modules, saved, bool(config.get("fan_in_fan_out")),
        base if isinstance(base, str) else "", task if isinstance(task, str) else None,
    )  # fmt: skip


def _check_kind(folder: Path, config: Mapping[str, Any]) -> None:
    kind = config.get("peft_type")
    if kind != "LORA":
        raise SourceError(f"{folder} is an adapter of type {shown(kind)}, not LORA.", MERGE_FIRST)
    for setting, what in UNKNOWN.items():
        if config.get(setting):
            raise SourceError(f"{folder} uses {what} ({setting}).", MERGE_FIRST)
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(CHANGES_BASE):
        raise SourceError(
            f"{folder} was started with {shown(start)}, which changes the base too.",
            "Save it again with path_initial_model_for_weight_conversion.",
        )


def _no_weights(folder: Path) -> SourceError:
    pickles = sorted(p.name for p in folder.iterdir() if p.name.endswith(PICKLES))
    if pickles:
        return SourceError(
            f"{folder} holds pickled weights ({shown(pickles[0])}), which can run code.",
            "Save the adapter again with safe_serialization=True.",
        )
    return SourceError(f"{folder} holds no {WEIGHTS}.", "Download the adapter again.")


Pair = dict[str, str]


def _sort(folder: Path, header: FileHeader) -> tuple[dict[str, Pair], dict[str, str]]:
    """Return the factors by module, and the tensors that are stored whole."""
    factors: dict[str, Pair] = {}
    saved: dict[str, str] = {}
    for key in sorted(header.places):
        if not header.places[key].info.is_float:
            raise SourceError(f"{folder}: {shown(key)} is not floating point.", MERGE_FIRST)
        name = key.removeprefix(PREFIX)
        hit = FACTOR.fullmatch(name) or EMBEDDING.fullmatch(name)
        if hit:
            factors.setdefault(hit["module"], {})[hit["side"]] = key
            continue
        whole = SAVED.fullmatch(name)
        if whole is None or "lora_" in name:
            raise SourceError(f"{folder}: {shown(key)} is no part of a LoRA adapter.", MERGE_FIRST)
        saved[f"{whole['module']}.{whole['kind']}"] = key
    return factors, saved


def _module(
    folder: Path, header: FileHeader, name: str, pair: Pair, config: Mapping[str, Any]
) -> Module:
    if set(pair) != {"A", "B"}:
        raise SourceError(
            f"{folder}: {shown(name)} has only one of its two factors.",
            "Download the adapter again.",
        )
    a, b = (header.places[pair[side]].info.shape for side in "AB")
    if len(a) < 2 or len(b) < 2 or a[0] != b[1] or a[0] == 0 or math.prod(b[2:]) != 1:
        raise SourceError(
            f"{folder}: the factors of {shown(name)} are {list(a)} and {list(b)}, which cannot be "
            "multiplied.",
            "Download the adapter again.",
        )
    alpha = _value_for(folder, name, config.get("alpha_pattern"), config.get("lora_alpha", 8))
    scale = alpha / (math.sqrt(a[0]) if config.get("use_rslora") else a[0])
    return Module(name, pair["A"], pair["B"], scale, ".lora_embedding_" in pair["A"])


def _value_for(folder: Path, name: str, patterns: object, default: object) -> float:
    """Return what the first pattern that fits a module's name says, as PEFT reads patterns."""
    value = default
    for pattern, given in (patterns or {}).items() if isinstance(patterns, dict) else ():
        if _fits(folder, pattern, name):
            value = given
            break
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SourceError(
            f"{folder}: lora_alpha must be a number, got {shown(value)}.",
            f"Correct {CONFIG}.",
        )
    return float(value)


def _fits(folder: Path, pattern: str, name: str) -> bool:
    try:
        repeats = len(REPEATS.findall(pattern))
        if len(pattern) > 200 or repeats > MOST_REPEATS or DANGEROUS.search(pattern):
            raise re.error("too complicated")
        return re.match(rf"(?:.*\.)?({pattern})$", name) is not None
    except re.error as error:
        raise SourceError(
            f"{folder}: alpha_pattern {shown(pattern)} cannot be used: {error}.",
            "Write the plain name of the module.",
        ) from error
