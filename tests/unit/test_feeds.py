"""What methods are handed: only when their settings ask for it, and about what they name."""

from typing import Annotated

import pytest
import torch

from merger.errors import FeedError
from merger.memory import merge_tensors
from merger.spaces import Origin, Space, vectors
from merger.spec import (
    METHODS,
    Delta,
    Deltas,
    L1s,
    LayerCount,
    Ordered,
    Weight,
    WeightGram,
    Weights,
    merge_method,
    of,
)

BASE = {"a": torch.tensor([1.0, 0.0]), "layers.4.b": torch.zeros(3)}
EXPERTS = [
    {"a": torch.tensor([2.0, 1.0]), "layers.4.b": torch.tensor([3.0, -1.0, 2.0])},
    {"a": torch.tensor([1.0, 2.0]), "layers.4.b": torch.tensor([0.0, 0.0, 5.0])},
]
SEEN: list = []


def doubled(tau: Deltas) -> Deltas:
    """Return twice the task vectors."""
    return tau * 2.0


def ends(_knobs, entries: int) -> tuple[int, ...]:
    return 0, entries - 1


@pytest.fixture
def peek():
    """Register methods that note what they are handed."""
    register = merge_method("Peek", family="f", paper="p", laws=())
    SEEN.clear()

    @register
    def peek_at_products(
        theta: Weights,
        origin: Origin,
        gram: Annotated[WeightGram, of(on=vectors)],
        *,
        space: Space = "weights",
    ) -> Weight:
        SEEN.append((origin is None, gram.tolist()))
        return theta[0]

    @register
    def peek_at_sizes(
        tau: Deltas,
        sizes: Annotated[L1s, of(on=doubled)],
        ordered: Annotated[Ordered, of(places=ends)],
        layers: LayerCount,
    ) -> Delta:
        SEEN.append((sizes, ordered.tolist(), layers))
        return tau[0]

    yield
    METHODS.remove("peek_at_products")
    METHODS.remove("peek_at_sizes")


def test_a_base_is_handed_only_where_the_settings_ask_for_it(peek):
    merge_tensors("peek_at_products", EXPERTS, BASE, weights=(0.5, 9.0))
    assert SEEN == [(True, [[5, 4], [4, 5]]), (True, [[14, 10], [10, 25]])]
    SEEN.clear()
    params = {"space": "task_vectors"}
    merge_tensors("peek_at_products", EXPERTS, BASE, params, weights=(0.5, 9.0))
    # Products of what the method works on, whatever the coefficients.
    assert SEEN == [(False, [[2, 2], [2, 4]]), (False, [[14, 10], [10, 25]])]


def test_a_base_is_missed_only_where_the_settings_ask_for_it(peek):
    assert METHODS["peek_at_products"].needs == ()
    merge_tensors("peek_at_products", EXPERTS, None)
    with pytest.raises(FeedError, match="Peek needs a base model, and none is chosen"):
        merge_tensors("peek_at_products", EXPERTS, None, {"space": "task_vectors"})
    rules = [{"match": "a", "take": None, "weights": None, "params": {"space": "task_vectors"}}]
    with pytest.raises(FeedError, match="Peek needs a base model, and none is chosen"):
        merge_tensors("peek_at_products", EXPERTS, None, rules=rules)


def test_sizes_and_ordered_values_are_told_by_expert_and_tensor(peek):
    merge_tensors("peek_at_sizes", EXPERTS, BASE, weights=(1.0, 0.5))
    (a, ordered_a, _), (b, ordered_b, layers) = SEEN
    assert (a, b) == ((4.0, 2.0), (12.0, 5.0))
    assert (ordered_a, ordered_b) == ([[1, 0], [1, 2]], [[1, 0], [3, 5]])
    assert layers == 5
