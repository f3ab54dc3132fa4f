"""Names on disk and parameters in memory: which tensor of a checkpoint is which parameter.

transformers renames tensors while it loads them (8 of a ViT's 40 names stay), and the
rules change between its versions. So nothing here knows a rule: a probe checkpoint in which
every single number is different goes through transformers' own loading, and each parameter
then says where its numbers came from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from merger.errors import TaskError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Bit patterns of the positive, finite, normal float32 numbers: each is used once in the probe.
FIRST_BITS, LAST_BITS = 0x00800000, 0x7F7FFFFF
NOT_LIVE = "live scoring is not supported for this architecture"


@dataclass(frozen=True, slots=True)
class NamedModule:
    """A transformers model whose parameters are known by their names on disk.

    Args:
        module: The model, in float32, its numbers still to be loaded.
        filled: The parameters (or buffers) that names on disk fill: mostly one name a whole one,
            several of them one after the other where transformers keeps experts in one tensor.
        label: The architecture, for messages.
    """

    module: PreTrainedModel
    filled: Mapping[tuple[str, ...], tuple[Tensor, ...]]
    label: str

    @property
    def keys(self) -> tuple[str, ...]:
        """Names on disk that the model uses, sorted."""
        return tuple(sorted(key for keys in self.filled for key in keys))


def quiet_transformers() -> None:
    """Keep transformers from printing loading reports and progress bars."""
    from transformers.utils import logging  # noqa: PLC0415  (seconds to import)

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def build_module(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> NamedModule:
    """Build the model of a config.json and find the parameters of every name on disk.

    Args:
        config: The parsed config.json.
        shapes: Shape of each floating-point tensor, by its name on disk.
    Raises:
        TaskError: an architecture that transformers lacks, or that fuses tensors on loading.
    """
    quiet_transformers()
    kind, settings = model_class(config)
    label = kind.__name__
    probe, starts = _probe(shapes, label)
    if hasattr(settings, "use_cache"):
        settings.use_cache = False
    try:
        module = kind.from_pretrained(None, config=settings, state_dict=probe, dtype=torch.float32)
    except (RuntimeError, ValueError, KeyError, AttributeError, ImportError) as error:
        first = str(error).strip().splitlines()[:1]
        raise TaskError(
            f"{label}: {NOT_LIVE}, transformers could not build it ({''.join(first)}).",
            "Everything but scores works.",
        ) from error
    module.eval().requires_grad_(False)
    return NamedModule(module, _match(module, starts, shapes, label), label)


def model_class(config: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the class of transformers that a config.json names, and its parsed settings.

    Raises:
        TaskError: an architecture that transformers lacks.
    """
    import transformers  # noqa: PLC0415  (seconds to import, and merging does without)

    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in transformers.CONFIG_MAPPING:
        raise TaskError(
            f"config.json: model_type must be one that transformers knows, got {model_type!r}.",
            "Code that comes with a model is never run; everything but scores works.",
        )
    settings = transformers.CONFIG_MAPPING[model_type].from_dict(dict(config))
    named = next(iter(config.get("architectures") or ()), None)
    found = getattr(transformers, named, None) if isinstance(named, str) else None
    if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel):
        return found, settings
    return transformers.AutoModel, settings


def _probe(
    shapes: Mapping[str, tuple[int, ...]], label: str
) -> tuple[dict[str, Tensor], dict[int, str]]:
    """Return tensors in which no number occurs twice, and where each one's numbers start."""
    total = sum(prod(shape) for shape in shapes.values())
    if total > LAST_BITS - FIRST_BITS:
        raise TaskError(
            f"{label}: models up to {LAST_BITS - FIRST_BITS:,} parameters can be scored in "
            f"memory, this one has {total:,}.",
            "Score the saved merge with another tool.",
        )
    probe, starts, start = {}, {}, FIRST_BITS
    for key, shape in shapes.items():
        stop = start + prod(shape)
        bits = torch.arange(start, stop, dtype=torch.int32)
        probe[key] = bits.view(torch.float32).reshape(shape)
        starts[start] = key
        start = stop
    return probe, starts


def _match(
    module: nn.Module,
    starts: Mapping[int, str],
    shapes: Mapping[str, tuple[int, ...]],
    label: str,
) -> dict[tuple[str, ...], tuple[Tensor, ...]]:
    found: dict[tuple[str, ...], list[Tensor]] = {}
    for name, tensor in _stored(module):
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        keys = _keys_of(tensor.detach().contiguous().view(torch.int32).flatten(), starts, shapes)
        if not keys or (len(keys) == 1 and tuple(tensor.shape) != shapes[keys[0]]):
            raise TaskError(
                f"{label}: {NOT_LIVE}, {name} is no plain copy of tensors on disk.",
                "Everything but scores works.",
            )
        found.setdefault(keys, []).append(tensor)
    twice = [key for key, n in Counter(key for keys in found for key in keys).items() if n > 1]
    if twice:
        raise TaskError(
            f"{label}: {NOT_LIVE}, {twice[0]} is a part of several of its tensors.",
            "Everything but scores works.",
        )
    return {keys: tuple(tensors) for keys, tensors in found.items()}


def _keys_of(
    bits: Tensor, starts: Mapping[int, str], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[str, ...]:
    """Return which whole tensors on disk stand in a parameter one after the other, if any do."""
    keys: list[str] = []
    at = 0
    while at < bits.numel():
        first = int(bits[at])
        key = starts.get(first)
        if key is None:
            return ()
        size = prod(shapes[key])
        whole = torch.arange(first, first + size, dtype=torch.int32)
        if not torch.equal(bits[at : at + size], whole):
            return ()
        keys.append(key)
        at += size
    return tuple(keys)


def _stored(module: nn.Module) -> list[tuple[str, Tensor]]:
    """Return what a checkpoint fills: parameters (tied ones once) and persistent buffers."""
    persistent = set(module.state_dict())
    buffers = [(name, b) for name, b in module.named_buffers() if name in persistent]
    return [*module.named_parameters(), *buffers]
