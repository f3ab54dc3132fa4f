"""Pico models whose tokenizers have words of their own, saved as transformers saves real ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

WIDTH = 8
LETTERS = ("<unk>", "a", "b", "c", "d", "ab", "cd")
MERGES = (("a", "b"), ("c", "d"))


def save_speaker(
    folder: Path,
    *,
    words: Sequence[str] = LETTERS,
    merges: Sequence[tuple[str, str]] = MERGES,
    added: Sequence[str] = (),
    kind: str = "BPE",
    rows: int | None = None,
    tied: bool = True,
    seed: int = 0,
    dtype: str = "float32",
    **config: Any,
) -> Path:
    """Save a Llama of one layer with a tokenizer of these words, and tokens added after them.

    Args:
        folder: Where to.
        words: The words of the model, in the order of their ids.
        merges: The merges of a BPE model.
        added: Special tokens with the ids after them.
        kind: "BPE", "WordLevel" or "Unigram".
        rows: Rows of the embedding; one a token when None.
        tied: Whether head and embedding are one.
        seed: Which numbers.
        dtype: In what they are stored.
        config: Other settings of the config.
    """
    speaker = tokenizer_of(words, merges, added, kind)
    quiet = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=rows or len(words) + len(added),
                hidden_size=WIDTH,
                intermediate_size=WIDTH,
                num_hidden_layers=1,
                num_attention_heads=2,
                num_key_value_heads=1,
                max_position_embeddings=16,
                tie_word_embeddings=tied,
                **config,
            )  # fmt: skip
        )
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    speaker.save_pretrained(folder)
    if quiet:
        logging.enable_progress_bar()
    return folder


def tokenizer_of(
    words: Sequence[str] = LETTERS,
    merges: Sequence[tuple[str, str]] = MERGES,
    added: Sequence[str] = (),
    kind: str = "BPE",
) -> PreTrainedTokenizerFast:
    """Build a tokenizer of these words; special tokens come after them."""
    ids = {word: i for i, word in enumerate(words)}
    if kind == "BPE":
        made = models.BPE(vocab=ids, merges=list(merges), unk_token="<unk>")
    elif kind == "WordLevel":
        made = models.WordLevel(vocab=ids, unk_token="<unk>")
    else:
        made = models.Unigram([(word, -float(i)) for i, word in enumerate(words)], unk_id=0)
    core = Tokenizer(made)
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.add_special_tokens([AddedToken(token, special=True) for token in added])
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>")
