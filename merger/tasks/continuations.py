"""How likely a causal language model finds what follows a context."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from merger.errors import TaskError
from merger.runner import Runner
from merger.tasks.base import Pause
from merger.tasks.batches import batches, padded, tokens_at_once
from merger.tasks.text import MAX_LOGITS, check_tokens


@dataclass(frozen=True, slots=True)
class Continued:
    """A context and what follows it, as tokens.

    Args:
        ids: All tokens.
        start: Number of the first token that counts.
    """

    ids: tuple[int, ...]
    start: int


def cut_continuation(tokenizer, context: str, following: str, longest: int) -> Continued:
    """Cut a context and what follows into tokens; of a long context the end is kept.

    A token that reaches from the context into what follows counts as what follows.

    Args:
        tokenizer: A fast tokenizer.
        context: What the model reads.
        following: What it is asked about.
        longest: Tokens at most.
    Raises:
        TaskError: there is no context, or what follows alone is too long.
    """
    coded = tokenizer(context + following, add_special_tokens=False, return_offsets_mapping=True)
    ids, ends = coded["input_ids"], [end for _, end in coded["offset_mapping"]]
    start = next((i for i, end in enumerate(ends) if end > len(context)), len(ids))
    cut = max(0, len(ids) - longest)
    if start - cut < 1 or start == len(ids):
        raise TaskError(
            f"{following.strip()[:60]!r}: must follow at least one token of context and fit into "
            f"{longest} tokens together, it has {len(ids) - start}.",
            "Use shorter labels, or a prompt.",
        )
    return Continued(tuple(ids[cut:]), start - cut)


def continuation_logs(
    runner: Runner, asked: Sequence[Continued], pause: Pause | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return how likely what follows each context is, and whether greedy decoding would say it.

    Args:
        runner: The model.
        asked: Contexts and what follows them.
        pause: Called before each batch with the number that are done.
    Returns: natural log-probabilities, float64 (n,), and bools (n,).
    """
    every = np.unique([i for each in asked for i in each.ids]) if asked else np.empty(0, np.int64)
    vocabulary = check_tokens(runner, every)
    most = tokens_at_once(runner, max(1, MAX_LOGITS // vocabulary))
    # The last token is only asked about, never read.
    lengths = [len(each.ids) - 1 for each in asked]
    logs, greedy, done = np.zeros(len(asked)), np.zeros(len(asked), bool), 0
    with torch.inference_mode():
        for rows in batches(lengths, most):
            if pause is not None:
                pause(done)
            # What stands on the right of a token is never seen from it: padding needs no mask.
            ids, _ = padded([asked[i].ids[:-1] for i in rows], 0)
            first = min(asked[i].start for i in rows) - 1
            logits = _logits(runner, ids, first)  # (n, longest - first, words)
            for row, i in enumerate(rows):
                start, stop = asked[i].start - 1 - first, lengths[i] - first
                said = logits[row, start:stop].float().log_softmax(-1)
                wanted = torch.tensor(asked[i].ids[asked[i].start :])
                logs[i] = float(said.gather(1, wanted[:, None]).double().sum())
                greedy[i] = bool((said.argmax(1) == wanted).all())
            done += len(rows)
    return logs, greedy


def _logits(runner: Runner, ids: torch.Tensor, first: int) -> torch.Tensor:
    """Return the logits of the tokens from `first` on; long contexts need none of their own."""
    kept: dict[str, Any] = {}
    if "logits_to_keep" in inspect.signature(runner.module.forward).parameters:
        kept = {"logits_to_keep": ids.shape[1] - first}
    logits = runner.module(input_ids=ids, **kept).logits
    return logits if kept else logits[:, first:]
