"""The laws that methods claim, one function each; see `merger.spec.LAWS`."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from merger.spec import METHODS, Method
from tests.contract.cases import (
    GRID,
    Model,
    add,
    assert_close,
    models,
    parts,
    run,
    same_bytes,
    zeros,
)

Law = Callable[[str, int], None]


def experts_for(method: Method, n: int) -> int | None:
    """Return how many experts to test with, or None where the method cannot take n."""
    low, high = method.experts
    return None if n < low or (high is not None and n > high) else n


def grid() -> list[tuple[str, int]]:
    """Return every method with every number of experts of the grid that it takes."""
    return [(name, n) for name in METHODS for n in GRID if experts_for(METHODS[name], n)]


def zero(name: str, n: int) -> None:
    base, experts = models(n)
    base["layers.0.w"][0] = -0.0
    base["embed.weight"][:3] = torch.tensor([-0.0, 0.0, 1e-42])
    found = parts(run(name, [dict(base) for _ in range(n)], base))
    method = METHODS[name]
    if not method.weights_note:
        found += parts(run(name, experts, base, weights=(0.0,) * n))
    if "scale" in {p.name for p in method.params}:
        found += parts(run(name, experts, base, {"scale": 0.0}))
    assert all(same_bytes(model, base) for model in found)


def single(name: str, n: int) -> None:
    base, experts = models(1)
    (found,) = parts(run(name, experts, base, METHODS[name].neutral_for(1)))
    assert_close(found, experts[0], 1e-6)


def idempotent(name: str, n: int) -> None:
    base, experts = models(1)
    copies = [experts[0]] * n
    result = run(name, copies, base, METHODS[name].neutral_for(n), names=_names(n))
    for found in parts(result):
        assert_close(found, experts[0], 1e-5)


def symmetric(name: str, n: int) -> None:
    base, experts = models(n)
    weights = tuple(0.5 + 0.25 * i for i in range(n))
    names = _names(n)
    settings: Mapping[str, Any] = {}
    result = run(name, experts, base, settings, weights=weights, names=names)
    # A fixed rotation: a random permutation may leave an expert in its place.
    turned = [(*items[1:], items[0]) for items in (experts, weights, names)]
    again = run(name, turned[0], base, settings, weights=turned[1], names=turned[2])
    assert_close(result, again)


def homogeneous(name: str, n: int) -> None:
    _, changes = models(n)
    result = run(name, changes, zeros())
    twice = run(name, [{k: 2.0 * v for k, v in c.items()} for c in changes], zeros())
    assert_close({k: 2.0 * v for k, v in result.items()}, twice)


def odd(name: str, n: int) -> None:
    _, changes = models(n)
    result = run(name, changes, zeros())
    turned = run(name, [{k: -v for k, v in c.items()} for c in changes], zeros())
    assert_close({k: -v for k, v in result.items()}, turned)


def shift(name: str, n: int) -> None:
    base, experts = models(n)
    result = run(name, experts, base)
    moved = run(name, [add(e, 0.5) for e in experts], add(base, 0.5))
    assert_close(add(result, 0.5), moved)


def seeded(name: str, n: int) -> None:
    base, experts = models(n)
    result = run(name, experts, base, seed=3)
    assert same_bytes(result, run(name, experts, base, seed=3))
    assert not same_bytes(result, run(name, experts, base, seed=4))


def local(name: str, n: int) -> None:
    base, experts = models(n)
    result = run(name, experts, base)
    changed: list[Model] = [dict(e) for e in experts]
    changed[0]["layers.0.w"] = changed[0]["layers.0.w"] + 50.0
    again = run(name, changed, base)
    rest = [key for key in result if not key.endswith("layers.0.w")]
    assert same_bytes({k: result[k] for k in rest}, {k: again[k] for k in rest})


def _names(n: int) -> list[str]:
    return [f"expert {i}" for i in range(n)]


CHECKS: Mapping[str, Law] = {
    f.__name__: f
    for f in (zero, single, idempotent, symmetric, homogeneous, odd, shift, seeded, local)
}
