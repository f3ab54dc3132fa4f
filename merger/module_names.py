"""What transformers calls the tensors of a checkpoint in memory, where PEFT looks for them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from merger.checkpoint import Checkpoint
from merger.errors import TaskError
from merger.lazy import Tensor, torch

# The probe of `naming` holds the model twice in float32.
MOST_PROBED = 300_000_000


class Names(NamedTuple):
    """Names in memory.

    Args:
        by_key: Of each tensor, by its name on disk; those unknown are left out.
        shared: Other names of the same parameter, such as a tied head's, by its first name.
    """

    by_key: Mapping[str, str]
    shared: Mapping[str, tuple[str, ...]]


NOTHING = Names({}, {})


def parameter_names(model: Checkpoint) -> Names:
    """Return what each tensor of a checkpoint is called in memory.

    Where the model that the config describes has parameters of just these names, they are it;
    elsewhere a probe finds them, unless the model is too large for one.
    """
    config = model.config()
    if config is None:
        return NOTHING
    from merger.naming import build_module, model_class  # noqa: PLC0415  (loads transformers)

    try:
        described = _described(*model_class(config))
        named = {name: tuple(p.shape) for name, p in described}
        shapes = {key: info.shape for key, info in model.tensors.items() if info.is_float}
        plain = {key: key for key in shapes if named.get(key) == shapes[key]}
        numel = sum(info.numel for info in model.tensors.values())
        wanted = sum(parameter.numel() for _, parameter in described)
        if len(plain) == len(shapes) or max(numel, wanted) > MOST_PROBED:
            return Names(plain, _shared(described))
        built = build_module(config, shapes)
    except TaskError:
        return NOTHING
    by_id = {id(p): name for name, p in built.module.named_parameters()}
    # A part of a larger parameter, as an expert of a mixture is, has no name of its own there.
    found = {
        keys[0]: by_id[id(parameters[0])]
        for keys, parameters in built.filled.items()
        if len(keys) == 1 and id(parameters[0]) in by_id
    }
    return Names(found, _shared(list(built.module.named_parameters(remove_duplicate=False))))


def _shared(parameters: Sequence[tuple[str, Tensor]]) -> dict[str, tuple[str, ...]]:
    groups: dict[int, list[str]] = {}
    for name, parameter in parameters:
        groups.setdefault(id(parameter), []).append(name)
    return {first: tuple(rest) for first, *rest in groups.values() if rest}


def _described(kind: Any, settings: Any) -> list[tuple[str, Tensor]]:
    """Return the parameters that a config describes, by all their names, without the numbers."""
    try:
        with torch.device("meta"):
            module = kind.from_config(settings) if hasattr(kind, "from_config") else kind(settings)
            module.tie_weights()
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise TaskError(f"{kind.__name__} cannot be built: {error}") from error
    return list(module.named_parameters(remove_duplicate=False))
