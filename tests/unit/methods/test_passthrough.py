"""Passthrough: a copy, or a multiple."""

import torch

from merger.memory import merge_tensors

MODEL = {"w": torch.tensor([1.5, -0.0, 1e-40]), "n": torch.tensor([7])}


def test_the_first_expert_comes_back_byte_for_byte():
    found = merge_tensors("passthrough", [MODEL, {k: v + 1 for k, v in MODEL.items()}])
    assert torch.equal(found["w"].view(torch.int32), MODEL["w"].view(torch.int32))
    assert found["n"].tolist() == [7]


def test_its_weights_can_be_multiplied():
    assert merge_tensors("passthrough", [MODEL], None, {"scale": 2.0})["w"][0].item() == 3.0
