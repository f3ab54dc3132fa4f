"""The real merge: what it writes, and that nothing but the recipe decides it."""

import json
import math
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import torch
from safetensors.torch import load_file, save_file

from merger.doctor import doctor
from merger.engine import merge
from merger.errors import (
    AlignmentError,
    Cancelled,
    FeedError,
    MergeError,
    OutputError,
    SourceError,
)
from merger.in_memory import merge_in_memory
from merger.memory import merge_tensors
from merger.progress import Progress
from merger.recipe import Expert, Recipe, Rule
from merger.spec import METHODS, Deltas, PerTask, merge_method
from tests.engine.folders import SHAPES, contents, family, listed, read, save, tensors

# Enough for four threads of the shortest blocks, so that the larger tensors take several.
SMALL_BLOCKS = 13_000_000


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("average", {}), ("linear", {}), ("task_arithmetic", {"scale": 0.4}), ("wise_ft", {}),
        ("ties", {"density": 0.3}), ("dare_linear", {"density": 0.5}), ("dare_ties", {}),
        ("model_stock", {}),
    ],
)  # fmt: skip
def test_saved_tensors_equal_those_merged_in_memory(tmp_path, method, params) -> None:
    recipe = replace(
        family(tmp_path, 1 if method == "wise_ft" else 3), method=method, params=params
    )
    saved = read(merge(recipe, tmp_path / "out"))
    names = [expert.name for expert in recipe.experts]
    given = [read(tmp_path / name) for name in names]
    base = read(tmp_path / "base")
    merged = merge_tensors(method, given, base, params, names=names)
    assert saved.keys() == merged.keys() == base.keys()
    assert all(torch.equal(saved[key], merged[key]) for key in saved)
    in_memory = merge_in_memory(recipe)
    assert all(torch.equal(saved[key], in_memory.tensors[key]) for key in saved)


