"""Tiny LoRA adapters for tests, in the files that PEFT writes."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

PREFIX = "base_model.model."
Factors = Mapping[str, tuple[torch.Tensor, torch.Tensor]]


def save_adapter(
    folder: Path,
    factors: Factors,
    *,
    whole: Mapping[str, torch.Tensor] | None = None,
    **config: object,
) -> Path:
    """Save an adapter and return its folder.

    Args:
        folder: Where to; created.
        factors: A and B by module name.
        whole: Tensors stored whole, such as a head.
        config: What adapter_config.json says besides `peft_type` and `lora_alpha` 8.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"{PREFIX}{name}": tensor for name, tensor in (whole or {}).items()}
    for module, (a, b) in factors.items():
        tensors[f"{PREFIX}{module}.lora_A.weight"] = a.contiguous()
        tensors[f"{PREFIX}{module}.lora_B.weight"] = b.contiguous()
    save_file(tensors, folder / "adapter_model.safetensors")
    told = {"peft_type": "LORA", "lora_alpha": 8} | config
    (folder / "adapter_config.json").write_text(json.dumps(told))
    return folder


def draw(seed: int, *shape: int) -> torch.Tensor:
    """Return normal random numbers that depend on the seed and shape alone."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def factors(seed: int, rows: int, columns: int, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return A and B of a change of (rows, columns)."""
    return draw(seed, rank, columns), draw(seed + 1, rows, rank)
