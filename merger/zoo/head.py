"""What a head is and how it scores; needs torch alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch

SHARPNESS = 12.0


@dataclass(frozen=True, slots=True)
class Head:
    """Feature mean and spread of a task (hidden,), and one direction a class (classes, hidden)."""

    mu: torch.Tensor
    sd: torch.Tensor
    vectors: torch.Tensor


def head_logits(features: torch.Tensor, head: Head) -> torch.Tensor:
    """Score features (n, hidden) against every class: 12 times the cosine, shape (n, classes)."""
    scores = torch.nn.functional.normalize((features - head.mu) / head.sd, dim=-1)
    return SHARPNESS * scores @ head.vectors.T
