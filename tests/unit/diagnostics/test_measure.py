import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from merger.diagnostics.measure import measure, slot_weights
from merger.errors import FeedError
from merger.recipe import Depth, Expert, Recipe
from tests.stacks import random_stack


def test_json_has_the_public_shape():
    shape = measure(random_stack(3)).to_json()
    assert list(shape) == [
        "experts", "layers", "cosine", "norms", "conflict", "cancelled", "overlap", "sample",
        "interval",
    ]  # fmt: skip
    assert list(shape["conflict"]) == ["rate", "null", "by_layer", "pairwise"]
    assert list(shape["cancelled"]) == ["mass", "null"]
    assert list(shape["overlap"]) == ["share", "jaccard", "null"]
    assert shape["experts"] == ["e0", "e1", "e2"] and shape["layers"] == ["out", "0", "1"]
    assert len(shape["conflict"]["by_layer"]) == 3
    assert shape["sample"] is None and shape["interval"] is None
    json.dumps(shape, allow_nan=False)


def test_a_sample_says_how_sure_it_is():
    shapes = {"layers.0.mlp.up_proj.weight": (100, 64)}
    shape = measure(random_stack(2, shapes, sample=0.1)).to_json()
    low, high = shape["interval"]["conflict"]
    assert low < shape["conflict"]["rate"] < high
    assert shape["sample"] == 0.1
    assert set(shape["interval"]) == {"conflict", "cancelled", "cosine", "jaccard"}


def test_measuring_twice_gives_equal_infos():
    assert measure(random_stack(2)) == measure(random_stack(2))
    assert measure(random_stack(2)) != measure(random_stack(2, seed=1))


def test_measure_takes_a_recipe_of_folders(tmp_path):
    recipe = _recipe(tmp_path)
    shape = measure(recipe).to_json()
    assert shape["experts"] == ["a", "b"]
    assert shape["norms"] == pytest.approx([5.0, 5.0])
    assert shape["cosine"][0][1] == pytest.approx(-0.28)
    assert shape["conflict"]["rate"] == 0.5
    assert shape["cancelled"]["mass"] == pytest.approx(1 - 6 / 14)


def test_a_sample_reads_half_precision_folders(tmp_path):
    torch.manual_seed(0)
    base = torch.randn(96, 64)
    for name, shift in {"base": 0.0, "a": 0.5, "b": 0.25}.items():
        (tmp_path / name).mkdir()
        tensors = {"layers.0.mlp.up_proj.weight": (base + shift).to(torch.bfloat16)}
        save_file(tensors, tmp_path / name / "model.safetensors", {"format": "pt"})
        (tmp_path / name / "config.json").write_text("{}")
    experts = tuple(Expert("file:" + n, n) for n in ("a", "b"))
    recipe = Recipe("task_arithmetic", experts, "file:base")
    whole = measure(recipe, base_dir=tmp_path)
    part = measure(recipe, sample=0.25, base_dir=tmp_path)
    assert part.sample == 0.25
    assert part.norms.norms == pytest.approx(whole.norms.norms, rel=0.01)
    assert part.to_json()["conflict"]["rate"] == 0.0


def test_a_recipe_without_a_base_cannot_be_measured():
    with pytest.raises(FeedError, match="measure needs a base"):
        measure(Recipe("average", (Expert("file:a", "a"),)))


def test_weights_of_a_recipe_follow_depth(tmp_path):
    stack = random_stack(2)
    experts = (Expert("file:a", "a"), Expert("file:b", "b"))
    recipe = Recipe("task_arithmetic", experts, "file:c", (2.0, Depth((0.0, 1.0))))
    weights = slot_weights(recipe, stack)
    assert weights.shape == (2, len(stack.slots))
    assert weights[1].tolist() == [s.depth for s in stack.slots]
    assert slot_weights(Recipe("average", experts), stack).tolist() == [1.0, 1.0]


def _recipe(folder):
    for name, values in {"base": [0.0, 0.0], "a": [3.0, 4.0], "b": [3.0, -4.0]}.items():
        (folder / name).mkdir()
        tensors = {"layers.0.mlp.up_proj.weight": torch.tensor([values])}
        save_file(tensors, folder / name / "model.safetensors", {"format": "pt"})
        (folder / name / "config.json").write_text("{}")
    experts = tuple(Expert(f"file:{folder / n}", n) for n in ("a", "b"))
    return Recipe("task_arithmetic", experts, f"file:{folder / 'base'}")


def test_the_null_does_not_move_when_signs_are_flipped():
    stack = random_stack(3, sparse=0.2)
    rng = np.random.default_rng(0)
    signs = rng.integers(0, 2, stack.tau.shape).astype(np.float32) * 2 - 1
    flipped = type(stack)(stack.base, stack.tau * signs, stack.names, stack.slots)
    a, b = measure(stack), measure(flipped)
    assert a.signs.rate.null == b.signs.rate.null
    assert a.cancelled.mass.null == b.cancelled.mass.null
    assert a.overlap == b.overlap
    assert a.cosine != b.cosine
