"""The three task vectors of the hand-computed examples, and short ways to merge and compare."""

from collections.abc import Sequence
from typing import Any

import torch

from merger.memory import merge_tensors

TAU = (
    [[1, -2, 3], [0.5, 0, -1.2]],
    [[2, 1.1, -0.9], [-0.6, 4, -1]],
    [[-3.2, 1.3, 0.2], [0.1, -2.1, -0.3]],
)
ZERO = {"w": torch.zeros(2, 3)}


def merged(name: str, taus: Sequence[Any] = TAU, /, **options: Any) -> torch.Tensor:
    """Return the merge of one tensor over a base of zeros."""
    experts = [{"w": torch.as_tensor(tau, dtype=torch.float32)} for tau in taus]
    base = {"w": torch.zeros_like(experts[0]["w"])}
    return merge_tensors(name, experts, base, **options)["w"]


def check(found: torch.Tensor, expected: Any, tolerance: float = 1e-5) -> None:
    """Compare with numbers computed by hand."""
    wanted = torch.as_tensor(expected, dtype=torch.float32)
    torch.testing.assert_close(found, wanted, atol=tolerance, rtol=0)
