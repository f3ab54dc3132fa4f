"""The model of the zoo: a small ViT of `transformers`, read out by its mean patch token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import ViTConfig, ViTModel

SHIFT, SPREAD = 0.25, 0.35


def make_config(hidden: int = 192, layers: int = 2, heads: int = 6) -> ViTConfig:
    """Describe the architecture: 28 x 28 grey images in 16 patches of 7 x 7."""
    return ViTConfig(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * hidden,
        image_size=28,
        patch_size=7,
        num_channels=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def make_model(config: ViTConfig, seed: int) -> ViTModel:
    """Draw fresh weights; the pooler stays as drawn, it is there for `AutoModel` only."""
    torch.manual_seed(seed)
    model = ViTModel(config)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("pooler" not in name)
    return model


def to_input(images: np.ndarray) -> torch.Tensor:
    """Turn uint8 images (n, 28, 28) into the model's input (n, 1, 28, 28)."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).float().div_(255)
    return pixels.sub_(SHIFT).div_(SPREAD)[:, None]


def features(model: ViTModel, pixels: torch.Tensor) -> torch.Tensor:
    """Average the patch tokens of the last layer; the class token is left out."""
    return model(pixel_values=pixels).last_hidden_state[:, 1:].mean(1)  # (n, hidden)


@torch.inference_mode()
def all_features(model: ViTModel, images: np.ndarray, chunk: int = 128) -> torch.Tensor:
    """Compute the features of many images in small chunks."""
    model.eval()
    parts = [
        features(model, to_input(images[i : i + chunk])) for i in range(0, len(images), chunk)
    ]
    return torch.cat(parts)


def save_folder(model: ViTModel, folder: Path) -> None:
    """Write a plain float16 Hugging Face folder, names as transformers puts them on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    # save_pretrained renames to the names on disk; only the bytes of the tensors become half.
    half = {name: tensor.detach().half() for name, tensor in model.state_dict().items()}
    copy = ViTModel(model.config).half()
    copy.load_state_dict(half)
    copy.save_pretrained(folder, max_shard_size="1GB")


def load_folder(folder: Path) -> ViTModel:
    """Open a folder of the zoo in float32."""
    return ViTModel.from_pretrained(folder, dtype=torch.float32).eval()


def read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a folder as they are stored."""
    return load_file(folder / "model.safetensors")


def model_with(tensors: dict[str, torch.Tensor], template: Path, scratch: Path) -> ViTModel:
    """Build a model from tensors that carry the names on disk.

    It goes through a folder, so that transformers itself does the renaming.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / "config.json").write_bytes((template / "config.json").read_bytes())
    save_file(tensors, scratch / "model.safetensors", metadata={"format": "pt"})
    return load_folder(scratch)
