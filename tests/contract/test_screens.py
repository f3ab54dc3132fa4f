"""Every screen and panel there is builds, draws and patches, on images and on text."""

import json
from functools import cache
from pathlib import Path

import plotly.graph_objects as go
import pytest

from merger.recipe import Recipe
from tests.builders import build_llama_family
from viz.catalog import Family, first_recipe, folder_families, zoo_family
from viz.desk import Desk
from viz.kpis import kpis
from viz.scene import Scene
from viz.screens import SCREENS, panels

DESK = Desk()


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Family]:
    folder = build_llama_family(tmp_path_factory.mktemp("screens") / "family")
    return {"zoo": zoo_family(), "llama": folder_families([folder])[0]}


@cache
def _scene(family: Family, method: str) -> Scene:
    data = first_recipe(family).to_json() | {"method": method, "params": {}}
    made = DESK.merge(Recipe.from_json(data), family)
    pin = DESK.pin(DESK.merge(first_recipe(family), family), score=True)
    DESK.score_experts(made)
    return DESK.scene(made, family, DESK.full(made, pin.scores.full), pin, {"topk": 0.1})


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


def test_a_folder_without_a_base_says_what_is_missing(tmp_path: Path) -> None:
    from merger.errors import FeedError

    folder = build_llama_family(tmp_path / "family")
    (folder / "base").rename(folder / "zeta")
    for config in folder.glob("*/README.md"):
        config.unlink()
    family = folder_families([folder])[0]
    if family.base is not None:
        pytest.fail("the family still names a base")
    with pytest.raises(FeedError, match="named as the base"):
        DESK.merge(first_recipe(family), family)


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
