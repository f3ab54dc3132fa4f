"""What a language model makes of one short text: bits per token, and what it expects next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from merger.runner import Runner
from merger.tasks.text import check_tokens

NEXT = 8  # words that may follow


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What one model makes of a text.

    Args:
        bits: What each token after the first costs, (n - 1,).
        following: The likeliest tokens to follow, in order.
        chances: How likely each of them is.
    """

    bits: np.ndarray
    following: np.ndarray
    chances: np.ndarray


def read_text(runner: Runner, ids: np.ndarray) -> Reading:
    """Return the bits of each token (n,) after the first, and the likeliest ones to follow.

    Runs in the model's thread, with the numbers that are loaded.
    """
    vocabulary = check_tokens(runner, ids)
    whole = torch.from_numpy(ids)
    with torch.inference_mode():
        logits = runner.module(input_ids=whole[None]).logits[0].float()  # (n, words)
        nats = torch.nn.functional.cross_entropy(logits[:-1], whole[1:], reduction="none")
        chances = torch.softmax(logits[-1], 0)
        # A stable order: equally likely words come in the order of the vocabulary.
        best = torch.argsort(chances, descending=True, stable=True)[: min(NEXT, vocabulary)]
    bits = nats.double().numpy() / np.log(2)
    return Reading(bits, best.numpy(), chances[best].double().numpy())
