"""Write a family of Llama-shaped models of any size, with changes as heavy-tailed as real ones.

python -m benchmarks.large_family DIR --millions 300 --experts 3
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from tests.builders import byte_tokenizer

WORDS = ("merge", "slider", "expert", "vector", "layer", "model", "weight", "task", "sign")
SHARD = "400MB"


def config_of(millions: int) -> LlamaConfig:
    """Return a Llama of about so many million parameters, 64 wide a head."""
    width = max(128, round((millions * 1e6 / 16 / 12.5) ** 0.5 / 64) * 64)
    return LlamaConfig(
        vocab_size=8192, hidden_size=width, intermediate_size=round(2.75 * width / 64) * 64,
        num_hidden_layers=16, num_attention_heads=width // 64, num_key_value_heads=width // 64,
        max_position_embeddings=256, tie_word_embeddings=True, bos_token_id=0, eos_token_id=1,
    )  # fmt: skip


@torch.no_grad()
def write_family(folder: Path, millions: int, experts: int, seed: int = 0) -> int:
    """Write base, experts and a text; return how many parameters a model has."""
    logging.disable_progress_bar()
    torch.manual_seed(seed)
    base = LlamaForCausalLM(config_of(millions)).bfloat16()
    tokenizer = byte_tokenizer()
    for name in ("base", *(f"expert_{i + 1}" for i in range(experts))):
        model = LlamaForCausalLM(base.config).bfloat16()
        model.load_state_dict(base.state_dict())
        if name != "base":
            model.config.base_model = "base"
            for parameter in model.parameters():
                # A Student t with 4 degrees of freedom: most changes small, some large.
                spread = torch.randn_like(parameter) / torch.rand_like(parameter).add_(0.05).sqrt()
                parameter.add_(0.002 * spread)
        model.save_pretrained(folder / name, max_shard_size=SHARD)
        tokenizer.save_pretrained(folder / name)
    draw = random.Random(seed)
    (folder / "words.txt").write_text(" ".join(draw.choices(WORDS, k=2000)), "utf-8")
    return sum(p.numel() for p in base.parameters())


def main() -> None:
    """Read the command line and write the family."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--millions", type=int, default=300)
    parser.add_argument("--experts", type=int, default=3)
    args = parser.parse_args()
    count = write_family(args.folder, args.millions, args.experts)
    print(f"{args.folder}: {count / 1e6:.0f} M parameters, {args.experts} experts and their base")


if __name__ == "__main__":
    main()
