"""Tiny models with classification heads for tests, saved the way transformers saves real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    ViTConfig,
    ViTForImageClassification,
)
from transformers.utils import logging

from tests.builders import byte_tokenizer

MOODS = {0: "negative", 1: "positive", 2: "mixed"}
SHAPES = {0: "dark", 1: "light"}
PIXELS = 8
LEAN = 0.3
WORDS = ("fine", "film", "bad", "sound", "long", "scene", "actor", "light")


def save_text_head(folder: Path, seed: int = 0, **settings: Any) -> Path:
    """Save a tiny BERT that chooses one of three moods, with a byte tokenizer."""
    config = BertConfig(
        **{
            "vocab_size": 258,
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "max_position_embeddings": 48,
            "id2label": MOODS,
            "label2id": {name: i for i, name in MOODS.items()},
        }
        | settings
    )
    _save(BertForSequenceClassification, config, folder, seed)
    byte_tokenizer().save_pretrained(folder)
    return folder


def save_image_head(folder: Path, seed: int = 0, **settings: Any) -> Path:
    """Save a tiny ViT that tells dark from light, with its preprocessor."""
    config = ViTConfig(
        **{
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "image_size": PIXELS,
            "patch_size": 4,
            "id2label": SHAPES,
            "label2id": {name: i for i, name in SHAPES.items()},
        }
        | settings
    )
    _save(ViTForImageClassification, config, folder, seed)
    steps = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "rescale_factor": 1 / 255,
        "resample": 2,
        "size": {"height": PIXELS, "width": PIXELS},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(steps), "utf-8")
    return folder


def save_pictures(folder: Path, count: int = 12, seed: int = 0) -> Path:
    """Save pictures of noise around two brightnesses, one subfolder a class."""
    rng = np.random.default_rng(seed)
    for name, level in (("dark", 60), ("light", 190)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            pixels = np.clip(level + rng.normal(0, 30, (20, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def build_text_family(folder: Path, experts: tuple[str, ...] = ("ada", "bob")) -> Path:
    """Save a base, experts with other numbers, and a table of moods beside them."""
    save_text_head(folder / "base")
    for i, name in enumerate(experts):
        save_text_head(folder / name, seed=i + 1, base_model="base")
    rows = [
        f"{' '.join(WORDS[(i * k) % len(WORDS)] for k in range(1, 3 + i % 5))} {i},{MOODS[i % 3]}"
        for i in range(90)
    ]
    (folder / "moods.csv").write_text("\n".join(["text,label", *rows]) + "\n", "utf-8")
    return folder


def build_image_family(folder: Path, experts: tuple[str, ...] = ("ada", "bob")) -> Path:
    """Save a base, experts with other numbers, and a folder of pictures beside them."""
    save_image_head(folder / "base")
    for i, name in enumerate(experts):
        save_image_head(folder / name, seed=i + 1, base_model="base")
    save_pictures(folder / "rooms", count=30)
    return folder


def _save(kind: Any, config: Any, folder: Path, seed: int) -> None:
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(config)
        # The base leans to the first class, experts to the second: their answers differ.
        model.classifier.bias.data[min(seed, 1)] = LEAN
        model.save_pretrained(folder)
    if shown:
        logging.enable_progress_bar()
