"""AMA: shares of the model before, part by part, with a fixed mean."""

import math

import pytest
import torch

from merger.errors import RecipeError
from merger.memory import merge_tensors

LAYERS = [f"layers.{i:02}.w" for i in range(12)]
KEYS = [*LAYERS, "embed_tokens.weight", "lm_head.weight", "norm.weight"]
BEFORE = {key: torch.ones(1) for key in KEYS}
AFTER = {key: torch.zeros(1) for key in KEYS}


def shares(**params) -> dict[str, float]:
    """Return how much of the model before is in each tensor."""
    found = merge_tensors("ama", [AFTER], BEFORE, params)
    return {key: value.item() for key, value in found.items()}


def test_equal_sliders_are_plain_averaging():
    assert shares() == pytest.approx(dict.fromkeys(KEYS, 0.2))
    level = shares(s1=2.0, s2=2.0, s3=2.0, base_share=0.5)
    assert level == pytest.approx(dict.fromkeys(KEYS, 0.5))
    one_less = merge_tensors("wise_ft", [AFTER], BEFORE, {"alpha": 0.8})
    assert shares() == pytest.approx({k: v.item() for k, v in one_less.items()})


@pytest.mark.parametrize(("parts", "size"), [("3", 4), ("6", 2)])
def test_the_mean_over_the_parts_stays(parts, size):
    found = shares(parts=parts, base_share=0.5, s1=3.0, s2=-1.0, s3=0.5, s4=1.0)
    by_part = [found[LAYERS[i]] for i in range(0, 12, size)]
    for i, key in enumerate(LAYERS):
        assert found[key] == by_part[i // size]
    assert sum(by_part) / len(by_part) == pytest.approx(0.5, abs=1e-6)


def test_shares_follow_the_formula():
    def sigmoid(s: float) -> float:
        return 1 / (1 + math.exp(-s))

    strengths = [sigmoid(s) + 0.2 for s in (1.0, -1.0, 0.0)]
    found = shares(s1=1.0, s2=-1.0)
    for strength, key in zip(strengths, (LAYERS[0], LAYERS[4], LAYERS[8]), strict=True):
        assert found[key] == pytest.approx(0.6 * strength / sum(strengths), rel=1e-6)


def test_a_share_may_pass_one():
    assert max(shares(base_share=0.5, s1=9.0, s2=-9.0, s3=-9.0).values()) > 1.0


def test_embeddings_go_with_the_first_part_and_heads_with_the_mean():
    found = shares(s1=2.0)
    assert found["embed_tokens.weight"] == found[LAYERS[0]] > 0.2
    assert found["lm_head.weight"] == found["norm.weight"] == pytest.approx(0.2)


def test_it_splits_26_layers_as_the_authors_do():
    keys = [f"layers.{i}.w" for i in range(26)]
    before = {key: torch.ones(1) for key in keys}
    found = merge_tensors("ama", [{k: v * 0 for k, v in before.items()}], before, {"s1": 2.0})
    parts = [found[key].item() for key in keys]
    assert [parts.index(p) for p in dict.fromkeys(parts[:9])] == [0]
    assert parts[8] == parts[0] != parts[9]


def test_sliders_have_bounds():
    with pytest.raises(RecipeError, match="ama: s1 must be between -20 and 20, got 21"):
        shares(s1=21.0)
