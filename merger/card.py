"""Write the model card of a merged model: what it was made from, and how."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from merger.ancestry import made_from
from merger.checkpoint import Checkpoint
from merger.layered import LayeredCheckpoint
from merger.lineage import stated
from merger.matched import plain
from merger.recipe import Recipe, plain_value
from merger.spec import METHODS
from merger.tokenizer_choice import plain_tokenizer

SCORE_HEADS = ("task", "metric", "score", "95 % interval", "examples")
SCORE_WORDS = "Measured on this very merge; the interval says how far other examples may move it."
AGAIN = (
    "`recipe.yaml` beside this file holds every setting; `python -m merger merge recipe.yaml "
    "--out DIR` writes the same bytes from the same weights. Digest: `{}`."
)
AGAIN_ELSEWHERE = (
    "`recipe.yaml` beside this file holds every setting; `python -m merger merge recipe.yaml "
    "--out DIR` makes it again from the same weights. The numbers were computed on {}, and where "
    "it had no memory for them on the processor: other devices may differ in the last bits. "
    "Digest: `{}`."
)
AGAIN_ADAPTER = (
    "`recipe.yaml` beside this file holds every setting of the merge; `python -m merger merge "
    "recipe.yaml --adapter RANK --out DIR` writes its change as an adapter. Digest: `{}`."
)
FILE_HEADS = ("file", "bytes", "checksum")
FILE_WORDS = (
    "`python -m merger verify DIR` checks them; they find damage, and prove no origin. Large "
    "files have XXH3 (`xxh128sum`), the others SHA-256 (`sha256sum`)."
)
FILE_NAME = re.compile(r"[^`|\\/\s][^`|\\/\n]*")
FILE_ROW = re.compile(
    r"^\| `([^`|\\/\s][^`|\\/\n]*)` \| ([\d,]+) \| `((?:sha256|xxh128):[0-9a-f]+)` \|$",
    re.MULTILINE,
)
SPECIAL = re.compile(r"([\\`*_{}\[\]#!|<>~$&])")


class Origin(NamedTuple):
    """One model that went into a merge.

    Args:
        role: "base" or "expert"; for what layers are taken from, which one's layers.
        name: How the recipe or its folder calls it.
        content_id: Which weights exactly.
        license: What its own card says, or "" where it says nothing.
        is_own: Whether the hub has no word for that licence.
    """

    role: str
    name: str
    content_id: str
    license: str
    is_own: bool = False


def origin_of(role: str, name: str, model: Checkpoint) -> Origin:
    """Return what the card of a merge says about one of its models."""
    said = stated(name, model)
    return Origin(role, name, model.content_id(), said.licence, said.is_own)


def origins_of(
    role: str, name: str, model: Checkpoint, known: Sequence[Checkpoint] = ()
) -> list[Origin]:
    """Return what the card says about a model: a line for each that it was put together from.

    Args:
        role: "base" or "expert".
        name: How the recipe calls it.
        model: The model.
        known: The other models of the recipe, which have lines of their own.
    """
    parts = made_from(model, known)
    if len(parts) == 1:
        own = origin_of(role, name, parts[0])
        return [own._replace(content_id=plain(model).content_id())]
    what = "layers" if isinstance(plain(model), LayeredCheckpoint) else "made from"
    return [origin_of(f"{role} {name}: {what}", part.label, part) for part in parts]


def model_card(
    title: str,
    recipe: Recipe,
    origins: Sequence[Origin],
    digest: str,
    *,
    shares: str | None = None,
    storage: str = "",
    scores: Mapping[str, Any] | None = None,
    files: Mapping[str, tuple[int, str]] | None = None,
    adapter: str = "",
    device: str = "cpu",
) -> str:
    """Return the text of README.md.

    Args:
        title: Name of the merged model.
        recipe: How it was made, with every setting filled in.
        origins: The base first, then the experts in order.
        digest: The recipe's digest.
        shares: Name of the expert whose model this is, for methods with one model per expert.
        storage: One sentence on what all of these models take to store.
        scores: What the merge scored, as `score` returns it in plain data, if anything.
        files: Size and checksum of the other files of the folder, by name.
        adapter: What a LoRA adapter holds and loses, in a sentence; "" for a model.
        device: What kind of device computed it, as `--device` is told it, and which model.
    """
    method = METHODS[recipe.method]
    experts = [origin for origin in origins if origin.role.startswith("expert")]
    whose = f" This is the model for {_escaped(shares)}. {storage}".rstrip() if shares else ""
    count = f"{len(experts)} fine-tuned model" + "s" * (len(experts) != 1)
    parts = [
        _front_matter(origins, is_adapter=bool(adapter)),
        f"# {_escaped(title)}",
        f"Made from {count} with **{_escaped(method.title)}**: {_escaped(method.summary)}{whose}",
        *([adapter] if adapter else []),
        _table(("", "model", "licence", "weights"), [_origin_row(o) for o in origins]),
        "## Settings",
        _table(("setting", "value"), _settings(recipe)),
    ]
    if scores:
        parts += ["## Scores", _table(SCORE_HEADS, _score_rows(scores)), SCORE_WORDS]
    parts += [
        "## Licence",
        _license_sentence(origins),
        "## Make it again",
        _again(digest, device, bool(adapter)),
    ]
    if files:
        parts += ["## Files", _table(FILE_HEADS, _file_rows(files)), FILE_WORDS]
    return "\n\n".join(parts) + "\n"


def read_checksums(card: str) -> dict[str, tuple[int, str]]:
    """Return size and checksum of every file that a model card lists, by name."""
    return {hit[1]: (int(hit[2].replace(",", "")), hit[3]) for hit in FILE_ROW.finditer(card)}


def _again(digest: str, device: str, is_adapter: bool) -> str:
    if device != "cpu":
        return AGAIN_ELSEWHERE.format(_escaped(device), digest)
    return (AGAIN_ADAPTER if is_adapter else AGAIN).format(digest)


def _file_rows(files: Mapping[str, tuple[int, str]]) -> list[tuple[str, ...]]:
    # A name that Markdown would take for more than a name is left out, and verify says so.
    return [
        (f"`{name}`", f"{size:,}", f"`{sum_}`")
        for name, (size, sum_) in files.items()
        if FILE_NAME.fullmatch(name)
    ]


def _score_rows(scores: Mapping[str, Any]) -> list[tuple[str, ...]]:
    split = _escaped(str(scores.get("split")))
    return [
        (
            _escaped(str(row["task"])),
            _escaped(str(row["metric"]).replace("_", " ")),
            f"{row['value']:.4f}",
            f"{row['low']:.4f} to {row['high']:.4f}",
            f"{row['n']:,} of {split}",
        )
        for row in scores["tasks"]
    ]


def _front_matter(origins: Sequence[Origin], *, is_adapter: bool) -> str:
    named = [origin for origin in origins if origin.role == "base"] if is_adapter else origins
    table: dict[str, object] = {
        "base_model": list(dict.fromkeys(_one_line(origin.name) for origin in named)),
        "base_model_relation": "adapter" if is_adapter else "merge",
        "library_name": "peft" if is_adapter else "transformers",
        "tags": ["merge", "mergescope"],
    }
    licenses = {(origin.license, origin.is_own) for origin in origins}
    if len(licenses) == 1:
        table |= _license_fields(origins[0])
    text = yaml.safe_dump(table, sort_keys=True, allow_unicode=True, width=10_000)
    return f"---\n{text.strip()}\n---"


def _license_fields(origin: Origin) -> dict[str, object]:
    """Return the licence as the hub reads it, where there is one for it to read."""
    name = _one_line(origin.license)
    if origin.is_own:
        return {"license": "other", "license_name": name}
    # Of several licences of one model nobody knows here whether they add up or one is chosen.
    return {"license": name} if name and " + " not in name else {}


def _origin_row(origin: Origin) -> tuple[str, ...]:
    license_ = _escaped(origin.license) or "not stated"
    return _escaped(origin.role), _escaped(origin.name), license_, f"`{origin.content_id[:16]}`"


def _settings(recipe: Recipe) -> list[tuple[str, str]]:
    plain: dict[str, object] = {"method": recipe.method}
    plain |= {name: plain_value(value) for name, value in recipe.params.items()}
    plain |= {"weights": plain_value(recipe.weights), "seed": recipe.seed}
    for stage, steps in (("before", recipe.before), ("after", recipe.after)):
        for step in steps:
            plain[f"{stage}: {step.verb}"] = plain_value(step.params)
    for rule in recipe.rules:
        taken = {"take": rule.take, "weights": plain_value(rule.weights)}
        own = {name: value for name, value in taken.items() if value is not None}
        plain[f"rule: {rule.match}"] = own | plain_value(rule.params)
    if recipe.out_dtype is not None:
        plain["out_dtype"] = recipe.out_dtype
    if recipe.tokenizer is not None:
        plain["tokenizer"] = plain_tokenizer(recipe.tokenizer)
    return [(_escaped(name), _escaped(_text(value))) for name, value in plain.items()]


def _text(value: object) -> str:
    return "auto" if value is None else str(value)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _license_sentence(origins: Sequence[Origin]) -> str:
    stated = sorted({origin.license for origin in origins} - {""})
    if not stated:
        return "None of the models states a licence: ask their authors before passing this on."
    silent = any(not origin.license for origin in origins)
    if len(stated) == 1 and not silent:
        return f"All models state {_escaped(stated[0])}."
    listed = ", ".join(_escaped(license_) for license_ in stated)
    also = ", and some state none" if silent else ""
    return f"The models state {listed}{also}: all of these terms hold for the result."


def _escaped(text: str) -> str:
    """Return a text that Markdown and HTML show as it is, on one line."""
    return SPECIAL.sub(r"\\\1", _one_line(text))


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
