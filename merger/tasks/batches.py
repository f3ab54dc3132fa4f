"""Sequences of unequal length in batches that fit: sorted by length, bounded in tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from merger.runner import Runner

# Parameters times tokens of a batch: about a second of work, so that who waits gets in between.
MAX_WORK = 1e11
MAX_TOKENS = 8192
MAX_ROWS = 64


def batches(lengths: Sequence[int], most_tokens: int) -> Iterator[np.ndarray]:
    """Yield row numbers in batches, longest rows first.

    Args:
        lengths: Tokens of each row.
        most_tokens: Padded tokens of a batch at most; a single row may have more.
    """
    order = np.argsort(-np.asarray(lengths), kind="stable")
    start = 0
    while start < len(order):
        width = max(1, int(lengths[order[start]]))
        count = max(1, min(MAX_ROWS, most_tokens // width))
        yield order[start : start + count]
        start += count


def tokens_at_once(runner: Runner, most: int = MAX_TOKENS) -> int:
    """Return how many tokens a batch of this model may have."""
    return int(max(1, min(most, MAX_WORK // max(1, runner.parameters))))


def padded(rows: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Return rows padded on the right, and which tokens are real, both (n, longest)."""
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[i, : len(row)] = 1
    return ids, mask
