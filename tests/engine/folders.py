"""Small model folders for engine tests."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from merger.recipe import Expert, Recipe

SHAPES = {"layers.0.w": (300, 400), "layers.0.b": (7,), "layers.1.w": (2, 130_000), "scale": ()}


def tensors(
    seed: int, dtype: torch.dtype = torch.float32, spread: float = 1.0
) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {k: (spread * torch.randn(s, generator=draw)).to(dtype) for k, s in SHAPES.items()}


def save(folder: Path, weights: dict[str, Tensor]) -> Path:
    folder.mkdir(parents=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({"model_type": "toy"}))
    return folder


def family(folder: Path, n: int = 3, dtype: torch.dtype = torch.float32) -> Recipe:
    """Save a base and n experts near it, and return a recipe over them."""
    base = tensors(0)
    extra = {"steps": torch.tensor([3, 1, 2])}
    save(folder / "base", {k: v.to(dtype) for k, v in base.items()} | extra)
    for i in range(n):
        change = tensors(i + 1, spread=0.1)
        weights = {k: (base[k] + change[k]).to(dtype) for k in base}
        save(folder / f"e{i}", weights | {"steps": torch.tensor([i, i, i])})
    experts = tuple(Expert(str(folder / f"e{i}"), f"e{i}") for i in range(n))
    return Recipe("task_arithmetic", experts, base=str(folder / "base"))


def read(folder: Path) -> dict[str, Tensor]:
    """Return all tensors of a model folder."""
    found: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= load_file(path)
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
