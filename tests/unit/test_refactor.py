"""A merge becomes a LoRA adapter again, and says what that loses."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from merger.adapted import AdaptedCheckpoint
from merger.checkpoint import FileCheckpoint
from merger.errors import FeedError, MergeError, OutputError, RecipeError
from merger.models import open_models
from merger.recipe import Expert, Recipe
from merger.refactor import merge_to_adapter
from tests.adapters import draw, factors, save_adapter

Q, UP = "model.layers.0.q_proj", "model.layers.1.up_proj"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base").mkdir()
    tensors = {
        f"{Q}.weight": draw(1, 6, 4),
        f"{Q}.bias": draw(2, 6),
        f"{UP}.weight": draw(3, 5, 6),
        "score.weight": draw(4, 2, 4),
        "score.bias": draw(5, 2),
    }
    save_file(tensors, tmp_path / "base" / "model.safetensors")
    (tmp_path / "base" / "config.json").write_text('{"model_type": "llama"}')
    told = {"base_model_name_or_path": "org/base", "task_type": "CAUSAL_LM"}
    save_adapter(tmp_path / "a", {Q: factors(10, 6, 4, 1), UP: factors(20, 5, 6, 2)}, **told)
    save_adapter(tmp_path / "b", {Q: factors(30, 6, 4, 2)}, **told)
    return tmp_path


def recipe(folder: Path, method: str = "task_arithmetic", names="ab", **options) -> Recipe:
    experts = tuple(Expert(f"lora:{folder / name}", name) for name in names)
    if method == "task_arithmetic":
        options.setdefault("params", {"scale": 1.0})
    return Recipe(method, experts, f"file:{folder / 'base'}", **options)


def changes(folder: Path, made: Recipe) -> dict[str, torch.Tensor]:
    models = open_models(made)
    assert models.base is not None
    names = "ab"[: len(made.experts)]
    weights = made.weights or (1.0,) * len(names)
    experts = [AdaptedCheckpoint(models.base, folder / name) for name in names]
    return {
        key: sum(w * e.change(key) for w, e in zip(weights, experts, strict=True))
        for key in models.base.tensors
    }


def reopened(folder: Path, out: Path) -> AdaptedCheckpoint:
    return AdaptedCheckpoint(FileCheckpoint(folder / "base"), out)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.5, -2.0)])
def test_with_the_rank_of_all_adapters_together_nothing_is_lost(folder, weights):
    made = recipe(folder, weights=weights)
    found = merge_to_adapter(made, folder / "out", 8)
    assert found.error < 1e-6 and found.rank == 3
    assert {fit.key: fit.rank for fit in found.fits} == {f"{Q}.weight": 3, f"{UP}.weight": 2}
    again = reopened(folder, folder / "out")
    for key, change in changes(folder, made).items():
        torch.testing.assert_close(again.change(key), change, atol=1e-5, rtol=1e-5)


def test_what_a_lower_rank_loses_is_what_the_weaker_directions_hold(folder):
    made = recipe(folder)
    found = merge_to_adapter(made, folder / "out", 1)
    lost = total = 0.0
    for key, shape in ((f"{Q}.weight", (6, 4)), (f"{UP}.weight", (5, 6))):
        strength = torch.linalg.svdvals(changes(folder, made)[key].reshape(shape).double())
        fit = next(fit for fit in found.fits if fit.key == key)
        own = float(strength[1:].square().sum() / strength.square().sum()) ** 0.5
        assert fit.error == pytest.approx(own, rel=1e-5)
        lost += float(strength[1:].square().sum())
        total += float(strength.square().sum())
    assert found.error == pytest.approx((lost / total) ** 0.5, rel=1e-5)
    errors = [merge_to_adapter(made, folder / f"out{r}", r).error for r in (2, 3)]
    assert found.error > errors[0] > errors[1]


def test_an_expert_and_its_negative_cancel(folder):
    copy = recipe(folder, names="aa"[:1])
    experts = (*copy.experts, Expert(f"lora:{folder / 'a'}", "again"))
    made = Recipe("task_arithmetic", experts, copy.base, weights=(1.0, -1.0))
    with pytest.raises(MergeError, match="Nothing changes"):
        merge_to_adapter(made, folder / "out", 2)
    assert not (folder / "out").exists()


def test_the_config_is_one_that_scales_nothing(folder):
    merge_to_adapter(recipe(folder), folder / "out", 8)
    config = json.loads((folder / "out" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["use_rslora"]) == (3, 3, False)
    assert config["rank_pattern"] == config["alpha_pattern"] == {UP: 2}
    assert config["target_modules"] == [Q, UP]
    assert config["base_model_name_or_path"] == "org/base"
    assert config["task_type"] == "CAUSAL_LM" and config["modules_to_save"] is None
    assert (folder / "out" / "recipe.yaml").read_text().startswith("version: 1")
    card = (folder / "out" / "README.md").read_text()
    assert "base_model_relation: adapter" in card and "library_name: peft" in card
    assert "base_model:\n- base\n" in card
    assert "what changed in 2 matrices, in at most 3 directions each. 0.00% of" in card
    assert "merge recipe.yaml --adapter RANK --out DIR" in card


def test_a_head_that_was_trained_whole_is_stored_whole(folder):
    head = {"score.weight": draw(50, 2, 4), "score.bias": draw(51, 2)}
    save_adapter(folder / "c", {Q: factors(40, 6, 4, 1)}, whole=head)
    made = recipe(folder, names="c")
    found = merge_to_adapter(made, folder / "out", 2)
    again = reopened(folder, folder / "out")
    for key, value in head.items():
        torch.testing.assert_close(again.read(key).reshape(value.shape), value)
    assert found.whole == ("score.bias", "score.weight")
    config = json.loads((folder / "out" / "adapter_config.json").read_text())
    assert config["modules_to_save"] == ["score"] and config["target_modules"] == [Q]


def test_matrices_stored_as_in_out_are_factored_turned(tmp_path):
    (tmp_path / "base").mkdir()
    tensors = {"h.0.attn.c_attn.weight": draw(1, 4, 9), "lm_head.weight": draw(2, 7, 4)}
    save_file(tensors, tmp_path / "base" / "model.safetensors")
    module = "transformer.h.0.attn.c_attn"
    save_adapter(tmp_path / "a", {module: factors(3, 9, 4, 2), "lm_head": factors(5, 7, 4, 1)},
                 fan_in_fan_out=True)  # fmt: skip
    found = merge_to_adapter(recipe(tmp_path, names="a"), tmp_path / "out", 2)
    assert found.error < 1e-6
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config["fan_in_fan_out"] and module in config["target_modules"]
    first, again = (reopened(tmp_path, tmp_path / name) for name in ("a", "out"))
    for key in tensors:
        torch.testing.assert_close(again.change(key), first.change(key), atol=1e-5, rtol=1e-5)


def full(folder: Path, name: str, **changes: torch.Tensor) -> Recipe:
    """Save a full model that differs from the base, and return a recipe over it."""
    (folder / name).mkdir()
    base = FileCheckpoint(folder / "base")
    tensors = {k: base.read(k).reshape(i.shape) for k, i in base.tensors.items()} | changes
    save_file(tensors, folder / name / "model.safetensors")
    source = f"file:{folder / name}"
    return Recipe("task_arithmetic", (Expert(source, "x"),), f"{folder}/base", params={"scale": 1})


def test_biases_lie_where_peft_looks_for_them(folder):
    inside = {f"{Q}.weight": draw(60, 6, 4), f"{Q}.bias": draw(61, 6)}
    for name, changes in (("both", inside), ("alone", {f"{Q}.bias": draw(62, 6)})):
        made = full(folder, name, **changes, **{f"{UP}.weight": draw(63, 5, 6)})
        found = merge_to_adapter(made, folder / f"{name}-out", 9)
        assert found.whole == (f"{Q}.bias",)
        stored = FileCheckpoint(folder / f"{name}-out" / "adapter_model.safetensors").tensors
        layer = ".base_layer" if name == "both" else ""
        assert f"base_model.model.{Q}{layer}.bias" in stored
        config = json.loads((folder / f"{name}-out" / "adapter_config.json").read_text())
        assert config["bias"] == "all" and config["modules_to_save"] is None
        again = reopened(folder, folder / f"{name}-out")
        for key, value in changes.items():
            found = again.read(key).reshape(value.shape)
            torch.testing.assert_close(found, value, atol=1e-5, rtol=1e-5)


def test_what_no_adapter_can_hold_is_refused_with_the_tensor(folder):
    base = FileCheckpoint(folder / "base")
    tensors = {k: base.read(k).reshape(i.shape).clone() for k, i in base.tensors.items()}
    save_file(tensors | {"cls_token": draw(6, 4)}, folder / "base" / "model.safetensors")
    made = full(folder, "full", cls_token=draw(7, 4))
    with pytest.raises(MergeError, match="cls_token changes, and an adapter cannot hold that"):
        merge_to_adapter(made, folder / "out", 2)
    assert sorted(p.name for p in folder.iterdir()) == ["a", "b", "base", "full"]


def test_bad_requests_are_refused_and_write_nothing(folder):
    with pytest.raises(RecipeError, match="at least 1"):
        merge_to_adapter(recipe(folder), folder / "out", 0)
    with pytest.raises(RecipeError, match="one model per expert"):
        merge_to_adapter(recipe(folder, "tsv_c"), folder / "out", 2)
    with pytest.raises(FeedError, match="needs a base"):
        experts = (Expert(f"file:{folder / 'base'}", "x"),)
        merge_to_adapter(Recipe("average", experts), folder / "out", 2)
    with pytest.raises(OutputError, match="one of the models to merge"):
        merge_to_adapter(recipe(folder), folder / "a", 2, force=True)
    (folder / "out").mkdir()
    (folder / "out" / "notes.txt").touch()
    with pytest.raises(OutputError, match="exists already"):
        merge_to_adapter(recipe(folder), folder / "out", 2)
    assert [p.name for p in (folder / "out").iterdir()] == ["notes.txt"]
