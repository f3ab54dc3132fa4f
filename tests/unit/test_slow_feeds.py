"""Feeds for spectral methods: names, lengths, slow results, shares of what is not 0."""

from collections.abc import Iterator
from typing import Annotated

import pytest
import torch

from merger import passes, ranking
from merger.algebra import total
from merger.checkpoint import MemoryCheckpoint
from merger.flat import FlatInputs, SurveyCache, merge_flat
from merger.memory import merge_tensors
from merger.plan import plan
from merger.recipe import Expert, Recipe
from merger.spec import (
    METHODS,
    Costly,
    Cut,
    Delta,
    Deltas,
    Key,
    Norms,
    RawDeltas,
    Share,
    merge_method,
    of,
)
from merger.stack import stack_experts

BASE = {"a": torch.zeros(2), "b": torch.zeros(3)}
EXPERTS = [
    {"a": torch.tensor([3.0, 0.0]), "b": torch.tensor([0.0, 4.0, 0.0])},
    {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([2.0, 0.0, 0.0])},
]
seen: list[str] = []


def summed(tau: Deltas, key: Key, *, power: float = 1.0) -> Delta:
    """Return the sum, and note for which tensor."""
    seen.append(key)
    return total(tau) ** power


def shown(tau: RawDeltas) -> Deltas:
    """Return the task vectors as they are."""
    return tau


@pytest.fixture(autouse=True)
def methods() -> Iterator[None]:
    register = merge_method("T", family="test", paper="none", scope="tensor")
    before = set(METHODS)

    @register
    def slow(
        update: Annotated[Costly, of(on=summed)], *, power: float = 1.0, scale: float = 1.0
    ) -> Delta:
        """Scale a slow sum."""
        return update * scale

    @register
    def lengths(
        tau: Deltas,
        own: Norms,
        result: Annotated[Norms, of(on=summed)],
        *,
        power: float = 1.0,
    ) -> Delta:
        """Store lengths."""
        return torch.tensor([*own, *result])[: tau.shape[1]]

    @register
    def cut_changes(
        tau: RawDeltas,
        cut: Annotated[Cut, of("density", scope="global", on=shown, nonzero=True)],
        *,
        density: Share = 0.5,
    ) -> Delta:
        """Keep a share of what changed."""
        return total(tau * cut)

    seen.clear()
    yield
    for name in set(METHODS) - before:
        METHODS.remove(name)


def test_a_slow_result_is_made_once_a_tensor():
    found = merge_tensors("slow", EXPERTS, BASE, {"scale": 2.0})
    assert found["a"].tolist() == [8.0, 4.0]
    assert sorted(seen) == ["a", "b"]


def test_a_slow_result_is_kept_while_settings_move_that_it_does_not_take():
    base = MemoryCheckpoint(BASE)
    experts = [MemoryCheckpoint(expert) for expert in EXPERTS]
    flat = FlatInputs(stack_experts(base, experts, ["x", "y"]), experts)
    cache = SurveyCache()

    def live(weights=(1.0, 1.0), **params) -> torch.Tensor:
        named = (Expert("m:x", "x"), Expert("m:y", "y"))
        made = Recipe("slow", named, "m:base", params=params, weights=weights)
        return merge_flat(plan(made, base, experts), flat, cache)

    first = live()
    assert torch.equal(live(scale=3.0), 3.0 * first)
    assert len(seen) == 2
    live(power=2.0)
    assert len(seen) == 4
    assert live(weights=(0.0, 1.0)).tolist() == [1, 2, 2, 0, 0]
    assert len(seen) == 6


@pytest.mark.parametrize("weights", [(1.0, 1.0), (2.0, -1.0)])
def test_lengths_are_those_of_weighted_task_vectors_and_of_the_result(weights, monkeypatch):
    monkeypatch.setattr(passes, "BLOCK", 1)
    found = merge_tensors("lengths", [{"b": e["b"]} for e in EXPERTS], {"b": BASE["b"]},
                          weights=weights)["b"]  # fmt: skip
    one, two = (w * e["b"] for w, e in zip(weights, EXPERTS, strict=True))
    torch.testing.assert_close(found, torch.stack([one.norm(), two.norm(), (one + two).norm()]))


@pytest.mark.parametrize("memory", [ranking.IN_MEMORY, 0])
def test_a_share_may_count_only_what_is_not_0(monkeypatch, memory):
    monkeypatch.setattr(ranking, "IN_MEMORY", memory)
    # Two and three of five entries changed: half is one of each.
    found = merge_tensors("cut_changes", EXPERTS, BASE)
    assert (found["a"].tolist(), found["b"].tolist()) == ([0.0, 2.0], [0.0, 4.0, 0.0])
    whole = merge_tensors("cut_changes", EXPERTS, BASE, {"density": 1.0})
    assert (whole["a"].tolist(), whole["b"].tolist()) == ([4.0, 2.0], [2.0, 4.0, 0.0])


def test_a_share_of_what_is_not_0_cannot_depend_on_coefficients():
    def weighted(tau: Deltas) -> Deltas:
        """Return weighted task vectors."""
        return tau

    with pytest.raises(TypeError, match="must rank what is fed RawDeltas"):

        @merge_method("T", family="test", paper="none")
        def wrong(
            cut: Annotated[Cut, of("density", on=weighted, nonzero=True)], *, density: Share = 0.5
        ) -> Delta:
            """Be wrong."""
            return total(cut)


def test_a_slow_feed_without_a_function_is_a_mistake():
    with pytest.raises(TypeError, match=r"must be of\(on=FUNCTION\)"):

        @merge_method("T", family="test", paper="none")
        def wrong(update: Costly) -> Delta:
            """Be wrong."""
            return update
