"""RWS: the signature of robustness, and where it goes."""

import pytest
import torch

from merger.errors import RecipeError
from merger.memory import merge_tensors
from tests.unit.methods.vectors import TAU, check, merged


def test_the_signature_is_orthogonal_to_what_the_clean_expert_learned():
    generator = torch.Generator().manual_seed(0)
    clean, robust = (torch.randn(9, 7, generator=generator) for _ in range(2))
    signature = merged("rws", [clean, robust]) - clean
    cosine = torch.nn.functional.cosine_similarity(signature.flatten(), clean.flatten(), dim=0)
    assert abs(cosine.item()) < 1e-6
    check(merged("rws", [clean, robust], params={"scale": -1.0}) - clean, -signature)


def test_a_signature_by_hand():
    # Along (2, 0) the change (3, 4) is 3; what is left is (0, 4).
    assert merged("rws", [[2.0, 0.0], [3.0, 4.0]]).tolist() == [2, 4]
    assert merged("rws", [[2.0, 0.0], [3.0, 4.0]], params={"scale": 0.5}).tolist() == [2, 2]


def test_several_robust_experts_count_by_coefficient_and_share():
    taus = [[2.0, 0.0], [3.0, 4.0], [9.0, -2.0]]
    assert merged("rws", taus).tolist() == [2, 1]
    assert merged("rws", taus, weights=(5, 1, 3)).tolist() == [2, -1]


def test_a_robust_expert_like_the_clean_one_changes_nothing():
    check(merged("rws", [TAU[0], TAU[0]]), TAU[0], 1e-6)


def test_an_unchanged_clean_expert_leaves_the_whole_change():
    assert merged("rws", [[0.0, 0.0], [3.0, 4.0]]).tolist() == [3, 4]


def test_the_signature_can_be_added_to_another_expert_and_taken_away_again():
    base = {"w": torch.ones(2)}
    experts = [{"w": torch.tensor(v)} for v in ([3.0, 1.0], [4.0, 5.0], [7.0, 7.0])]
    found = merge_tensors("rws", experts, base, {"target": "last"})["w"]
    assert found.tolist() == [7, 11]
    back = merge_tensors("rws", [*experts[:2], {"w": found}], base,
                         {"target": "last", "scale": -1.0})["w"]  # fmt: skip
    assert back.tolist() == [7, 7]
    with pytest.raises(RecipeError, match="target 'last' needs a clean expert"):
        merge_tensors("rws", experts[:2], base, {"target": "last"})


def test_only_the_first_layers_change():
    keys = ["embed.weight", "layers.0.w", "layers.1.w", "layers.2.w", "head.weight"]
    base = {key: torch.zeros(2) for key in keys}
    clean = {key: torch.tensor([2.0, 0.0]) for key in keys}
    robust = {key: torch.tensor([3.0, 4.0]) for key in keys}
    found = merge_tensors("rws", [clean, robust], base, {"first_layers": 2})
    changed = [key for key in keys if found[key].tolist() != [2, 0]]
    assert changed == ["layers.0.w", "layers.1.w"]
    found = merge_tensors("rws", [clean, robust], base, {"first_layers": None})
    assert [key for key in keys if found[key].tolist() != [2, 0]] == [
        "layers.0.w", "layers.1.w", "layers.2.w",
    ]  # fmt: skip


def test_batch_norms_can_take_the_mean_of_the_robust_experts():
    keys = ["layer.0.bn1.weight", "layer.0.conv.weight", "layer.0.bn1.bias"]
    base = {key: torch.zeros(2) for key in keys}
    models = [{key: torch.tensor(v) for key in keys} for v in ([2.0, 0], [3.0, 4], [5.0, 6])]
    found = merge_tensors("rws", models, base, {"batch_norm": "robust"})
    assert [found[key].tolist() for key in keys] == [[4, 5], [2, 5], [4, 5]]
