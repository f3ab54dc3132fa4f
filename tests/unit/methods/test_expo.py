"""ExPO and BANG: points on the line from the base through one expert."""

import pytest
import torch

from merger.memory import merge_tensors

BASE = {"w": torch.ones(2)}
EXPERT = {"w": torch.tensor([3.0, -1])}


def on_line(name: str, **params) -> list[float]:
    return merge_tensors(name, [EXPERT, BASE], BASE, params)["w"].tolist()


def test_expo_goes_past_the_expert():
    assert on_line("expo") == pytest.approx([3.2, -1.2])
    assert on_line("expo", alpha=0.5) == [4, -2]
    assert on_line("expo", alpha=0.0) == [3, -1]


def test_expo_is_wise_ft_further_on():
    assert on_line("expo", alpha=0.25) == on_line("wise_ft", alpha=1.25)


def test_bang_is_wise_ft_half_way():
    assert on_line("bang") == on_line("wise_ft") == [2, 0]
