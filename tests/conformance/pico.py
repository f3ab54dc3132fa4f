"""Tiny Llama and GPT-2 families with four layers, and mergekit run on them."""

import random
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from merger.mergekit import import_mergekit
from merger.recipe import Recipe
from merger.sources import open_source

HINT = "mergekit is not installed here; `make conformance` installs it beside the app"
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    running = pytest.importorskip("mergekit.merge", reason=HINT)
    configuring = pytest.importorskip("mergekit.config", reason=HINT)
    options = pytest.importorskip("mergekit.options", reason=HINT)

MODELS = ("base", "alpha", "beta", "gamma")
LAYERS = 4


def build(folder: Path, kind: str) -> Path:
    """Save a base and three experts: "llama" has a head of its own, the others have none."""
    logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        base = _fresh(kind)
        for name in MODELS:
            expert = _fresh(kind)
            for theirs, ours in zip(base.parameters(), expert.parameters(), strict=True):
                ours.copy_(theirs + (0.0 if name == "base" else 0.05) * torch.randn(ours.shape))
            expert.save_pretrained(folder / name)
    return folder


def _fresh(kind: str) -> Any:
    if kind == "gpt2":
        return GPT2LMHeadModel(
            GPT2Config(vocab_size=32, n_embd=8, n_layer=LAYERS, n_head=2, n_positions=8)
        )
    settings = LlamaConfig(
        vocab_size=32, hidden_size=8, intermediate_size=12, num_hidden_layers=LAYERS,
        num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=kind == "tied",
        max_position_embeddings=16,
    )  # fmt: skip
    return LlamaForCausalLM(settings)


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Return all tensors of a model folder."""
    found: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= load_file(path)
    return found


def theirs(text: str, out: Path) -> dict[str, torch.Tensor]:
    """Return what mergekit writes for a configuration."""
    configuration = configuring.MergeConfiguration.model_validate(yaml.safe_load(text))
    chosen = options.MergeOptions(copy_tokenizer=False, write_model_card=False, quiet=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        running.run_merge(configuration, str(out), chosen)
    return tensors(out)


def read(text: str) -> Recipe:
    """Return the recipe of a configuration whose models are at hand."""
    (found,) = import_mergekit(text, tensor_names=names)
    return found.recipe


def names(source: str) -> tuple[str, ...]:
    """Return the tensor names of a source."""
    return tuple(open_source(source).tensors)


def assert_same(left: dict[str, Any], right: dict[str, Any]) -> None:
    """Check that two models hold the same tensors but for single-precision rounding."""
    assert set(left) == set(right)
    for key in left:
        torch.testing.assert_close(left[key], right[key], atol=5e-7, rtol=1e-5, msg=key)


class Draw:
    """Random configurations, the same ones in every run.

    Args:
        folder: A family.
        seed: Another configuration for each.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.draw = random.Random(seed)
        self.filters = ("attn", "mlp", "proj", "ln_", "norm", "weight")

    def number(self) -> float:
        """Return a coefficient with few digits, never 0."""
        return self.draw.choice([0.1, 0.25, 0.4, 0.6, 0.75, 1.0])

    def value(self) -> Any:
        """Return a number or a gradient."""
        if self.draw.random() < 0.5:
            return self.number()
        return [self.number() for _ in range(self.draw.randint(2, 4))]

    def setting(self, *, closed: bool) -> Any:
        """Return a value, or filters with values; closed where something holds for all names."""
        if self.draw.random() < 0.4:
            return self.value()
        chosen = self.draw.sample(self.filters, self.draw.randint(1, 3))
        table = [{"filter": text, "value": self.value()} for text in chosen]
        if closed or self.draw.random() < 0.5:
            table.append({"value": self.value()} if self.draw.random() < 0.5 else
                         {"filter": "*", "value": self.value()})  # fmt: skip
        return table

    def level(self, known: tuple[str, ...], *, closed: bool = False) -> dict[str, Any]:
        """Return the parameters of one level, some of those that are known, all if closed."""
        chosen = [name for name in known if closed or self.draw.random() < 0.5]
        return {name: self.setting(closed=closed) for name in chosen}

    def model(self, name: str) -> str:
        """Return the folder of a model."""
        return str(self.folder / name)

    def models(self, known: tuple[str, ...]) -> dict[str, Any]:
        """Return a configuration with models."""
        return {"models": [{"model": self.model(m), "parameters": self.level(known)}
                           for m in MODELS[1:]]}  # fmt: skip

    def slices(self, known: tuple[str, ...], *, base: bool) -> dict[str, Any]:
        """Return a configuration with slices, ranges that overlap and repeat among them."""
        found = []
        for _ in range(self.draw.randint(1, 3)):
            length = self.draw.randint(1, 3)
            sources: list[dict[str, Any]] = [{"model": self.model("base")}] if base else []
            sources += [{"model": self.model(m), "parameters": self.level(known)}
                        for m in MODELS[1:3]]  # fmt: skip
            for source in sources:
                start = self.draw.randint(0, LAYERS - length)
                source["layer_range"] = [start, start + length]
            found.append({"sources": sources, "parameters": self.level(known)})
        return {"slices": found}
