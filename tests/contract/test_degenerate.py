"""Inputs without what a method looks for: each gives finite numbers, or a message for the user."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from merger.errors import MergeError
from merger.spec import METHODS
from tests.contract.cases import SHAPES, Model, add, models, parts, run, same_bytes, variants
from tests.contract.laws import experts_for

ALL = list(METHODS)
# Rows and columns that are powers of two, so that a share of the entries is a whole number.
WIDE = {"layers.0.w": (8, 16), "layers.1.w": (8, 16), "embed.weight": (5, 3), "norm": (4,)}


def number_of(name: str, wanted: int) -> int:
    """Return as many experts as the method takes, at most or at least those wanted."""
    low, high = METHODS[name].experts
    return max(low, min(wanted, high or wanted))


def checked(
    name: str, experts: list[Model], base: Model, settings: Mapping[str, Any], **more: Any
) -> dict[str, Any] | None:
    """Return what a merge gives, all of it finite.

    None where it says why it cannot be: that the coefficients add up to 0, or what it says of
    ordinary experts at these settings too.
    """
    few = {"steps": 20} if "steps" in {p.name for p in METHODS[name].params} else {}
    try:
        result = run(name, experts, base, {**settings, **few}, **more)
    except MergeError as error:
        assert error.message and error.hint
        if "add up to 0" not in error.message:
            ordinary = models(len(experts))
            with pytest.raises(MergeError, match=re.escape(error.message)):
                run(name, ordinary[1], ordinary[0], settings)
        return None
    for key, value in result.items():
        assert torch.isfinite(value).all(), (key, settings)
    return result


def draw(shapes: Mapping[str, tuple[int, ...]], seed: int) -> Model:
    random = torch.Generator().manual_seed(seed)
    return {key: torch.randn(shape, generator=random) for key, shape in shapes.items()}


def outer(shapes: Mapping[str, tuple[int, ...]], seed: int) -> Model:
    """Return a model whose every matrix has rank 1."""
    found = draw(shapes, seed)
    for key, value in found.items():
        if value.dim() == 2:
            found[key] = value[:, :1] * value[:1]
    return found


@pytest.mark.parametrize("name", ALL)
def test_an_unchanged_tensor_stays(name):
    n = number_of(name, 3)
    base, experts = models(n)
    for expert in experts:
        expert["layers.0.w"] = base["layers.0.w"].clone()
    for settings in variants(name, n):
        result = checked(name, experts, base, settings)
        if result is None or "zero" not in METHODS[name].laws:
            continue
        for found in parts(result):
            kept = {"layers.0.w": found["layers.0.w"]}
            assert same_bytes(kept, {"layers.0.w": base["layers.0.w"]}), settings


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_unchanged_expert_harms_nothing(name, place):
    n = number_of(name, 3)
    base, experts = models(n)
    experts[min(place, n - 1)] = {k: v.clone() for k, v in base.items()}
    for settings in variants(name, n):
        checked(name, experts, base, settings)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_experts_without_any_change_give_the_base(name, n):
    if experts_for(METHODS[name], n) is None:
        n = number_of(name, n)
    base, _ = models(1)
    for settings in variants(name, n):
        result = checked(name, [dict(base) for _ in range(n)], base, settings)
        if result is not None and "zero" in METHODS[name].laws:
            assert all(same_bytes(found, base) for found in parts(result)), settings


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("n", [2, 3, 6])
def test_equal_experts_give_finite_numbers(name, n):
    n = number_of(name, n)
    base, (expert,) = models(1)
    for settings in variants(name, n):
        checked(name, [dict(expert) for _ in range(n)], base, settings)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shapes", [SHAPES, WIDE], ids=["all shapes", "matrices"])
def test_matrices_without_full_rank_and_more_experts_than_directions(name, shapes):
    n = number_of(name, 9)
    base = draw(shapes, 0)
    experts = [add(base, outer(shapes, 1 + i % 4)) for i in range(n)]
    for settings in variants(name, n):
        checked(name, experts, base, settings)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("weights", [(0.0, 0.0, 0.0), (1.0, -1.0, 0.0)])
def test_coefficients_that_add_up_to_nothing(name, weights):
    n = number_of(name, 3)
    base, experts = models(n)
    shares = (*weights, *[0.0] * n)[:n]
    for settings in variants(name, n):
        checked(name, experts, base, settings, weights=shares)


@pytest.mark.parametrize("name", ALL)
def test_magnitudes_that_are_all_equal(name):
    n = number_of(name, 3)
    base, experts = models(n)
    for i, expert in enumerate(experts):
        for j, (key, value) in enumerate(base.items()):
            turn = torch.arange(value.numel()).reshape(value.shape) // (i + 1) % 2
            expert[key] = value + 0.25 * (-1.0) ** j * (1.0 - 2.0 * turn)
    for settings in variants(name, n):
        checked(name, experts, base, settings)
