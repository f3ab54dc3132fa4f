"""The live path on a Llama-shaped folder: what the screen shows is what a saved merge is."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from merger.engine import merge
from merger.errors import Cancelled, FeedError, TaskError
from merger.live import SETS, LiveSet, Place
from merger.recipe import Expert, Recipe
from merger.scoring import score
from merger.spec import METHODS
from tests.builders import build_llama_family

NAMES = ("alpha", "beta", "gamma")
MERGES = sorted(m.name for m in METHODS.values() if m.stage == "merge" and m.output != "per_task")


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_llama_family(tmp_path_factory.mktemp("family"), train_steps=20)


@pytest.fixture(autouse=True)
def forget_sets() -> None:
    SETS.clear()


def experts(family: Path, names: tuple[str, ...] = NAMES) -> tuple[Expert, ...]:
    return tuple(Expert(f"file:{family / name}", name) for name in names)


def recipe_of(family: Path, method: str, names: tuple[str, ...] = NAMES, **changes: Any) -> Recipe:
    high = METHODS[method].experts[1]
    chosen = experts(family, names[:high])
    return Recipe(method, chosen, base=f"file:{family / 'base'}", **changes)


def saved_tensors(folder: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(path)
    return tensors


def same_bytes(one: torch.Tensor, other: torch.Tensor) -> bool:
    raw = [t.contiguous().view(torch.uint8) for t in (one, other)]
    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(*raw)


@pytest.mark.parametrize("method", MERGES)
def test_the_preview_has_the_bytes_of_the_saved_merge(
    method: str, family: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(family, method)
    live = LiveSet.open(recipe).merge(recipe)
    saved = saved_tensors(merge(recipe, tmp_path / "out"))
    assert set(saved) == set(live.tensors)
    for key, tensor in saved.items():
        assert same_bytes(live.stored(key), tensor), key


def test_rules_and_other_dtypes_keep_the_bytes_too(family: Path, tmp_path: Path) -> None:
    from merger.recipe import Rule

    recipe = recipe_of(
        family,
        "task_arithmetic",
        ("gamma", "alpha"),
        weights=(0.7, -0.3),
        rules=(Rule("*norm*", take="gamma"), Rule("*mlp*", weights=(0.0, 1.0))),
        out_dtype="float16",
    )
    live = LiveSet.open(recipe, also=experts(family)).merge(recipe)
    for key, tensor in saved_tensors(merge(recipe, tmp_path / "out")).items():
        assert same_bytes(live.stored(key), tensor), key


def test_the_bar_goes_to_the_number_that_score_gives(family: Path) -> None:
    recipe = recipe_of(family, "ties", params={"density": 0.5, "scale": 0.8})
    live = LiveSet.open(recipe)
    shown = live.report(live.full(recipe))
    wanted = score(recipe)
    assert shown.digest == wanted.digest
    values = [(t.task, t.value, t.low, t.high, t.n) for t in shown.tasks]
    assert values == [(t.task, t.value, t.low, t.high, t.n) for t in wanted.tasks]


def test_a_saved_folder_scores_as_its_recipe(family: Path, tmp_path: Path) -> None:
    recipe = recipe_of(family, "dare_ties", params={"density": 0.6})
    folder = merge(recipe, tmp_path / "out")
    texts = [f"text:{family / name}.txt" for name in ("alpha", "text")]
    assert score(folder, texts).tasks == score(recipe, texts).tasks


def test_a_preview_agrees_with_the_full_score(family: Path) -> None:
    start, moved = (recipe_of(family, "task_arithmetic", params={"scale": s}) for s in (0.3, 0.5))
    live = LiveSet.open(start)
    reference, truth = live.full(start), live.full(moved)
    estimate = live.preview(moved, reference)
    assert estimate.digest == truth.digest != estimate.reference
    for row in estimate.tasks:
        # Each text has 32 validation windows and all of them fit: the estimate is the truth.
        if row.n == 32:
            assert row.value == pytest.approx(truth.outcomes[row.task].value, rel=1e-6)
        assert row.low <= row.value <= row.high


def test_scores_are_normalised_once_the_experts_are_scored(family: Path) -> None:
    recipe = recipe_of(family, "average")
    live = LiveSet.open(recipe)
    for name in NAMES:
        live.full_of(name)
    report = live.report(live.full(recipe))
    assert report.normalised_mean is not None
    assert report.normalised_mean == pytest.approx(score(recipe).normalised_mean)
    base = live.report(live.full_of(None))
    assert base.normalised_mean is not None and base.normalised_mean < 1


def test_one_set_serves_every_choice_of_its_experts(family: Path) -> None:
    everything = LiveSet.open(recipe_of(family, "average"))
    solo = recipe_of(family, "task_arithmetic", ("beta",))
    assert LiveSet.open(solo) is everything
    turned = recipe_of(family, "average", ("gamma", "alpha"))
    assert LiveSet.open(turned) is everything
    assert len(SETS) == 1


def test_a_switched_off_expert_is_read_along(family: Path) -> None:
    solo = recipe_of(family, "task_arithmetic", ("beta",))
    live = LiveSet.open(solo, also=experts(family))
    assert sorted(live.models.experts) == sorted(NAMES)
    assert LiveSet.open(recipe_of(family, "average")) is live


def test_an_expert_that_does_not_fit_is_left_out(family: Path, tmp_path: Path) -> None:
    from transformers import LlamaForCausalLM

    from tests.builders import llama_config

    LlamaForCausalLM(llama_config(hidden_size=32)).save_pretrained(tmp_path / "wide")
    wide = Expert(f"file:{tmp_path / 'wide'}", "wide")
    live = LiveSet.open(recipe_of(family, "average", ("alpha", "beta")), also=(wide,))
    assert sorted(live.models.experts) == ["alpha", "beta"]


def test_many_visitors_share_one_set(family: Path) -> None:
    recipe = recipe_of(family, "average")
    with ThreadPoolExecutor(6) as pool:
        sets = list(pool.map(lambda _: LiveSet.open(recipe), range(6)))
        flats = list(pool.map(lambda live: live.merge(recipe).flat, sets))
    assert len({id(live) for live in sets}) == 1
    assert all(torch.equal(flat, flats[0]) for flat in flats)


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    family = build_llama_family(tmp_path / "family")
    recipe = recipe_of(family, "average")
    before = LiveSet.open(recipe)
    build_llama_family(tmp_path / "other", seed=5)
    for path in sorted((tmp_path / "other" / "alpha").iterdir()):
        path.replace(family / "alpha" / path.name)
    after = LiveSet.open(recipe)
    assert after is not before
    assert not torch.equal(after.merge(recipe).flat, before.flat.base)
    assert after.digest(recipe) != before.merge(recipe).digest


def test_without_a_text_everything_but_scores_works(tmp_path: Path) -> None:
    family = build_llama_family(tmp_path)
    (family / "text.txt").unlink()
    recipe = recipe_of(family, "average")
    live = LiveSet.open(recipe)
    assert live.merge(recipe).flat.isfinite().all()
    assert live.tasks == ()
    assert "Put a text file" in live.why_no_scores()
    with pytest.raises(TaskError, match="there is no task to score"):
        live.full(recipe)


def test_a_text_that_is_too_short_is_named_and_the_others_are_scored(tmp_path: Path) -> None:
    family = build_llama_family(tmp_path)
    (family / "tiny.txt").write_text("tiny")
    live = LiveSet.open(recipe_of(family, "average"))
    assert [task.name for task in live.tasks] == ["text:text"]
    assert "tiny.txt: must fill 2 windows" in live.why_no_scores()


def test_texts_of_other_folders_count(tmp_path: Path) -> None:
    family = build_llama_family(tmp_path / "family")
    (tmp_path / "more").mkdir()
    (family / "text.txt").replace(tmp_path / "more" / "moved.txt")
    place = Place(folders=(tmp_path / "more",))
    live = LiveSet.open(recipe_of(family, "average"), place=place)
    assert [task.name for task in live.tasks] == ["text:moved"]


@pytest.mark.parametrize("method", ["average", "linear", "slerp"])
def test_without_a_base_the_preview_has_the_bytes_of_the_saved_merge(
    method: str, family: Path, tmp_path: Path
) -> None:
    recipe = replace(recipe_of(family, method), base=None)
    live = LiveSet.open(recipe)
    found = live.merge(recipe)
    saved = saved_tensors(merge(recipe, tmp_path / "out"))
    assert set(saved) == set(found.tensors)
    for key, tensor in saved.items():
        assert same_bytes(found.stored(key), tensor), key
    shown, wanted = live.report(live.full(recipe)).tasks, score(recipe).tasks
    assert [(t.value, t.low, t.n) for t in shown] == [(t.value, t.low, t.n) for t in wanted]


def test_a_set_without_a_base_is_not_the_set_with_one(family: Path) -> None:
    with_base = recipe_of(family, "average")
    assert LiveSet.open(replace(with_base, base=None)) is not LiveSet.open(with_base)


def test_other_experts_are_not_merged_from_this_set(family: Path) -> None:
    live = LiveSet.open(recipe_of(family, "average", ("alpha", "beta")))
    with pytest.raises(FeedError, match="not in memory"):
        live.merge(recipe_of(family, "average"))


def test_a_full_pass_hears_a_cancel_and_leaves_the_set_usable(family: Path) -> None:
    recipe = recipe_of(family, "average", seed=9)
    live, stop = LiveSet.open(recipe), Event()
    with pytest.raises(Cancelled):
        live.full(recipe, "test", report=lambda _: stop.set(), cancel=stop)
    assert live.full(recipe, "test").outcomes
