"""Every screen and panel there is builds, draws and patches, on images and on text."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from transformers import BertConfig, BertModel, ViTConfig, ViTModel

from merger import sampled
from merger.live import SETS
from merger.recipe import Recipe
from merger.spec import METHODS
from merger.tasks import text
from tests.builders import build_llama_family, forget_base
from viz.catalog import Catalog, Family, first_recipe, folder_families, zoo_family
from viz.desk import Desk
from viz.kpis import kpis
from viz.patience import Patience
from viz.scene import Scene
from viz.screens import SCREENS, panels

DESK = Desk()
KEEP = (2, 4)  # steps of the experts' checkpoints
NEED_TASKS = ("tasks", "training", "pareto", "compare", "answers")


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Family]:
    folder = build_llama_family(tmp_path_factory.mktemp("screens") / "family", keep=KEEP)
    return {"zoo": zoo_family(), "llama": folder_families([folder])[0]}


@cache
def _scene(family: Family, method: str) -> Scene:
    return _scene_of(family, method)


def _scene_of(family: Family, method: str) -> Scene:
    data = first_recipe(family).to_json() | {"method": method, "params": {}}
    made = DESK.merge(Recipe.from_json(data), family)
    pin = DESK.pin(DESK.merge(first_recipe(family), family), score=True)
    DESK.score_experts(made)
    return DESK.scene(made, family, DESK.full(made, pin.scores.full), pin, {"topk": 0.1})


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Family]:
    """A family of which the page holds a sample only."""
    folder = build_llama_family(tmp_path / "large", seed=3, keep=KEEP)
    SETS.clear()
    monkeypatch.setattr(sampled, "LIVE_ENTRIES", 9000)
    monkeypatch.setattr(sampled, "SAMPLE_ENTRIES", 9000)
    yield folder_families([folder])[0]
    SETS.clear()


@pytest.fixture
def baseless(tmp_path: Path) -> tuple[Family, ...]:
    """The readings of a folder in which nobody says which model is the base."""
    folder = forget_base(build_llama_family(tmp_path / "family", keep=KEEP), "zeta")
    return folder_families([folder])


@pytest.mark.parametrize("kind", ["zoo", "llama"])
@pytest.mark.parametrize("id", sorted(panels()))
def test_a_panel_draws_and_patches(families: dict[str, Family], kind: str, id: str) -> None:
    spec = panels()[id]
    scene = _scene(families[kind], "task_arithmetic")
    first = spec.payload(scene, None, None)
    assert first is not None and first["error"] is None
    figure, meta = first["base"], first["base"]["meta"]
    assert meta["title"] and meta["caption"] and meta["alt"] and meta["table"]["rows"]
    names = [trace["name"] for trace in figure["data"]]
    assert len(set(names)) == len(names)
    go.Figure(data=_plain(figure["data"]))
    patched = spec.payload(scene, first["rev"], None)
    assert patched is not None and set(patched["patch"]["traces"]) <= set(names)
    json.dumps(patched, allow_nan=False)
    assert spec.payload(scene, first["rev"], patched["stamp"]) is None


@pytest.mark.parametrize("kind", ["zoo", "llama"])
@pytest.mark.parametrize("method", ["ties", "average"])
def test_headline_numbers_say_their_n_and_split(
    families: dict[str, Family], kind: str, method: str
) -> None:
    tiles = kpis(_scene(families[kind], method))
    assert len(tiles) == 4
    for tile in tiles[:2]:
        assert tile["kind"] == "measured" and tile["n"] > 0 and tile["split"] == "validation"
    assert "chance" in (tiles[2]["note"] + (tiles[2]["delta"] or {}).get("words", ""))


def test_every_panel_works_on_a_sample_of_large_models(large: Family) -> None:
    scene = _scene_of(large, "task_arithmetic")
    assert scene.live is not None and scene.live.sample is not None
    for id, spec in panels().items():
        first = spec.payload(scene, None, None)
        assert first is not None
        # Merging a model this large once per dialect, or for one answer, is a job, not a look.
        assert (first["error"] is None) is (id not in ("dialects", "answers", "adapter")), id
        json.dumps(first, allow_nan=False)
    tiles = kpis(scene)
    assert tiles[0]["kind"] == "measured"  # scores are of the whole merge
    for tile in tiles[2:]:
        assert tile["kind"] == "estimated" and "% of" in tile["note"]


def test_large_models_are_not_scored_while_a_slider_moves(large: Family) -> None:
    # Answers are remembered by content: a setting of its own is one nobody has scored.
    made = DESK.merge(replace(first_recipe(large), params={"scale": 0.123}), large)
    assert DESK.preview(made, None, False) is None
    assert "once the sliders rest" in DESK.scene(made, large, None, None, {}).missing
    measured = DESK.full(made, None)
    assert measured is not None and measured.measured
    known = DESK.preview(made, None, False)
    assert known is not None and known.value.tolist() == measured.value.tolist()


def test_large_models_are_scored_one_a_rest_the_merge_first(large: Family) -> None:
    made = DESK.merge(replace(first_recipe(large), params={"scale": 0.321}), large)
    scorer = made.live.scores().scorer
    assert scorer is not None
    scorer.forget()
    found = []
    for _ in range(9):
        scores, more = DESK.rest(made, None)
        assert scores is not None
        found.append(scores)
        if not more:
            break
    assert len(found) == 5  # the merge, then the base and three experts
    assert np.isnan(found[0].mean) and np.isfinite(found[-1].mean)
    assert all(s.value.tolist() == found[0].value.tolist() for s in found)


def test_scores_that_would_take_too_long_are_not_waited_for(
    large: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk()
    monkeypatch.setattr(desk, "_patience", Patience(seconds=0.0, soon=0.0))
    made = desk.merge(replace(first_recipe(large), params={"scale": 0.456}), large)
    assert made.live.scores().scorer is not None
    monkeypatch.setattr(text, "MAX_WORK", 1)  # one window a chunk, so that there is a second one
    assert desk.rest(made, None) == (None, False)
    card = panels()["tasks"].payload(desk.scene(made, large, None, None, {}), None, None)
    assert card is not None and "python -m merger score" in card["error"]["why"]


def test_a_method_that_needs_whole_tensors_says_so_on_a_sample(large: Family) -> None:
    recipe = replace(first_recipe(large), method="dare_linear", params={"rescale": "l1"})
    made = DESK.merge(recipe, large)
    scene = DESK.scene(made, large, None, None, {})
    for id in ("norms", "flow", "steps", "layer-flow"):
        card = panels()[id].payload(scene, None, None)
        assert card is not None and "works on whole tensors" in card["error"]["why"]
    assert kpis(scene)[3]["value"] == "–"


def test_without_a_base_scores_work_and_geometry_asks_for_one(
    baseless: tuple[Family, ...],
) -> None:
    family = baseless[0]
    assert family.base is None and len(family.choices) == 4
    scene = _scene_of(family, first_recipe(family).method)
    shown = {id: spec.payload(scene, None, None) for id, spec in panels().items()}
    assert shown["tasks"] is not None and shown["tasks"]["error"] is None
    cards = [part["error"]["why"] for part in shown.values() if part and part["error"]]
    # Scores need no base, and so does what is made of scores.
    assert shown["training"] is not None and shown["training"]["error"] is None
    assert shown["pareto"] is not None and shown["pareto"]["error"] is None
    assert shown["compare"] is not None and shown["compare"]["error"] is None
    assert shown["answers"] is not None and shown["answers"]["error"] is None
    assert len(cards) == len(shown) - 5
    assert all("differences from a base" in why for why in cards)
    assert kpis(scene)[0]["kind"] == "measured" and kpis(scene)[2]["value"] == "–"


def test_any_model_can_be_named_as_the_base(baseless: tuple[Family, ...]) -> None:
    named = next(f for f in baseless if f.base_name == "zeta")
    assert named.group == baseless[0].id and len(named.choices) == 3
    scene = _scene_of(named, "task_arithmetic")
    for spec in panels().values():
        part = spec.payload(scene, None, None)
        assert part is not None and part["error"] is None
    catalog = Catalog(baseless)
    assert catalog.family_of(scene.recipe).id == named.id
    assert catalog.family_of(first_recipe(baseless[0])).id == baseless[0].id


TINY = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
}  # fmt: skip
ENCODERS = {
    "bert": lambda: BertModel(BertConfig(vocab_size=50, max_position_embeddings=16, **TINY)),
    "vit": lambda: ViTModel(ViTConfig(image_size=8, patch_size=4, **TINY)),
}


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("kind", sorted(ENCODERS))
def test_encoders_without_a_task_show_their_geometry(
    tmp_path: Path, kind: str, dtype: torch.dtype
) -> None:
    for seed, name in enumerate(("base", "one", "two")):
        torch.manual_seed(seed)
        ENCODERS[kind]().to(dtype).save_pretrained(tmp_path / name, max_shard_size="20KB")
    family = folder_families([tmp_path])[0]
    made = DESK.merge(first_recipe(family), family)
    scene = DESK.scene(made, family, DESK.preview(made, None, False), None, {})
    for id, spec in panels().items():
        part = spec.payload(scene, None, None)
        assert part is not None
        assert (part["error"] is None) is (id not in NEED_TASKS), (
            id,
            part["error"],
        )
    assert family.missing and scene.missing
    assert [tile["value"] == "–" for tile in kpis(scene)] == [True, True, False, False]


@pytest.mark.parametrize("method", [m.name for m in METHODS.values() if m.stage == "merge"])
def test_every_method_has_an_answer_in_the_studio(
    families: dict[str, Family], method: str
) -> None:
    family = families["llama"]
    scene = _scene_of(family, method)
    per_task = METHODS[method].output == "per_task"
    for id, spec in panels().items():
        part = spec.payload(scene, None, None)
        assert part is not None
        if per_task and id in ("tasks", "norms", "training", "compare", "adapter"):
            # The one text of this family belongs to no expert.
            assert "one model per expert" in part["error"]["why"]
        elif id == "dialects" and not METHODS[method].dialects:
            assert "has no dialects" in part["error"]["why"]
        else:
            assert part["error"] is None, (id, part["error"])
    tiles = kpis(scene)
    assert (tiles[0]["value"] == "–") is per_task
    assert scene.merged is not None and scene.merged.digest


def test_screens_are_in_order_and_ids_differ() -> None:
    orders = [screen.order for screen in SCREENS]
    assert orders == sorted(orders) and len(set(orders)) == len(orders)
    ids = [panel.id for screen in SCREENS for panel in screen.panels]
    assert len(set(ids)) == len(ids)


def _plain(value):
    """Put a real colour in place of the tokens that the browser resolves."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, str) and value.startswith("@"):
        return "Viridis" if value in ("@diverging", "@sequential", "@conflicts") else "#123456"
    return value
