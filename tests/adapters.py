"""Tiny LoRA adapters for tests, in the files that PEFT writes."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

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


def turn_into_adapters(folder: Path, ranks: Mapping[str, int], base: str = "base") -> Path:
    """Replace full models by adapters with the strongest directions of what they changed.

    Args:
        folder: Holds the base and the models; the tensors of each lie in its shards.
        ranks: How many directions of each matrix in the layers, by the model's name.
        base: Name of the base.
    """
    before = _tensors(folder / base)
    for name, rank in ranks.items():
        after = _tensors(folder / name)
        found = {}
        for key in sorted(before):
            if ".layers." in key and before[key].dim() == 2:
                u, s, v = torch.linalg.svd(after[key] - before[key], full_matrices=False)
                a, b = s[:rank, None] * v[:rank], u[:, :rank]
                found[key.removesuffix(".weight")] = (a, b)
        shutil.rmtree(folder / name)
        save_adapter(folder / name, found, r=rank, lora_alpha=rank, base_model_name_or_path=base)
    return folder


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    shards = (load_file(path) for path in sorted(folder.glob("*.safetensors")))
    return {key: value.float() for shard in shards for key, value in shard.items()}
