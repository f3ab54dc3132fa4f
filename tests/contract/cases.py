"""Small models for the contract tests: every shape from 0-d to 4-d, layers, and helpers."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from merger.memory import merge_tensors
from merger.recipe import Depth
from merger.spec import METHODS, Method, Param

GRID = (1, 2, 3, 5, 6, 8)
SHAPES: Mapping[str, tuple[int, ...]] = {
    "embed.weight": (7,),
    "layers.0.w": (4, 6),
    "layers.1.w": (2, 3, 5),
    "layers.2.conv": (2, 2, 3, 3),
    "layers.2.empty": (0, 3),
    "logit_scale": (),
}
Model = dict[str, Tensor]


def models(n: int, seed: int = 0) -> tuple[Model, list[Model]]:
    """Return a base and n experts in multiples of 1/1024, so that sums are exact."""
    generator = torch.Generator().manual_seed(seed)

    def draw(width: int) -> Model:
        return {
            key: torch.randint(-width, width, shape, generator=generator) / 1024.0
            for key, shape in SHAPES.items()
        }

    base = draw(3000)
    changes = [draw(900) for _ in range(n)]
    return base, [add(base, change) for change in changes]


def add(a: Model, b: Mapping[str, Tensor] | float, factor: float = 1.0) -> Model:
    """Return a + factor · b, tensor by tensor."""
    return {k: v + factor * (b if isinstance(b, float) else b[k]) for k, v in a.items()}


def zeros() -> Model:
    """Return a model of zeros."""
    return {key: torch.zeros(shape) for key, shape in SHAPES.items()}


def merge_kinds() -> list[str]:
    """Return every method and verb that is registered."""
    return list(METHODS)


def is_random(method: Method) -> bool:
    """Return whether it draws random numbers."""
    return any(use.feed.name == "uniform" for use in method.feeds)


def run(
    name: str,
    experts: Sequence[Model],
    base: Model,
    params: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Merge with a method, or with a verb around task arithmetic.

    Where every expert gets a model, tensors are called `expert/tensor`; see `parts`.
    """
    stage = METHODS[name].stage
    if METHODS[name].output == "per_task":
        found = merge_tensors(name, experts, base, params=params, **options)
        return {f"{e}/{k}": found[e][k] for e in sorted(found) for k in found[e]}
    if stage == "merge":
        return merge_tensors(name, experts, base, params=params, **options)
    return merge_tensors(
        "task_arithmetic",
        experts,
        base,
        params={"scale": 1.0 / len(experts)},
        **{stage: [{name: dict(params or {})}]},
        **options,
    )


def parts(result: Mapping[str, Tensor]) -> list[Model]:
    """Return the models in what `run` returned: one, or one per expert."""
    found: dict[str, Model] = {}
    for name, value in result.items():
        expert, _, key = name.rpartition("/")
        found.setdefault(expert, {})[key] = value
    return list(found.values())


def assert_close(
    a: Mapping[str, Tensor], b: Mapping[str, Tensor], tolerance: float = 1e-5
) -> None:
    """Check that two models are equal within a tolerance."""
    assert list(a) == list(b)
    for key in a:
        torch.testing.assert_close(
            a[key], b[key], rtol=tolerance, atol=tolerance, msg=lambda m, k=key: f"{k}: {m}"
        )


def same_bytes(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    """Return whether two models are equal bit by bit."""
    return list(a) == list(b) and all(
        a[k].dtype == b[k].dtype
        and a[k].shape == b[k].shape
        and torch.equal(a[k].reshape(-1).view(torch.uint8), b[k].reshape(-1).view(torch.uint8))
        for k in a
    )


def _along_track(param: Param, shares: Sequence[float]) -> tuple[float, ...]:
    low, high = param.knob.slider or (param.knob.low or 0.0, param.knob.high or 1.0)
    return tuple(low + (high - low) * share for share in shares)


def variants(name: str, n: int) -> list[dict[str, Any]]:
    """Return settings that reach every word and every kind of value of a method."""
    method = METHODS[name]
    found: list[dict[str, Any]] = [{}]
    for param in method.params:
        found += [{param.name: word} for word in param.choices if word != param.default]
        if param.type is bool:
            found.append({param.name: not param.default})
        if param.type is float:
            found.append({param.name: Depth(_along_track(param, (0.9, 0.3, 0.6)))})
        if param.per_expert:
            found.append({param.name: _along_track(param, [0.2 + 0.1 * i for i in range(n)])})
    return found
