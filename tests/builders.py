"""Tiny model families for tests, saved the way transformers saves real ones."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

WINDOW = 64
STYLES = ("0123456789+-=", "abcdefghijklmno", "PQRSTUVWXYZ.,;:!?")


def build_llama_family(
    folder: Path,
    *,
    experts: Sequence[str] = ("alpha", "beta", "gamma"),
    dtype: str = "bfloat16",
    seed: int = 0,
    train_steps: int = 0,
    keep: Sequence[int] = (),
) -> Path:
    """Save a base, its experts and a text file: Llama-shaped, sharded, tied head.

    `folder/base` and one folder per expert (about 9,300 parameters each) plus `folder/text.txt`
    of 64 windows. With `train_steps` the base learns all styles for a while, each expert its
    own, and `folder/<expert>.txt` holds the text that the expert is good at. At the steps of
    `keep` each expert is kept as the Trainer of transformers keeps it, in `checkpoint-N`; without
    training these lie on the way from the base, and the expert itself at twice the last step.
    """
    quiet = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    tokenizer = byte_tokenizer()
    styles = {name: STYLES[i % len(STYLES)] for i, name in enumerate(experts)}
    (folder / "base").mkdir(parents=True, exist_ok=True)
    base = _fresh_model(seed)
    if train_steps:
        _train(base, [_style_text(s, 4000, seed + 1) for s in styles.values()], train_steps, seed)
    _save(base, tokenizer, folder / "base", dtype, None)
    for turn, (name, style) in enumerate(styles.items()):
        expert = _copy(base)
        if train_steps:
            kept = {step: folder / name / f"checkpoint-{step}" for step in keep}

            def snap(step: int, model: LlamaForCausalLM, kept: dict[int, Path] = kept) -> None:
                if step in kept:
                    _keep(model, tokenizer, kept[step], dtype, step, train_steps)

            _train(expert, [_style_text(style, 4000, seed + 2)], train_steps, seed + turn, snap)
            (folder / f"{name}.txt").write_text(_style_text(style, 64 * WINDOW, seed + 3), "utf-8")
        else:
            _shake(expert, seed + 10 + turn)
            for step in keep:
                part = _between(base, expert, step / (2 * max(keep)))
                _keep(
                    part,
                    tokenizer,
                    folder / name / f"checkpoint-{step}",
                    dtype,
                    step,
                    2 * max(keep),
                )
        _save(expert, tokenizer, folder / name, dtype, "base")
    share = 64 * WINDOW // len(styles) + 1
    mixed = "".join(_style_text(style, share, seed + 4) for style in styles.values())
    (folder / "text.txt").write_text(mixed, "utf-8")
    if quiet:
        logging.enable_progress_bar()
    return folder


def forget_base(folder: Path, name: str) -> Path:
    """Call the base of a family something else, and let no model say what it was tuned from."""
    (folder / "base").rename(folder / name)
    for path in folder.glob("*/config.json"):
        config = json.loads(path.read_text("utf-8"))
        config.pop("base_model", None)
        path.write_text(json.dumps(config), "utf-8")
        path.with_name("README.md").unlink(missing_ok=True)
    return folder


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Build a byte-level tokenizer: one token a byte, no merges."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<s>": 0, "</s>": 1} | {letter: i + 2 for i, letter in enumerate(alphabet)}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>")


def llama_config(**changes: Any) -> LlamaConfig:
    """Describe the tiny Llama: 2 layers of width 16, grouped heads, tied embedding."""
    settings: dict[str, Any] = {
        "vocab_size": 258,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": WINDOW,
        "tie_word_embeddings": True,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    return LlamaConfig(**(settings | changes))


def _fresh_model(seed: int) -> LlamaForCausalLM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(llama_config())


def _copy(model: LlamaForCausalLM) -> LlamaForCausalLM:
    copy = _fresh_model(0)
    copy.load_state_dict(model.state_dict())
    return copy


@torch.no_grad()
def _between(base: LlamaForCausalLM, expert: LlamaForCausalLM, share: float) -> LlamaForCausalLM:
    part = _copy(base)
    for mine, theirs in zip(part.parameters(), expert.parameters(), strict=True):
        mine.lerp_(theirs, share)
    return part


@torch.no_grad()
def _shake(model: LlamaForCausalLM, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.add_(0.01 * torch.randn(parameter.shape, generator=draw))


def _style_text(letters: str, length: int, seed: int) -> str:
    draw = random.Random(f"{letters}/{seed}")
    words = ["".join(draw.choices(letters, k=draw.randint(2, 6))) for _ in range(12)]
    text = ""
    while len(text) < length:
        text += draw.choice(words) + " "
    return text[:length]


def _keep(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    dtype: str,
    step: int,
    last: int,
) -> None:
    """Save a checkpoint with what a Trainer leaves beside the model."""
    _save(model, tokenizer, folder, dtype, "base")
    (folder / "optimizer.pt").write_bytes(b"not a model")
    state = {"global_step": step, "max_steps": last}
    (folder / "trainer_state.json").write_text(json.dumps(state), "utf-8")


def _train(
    model: LlamaForCausalLM,
    texts: Sequence[str],
    steps: int,
    seed: int,
    snap: Callable[[int, LlamaForCausalLM], None] | None = None,
) -> None:
    tokenizer = byte_tokenizer()
    rows = [torch.tensor(tokenizer(text)["input_ids"]).unfold(0, 32, 16) for text in texts]
    windows = torch.cat(rows)  # (rows, 32)
    draw = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(1, steps + 1):
        batch = windows[torch.randint(len(windows), (16,), generator=draw)]
        optimizer.zero_grad()
        model(input_ids=batch, labels=batch).loss.backward()
        optimizer.step()
        if snap is not None:
            snap(step, model)


def _save(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    dtype: str,
    base: str | None,
) -> None:
    stored = _copy(model).to(getattr(torch, dtype))
    if base is not None:
        stored.config.base_model = base
    stored.save_pretrained(folder, max_shard_size="8KB")
    tokenizer.save_pretrained(folder)
    front = "---\nlicense: apache-2.0\n" + (f"base_model: {base}\n" if base else "") + "---\n"
    (folder / "README.md").write_text(f"{front}# {folder.name}\n", "utf-8")