def test_a_merge_by_hand() -> None:
    merged = merge_tensors(
        "task_arithmetic",
        [{"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([0.0, 4.0])}],
        {"w": torch.tensor([0.0, 1.0])},
        {"scale": 0.5},
    )
    assert merged["w"].tolist() == [0.5, 3.0]


@pytest.mark.parametrize("method", ["task_arithmetic", "ties", "dare_ties"])
def test_bytes_depend_on_no_thread_block_or_shard(tmp_path: Path, method: str) -> None:
    recipe = replace(family(tmp_path, dtype=torch.bfloat16), method=method)
    one = merge(recipe, tmp_path / "a" / "out", threads=1)
    other = merge(recipe, tmp_path / "b" / "out", threads=4, memory=SMALL_BLOCKS)
    assert contents(one) == contents(other)
    shards = merge(recipe, tmp_path / "c" / "out", threads=2, shard_bytes=300_000)
    assert len(list(shards.glob("*.safetensors"))) == 3
    whole, parts = read(one), read(shards)
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_integers_are_the_bases_and_every_dtype_is_kept(tmp_path: Path) -> None:
    recipe = family(tmp_path, dtype=torch.float16)
    saved = read(merge(recipe, tmp_path / "out"))
    assert saved["steps"].tolist() == [3, 1, 2]
    assert {str(t.dtype) for k, t in saved.items() if k != "steps"} == {"torch.float16"}


def test_another_dtype_is_rounded_once_and_named_in_the_config(tmp_path: Path) -> None:
    recipe = family(tmp_path)
    exact = read(merge(recipe, tmp_path / "exact"))
    out = merge(replace(recipe, out_dtype="bfloat16"), tmp_path / "out")
    assert torch.equal(read(out)["layers.0.w"], exact["layers.0.w"].bfloat16())
    assert json.loads((out / "config.json").read_text())["dtype"] == "bfloat16"


def test_progress_counts_the_bytes_of_the_result(tmp_path: Path) -> None:
    told: list[Progress] = []
    recipe = family(tmp_path)
    out = merge(recipe, tmp_path / "out", report=told.append, memory=SMALL_BLOCKS, threads=1)
    total = sum(t.numel() * t.element_size() for t in read(out).values())
    assert [p.done for p in told] == sorted(p.done for p in told)
    assert (told[-1].done, told[-1].total, told[-1].unit) == (total, total, "bytes")
    names = ["layers.0.b", "layers.0.w", "layers.1.w", "scale", "steps"]
    wanted = {f"tensor {i} of 5: {name}" for i, name in enumerate(names, 1)}
    assert {p.note for p in told} == wanted
    assert len(told) > len({p.note for p in told})


def test_a_cancel_leaves_what_was_there(tmp_path: Path) -> None:
    recipe = family(tmp_path / "in")
    cancel = Event()
    with pytest.raises(Cancelled):
        merge(
            recipe, tmp_path / "new" / "out", memory=SMALL_BLOCKS, threads=2,
            report=lambda progress: cancel.set(), cancel=cancel,
        )  # fmt: skip
    assert listed(tmp_path) == ["in"]


def test_a_report_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    recipe = family(tmp_path / "in")

    def interrupted(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        merge(recipe, tmp_path / "out", report=interrupted)
    assert listed(tmp_path) == ["in"]


def test_an_existing_model_is_kept_until_the_new_one_is_whole(tmp_path: Path) -> None:
    recipe = family(tmp_path / "in")
    out = merge(recipe, tmp_path / "out")
    before = contents(out)
    with pytest.raises(OutputError, match="exists already"):
        merge(recipe, out)
    cancel = Event()
    other = replace(recipe, method="average")
    with pytest.raises(Cancelled):
        merge(other, out, force=True, report=lambda progress: cancel.set(), cancel=cancel)
    assert contents(out) == before
    assert contents(merge(other, out, force=True)) != before
    assert listed(tmp_path) == ["in", "out"]


@pytest.mark.parametrize("where", ["in/e1", "in"])
def test_a_model_that_is_merged_is_never_replaced(tmp_path: Path, where: str) -> None:
    recipe = family(tmp_path / "in")
    before = contents(tmp_path)
    with pytest.raises(OutputError, match="one of the models to merge"):
        merge(recipe, tmp_path / where, force=True)
    assert contents(tmp_path) == before


def test_the_second_merge_into_one_folder_is_refused(tmp_path: Path) -> None:
    recipe = family(tmp_path / "in")
    refused: list[str] = []

    def second(progress: Progress) -> None:
        with pytest.raises(OutputError, match="Another merge is writing") as caught:
            merge(recipe, tmp_path / "out")
        refused.append(caught.value.message)

    merge(recipe, tmp_path / "out", report=second)
    assert refused
    assert listed(tmp_path) == ["in", "out"]


def test_a_source_that_changes_during_the_merge_is_noticed(tmp_path: Path) -> None:
    recipe = family(tmp_path / "in")
    touched = (tmp_path / "in" / "e1" / "model.safetensors").touch
    with pytest.raises(SourceError, match=r"e1/model\.safetensors changed"):
        merge(recipe, tmp_path / "out", report=lambda progress: touched())
    assert listed(tmp_path) == ["in"]


def test_a_truncated_model_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    recipe = family(tmp_path / "in")
    path = tmp_path / "in" / "e2" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SourceError, match="e2/model.safetensors is not a valid"):
        merge(recipe, tmp_path / "out")
    assert listed(tmp_path) == ["in"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused_by_name(tmp_path: Path, bad: float) -> None:
    recipe = family(tmp_path / "in")
    weights = tensors(9)
    weights["layers.1.w"][1, 77_777] = bad
    save(tmp_path / "in" / "bad", weights | {"steps": torch.zeros(3, dtype=torch.int64)})
    experts = (*recipe.experts, Expert(str(tmp_path / "in" / "bad"), "bad"))
    with pytest.raises(FeedError, match=r"bad: layers\.1\.w holds NaN or infinity"):
        merge(replace(recipe, experts=experts), tmp_path / "out")
    assert listed(tmp_path) == ["in"]


def test_a_coefficient_that_overflows_the_dtype_is_refused(tmp_path: Path) -> None:
    recipe = family(tmp_path / "in", dtype=torch.float16)
    with pytest.raises(MergeError, match="overflow"):
        merge(replace(recipe, params={"scale": 1e9}), tmp_path / "out")
    assert listed(tmp_path) == ["in"]


def test_experts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    recipe = family(tmp_path / "in")
    save(tmp_path / "in" / "odd", tensors(1) | {"layers.0.w": torch.zeros(3, 4)})
    experts = (*recipe.experts, Expert(str(tmp_path / "in" / "odd"), "odd"))
    with pytest.raises(AlignmentError, match=r"layers\.0\.w is \[3, 4\] here"):
        merge(replace(recipe, experts=experts), tmp_path / "out")
    assert listed(tmp_path) == ["in"]


def test_a_rule_takes_a_tensor_as_it_is(tmp_path: Path) -> None:
    recipe = family(tmp_path)
    rules = (Rule("layers.0.*", take="e1"), Rule("scale", take="base"))
    saved = read(merge(replace(recipe, rules=rules), tmp_path / "out"))
    expert, base = read(tmp_path / "e1"), read(tmp_path / "base")
    assert torch.equal(saved["layers.0.w"], expert["layers.0.w"])
    assert torch.equal(saved["scale"], base["scale"])


def test_the_saved_recipe_makes_the_same_bytes_again(tmp_path: Path) -> None:
    recipe = replace(family(tmp_path), method="dare_ties", seed=5, params={"density": 0.4})
    out = merge(recipe, tmp_path / "a" / "out")
    again = merge(Recipe.load(out / "recipe.yaml"), tmp_path / "b" / "out")
    assert contents(out) == contents(again)


def test_a_recipe_inside_a_recipe_is_merged_in_memory(tmp_path: Path) -> None:
    recipe = family(tmp_path)
    (tmp_path / "inner.yaml").write_text(recipe.to_yaml())
    inner = merge(recipe, tmp_path / "inner")
    nested = replace(
        recipe, experts=(Expert(f"recipe:{tmp_path}/inner.yaml", "x"), *recipe.experts)
    )
    flat = replace(recipe, experts=(Expert(str(inner), "x"), *recipe.experts))
    one, other = merge(nested, tmp_path / "one"), merge(flat, tmp_path / "other")
    assert all(torch.equal(read(one)[key], read(other)[key]) for key in read(one))


def test_a_recipe_inside_is_merged_at_its_first_read_and_not_by_the_doctor(tmp_path: Path) -> None:
    recipe = family(tmp_path)
    for name in ("e0", "base"):
        path = tmp_path / name / "model.safetensors"
        found = read(path.parent)
        damaged = {key: torch.full_like(found[key], torch.nan) for key in SHAPES}
        save_file(damaged, path, metadata={"format": "pt"})
    inner = replace(recipe, experts=recipe.experts[:1])
    (tmp_path / "inner.yaml").write_text(inner.to_yaml(), "utf-8")
    outer = Recipe("average", (Expert(f"recipe:{tmp_path}/inner.yaml", "x"),))
    report = doctor(outer)
    assert report.is_well and report.parameters == sum(math.prod(s) for s in SHAPES.values())
    with pytest.raises(MergeError, match="NaN or infinity"):
        merge(outer, tmp_path / "out")


def test_a_recipe_that_contains_itself_ends_in_words(tmp_path: Path) -> None:
    recipe = family(tmp_path, 1)
    path = tmp_path / "self.yaml"
    looped = replace(recipe, experts=(Expert(f"recipe:{path}", "me"),))
    path.write_text(looped.to_yaml())
    with pytest.raises(SourceError, match="nested more than"):
        merge(looped, tmp_path / "out")


def test_relative_sources_start_from_the_folder_given(tmp_path: Path) -> None:
    recipe = family(tmp_path / "in")
    experts = tuple(Expert(f"file:{e.name}", e.name) for e in recipe.experts)
    near = replace(recipe, base="base", experts=experts)
    free = merge(near, tmp_path / "free", base_dir=tmp_path / "in")
    visited = merge(near, tmp_path / "visited", roots=[tmp_path / "in"])
    assert (free / "model.safetensors").read_bytes() == (
        visited / "model.safetensors"
    ).read_bytes()
    with pytest.raises(SourceError, match="not a model that this app may open"):
        merge(recipe, tmp_path / "out", roots=[tmp_path / "in"])


def test_one_model_per_expert_is_one_folder_per_expert(tmp_path: Path) -> None:
    @merge_method("Each", family="test", paper="none", laws=("zero",))
    def each_by_half(tau: Deltas, *, scale: float = 0.5) -> PerTask:
        """Halve every expert's change."""
        return scale * tau

    try:
        recipe = replace(family(tmp_path), method="each_by_half")
        experts = (replace(recipe.experts[0], name="../<b>"), *recipe.experts[1:])
        out = merge(replace(recipe, experts=experts), tmp_path / "out")
    finally:
        METHODS.remove("each_by_half")
    assert listed(out) == ["b", "e1", "e2"]
    change = 0.5 * (read(tmp_path / "e1")["layers.0.b"] - read(tmp_path / "base")["layers.0.b"])
    assert torch.equal(read(out / "e1")["layers.0.b"], change)
    assert load_file(out / "b" / "model.safetensors")["steps"].tolist() == [3, 1, 2]
    assert "This is the model for ../\\<b\\>" in (out / "b" / "README.md").read_text()


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(MergeError, match="has no cuda device"):
        merge(family(tmp_path), tmp_path / "out", device="cuda")
    with pytest.raises(MergeError, match="device must be"):
        merge(family(tmp_path / "b"), tmp_path / "out", device="tpu")
