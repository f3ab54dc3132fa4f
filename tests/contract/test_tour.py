"""Every stop of the tour sets a recipe that works, names what is there, and has its words."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from merger.recipe import Recipe
from tests.builders import build_llama_family
from tests.studios import open_studio
from viz.catalog import Catalog, folder_families, zoo_family
from viz.guiding import Guiding
from viz.screens import SCREENS, panels
from viz.session import recipe_from_text
from viz.studio import Studio
from viz.tour import STOPS, outline

ANN = "ann" * 10
ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "assets"
PICTURES = ROOT / "docs" / "pictures"
IDS = [stop.id for stop in STOPS]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with open_studio(Catalog((zoo_family(),)), tmp_path_factory.mktemp("tour") / "ws") as opened:
        yield opened


def call(studio: Studio, name: str, **request: Any) -> dict[str, Any]:
    body = json.dumps({"visitor": ANN, "view": {}} | request)
    return json.loads(getattr(Guiding(studio), name)(body).body)


@pytest.fixture(scope="module")
def told(studio: Studio) -> dict[str, dict[str, Any]]:
    """What a visitor is told who goes through the whole tour, by stop."""
    found, text, pins = {}, None, []
    for id in IDS:
        answer = call(studio, "tour", id=id)
        text, pins = answer.get("text") or text, answer.get("pins", pins)
        found[id] = answer | call(studio, "tour_words", id=id, text=text, pins=pins)
    return found


@pytest.mark.parametrize("id", IDS)
def test_a_stop_sets_a_recipe_that_works_and_says_what_is_measured(
    studio: Studio, told: dict[str, dict[str, Any]], id: str
) -> None:
    answer = told[id]
    assert "error" not in answer
    if answer["text"] is None:
        assert "pins" not in answer
    else:
        for text in (answer["text"], *answer["pins"]):
            recipe = recipe_from_text(text, studio.catalog)
            assert recipe.to_yaml() == text and len(recipe.experts) == 6
    assert answer["words"].endswith(".")


@pytest.mark.parametrize("id", ["average", "back", "ties", "lines"])
def test_scores_are_told_with_split_and_n_and_interval(
    told: dict[str, dict[str, Any]], id: str
) -> None:
    assert "n 2,880, validation" in told[id]["words"] and "95%: " in told[id]["words"]


def test_a_step_back_is_where_the_measured_curve_is_best(studio: Studio) -> None:
    # Nothing is measured in this workspace, so halfway along the eight steps: the fourth.
    recipe = Recipe.from_yaml(call(studio, "tour", id="back")["text"])
    assert {expert.step for expert in recipe.experts} == {64}


@pytest.mark.parametrize("stop", STOPS, ids=IDS)
def test_a_stop_names_a_tab_and_elements_that_exist(stop: Any) -> None:
    tabs = {screen.id: screen for screen in SCREENS}
    assert stop.tab in ("", *tabs)
    scripts = "".join(path.read_text("utf-8") for path in (ASSETS / "studio").glob("*.js"))
    scripts += (ASSETS / "controls.js").read_text("utf-8")
    for part in stop.at.split(", "):
        panel = re.fullmatch(r"\[data-panel=([\w-]+)\]", part)
        if panel:
            assert panel[1] in panels()
            assert panel[1] in {spec.id for spec in tabs[stop.tab].panels}
        elif part.startswith("#"):
            assert f'id: "{part[1:]}"' in scripts
        else:
            assert re.search(rf'class: "[^"]*\b{part[1:]}\b', scripts)


def test_the_tour_takes_about_five_minutes() -> None:
    assert 8 <= len(STOPS) <= 10 and 240 <= sum(stop.seconds for stop in STOPS) <= 330
    assert len(set(IDS)) == len(IDS)
    for stop in STOPS:
        assert len(stop.todo) <= 160 and not re.search(r"\d+(\.\d+)? ?%", stop.todo)


def test_it_is_offered_where_the_page_opens_with_the_bundled_experts(tmp_path: Path) -> None:
    own = folder_families([build_llama_family(tmp_path / "family")])
    alone, beside = Catalog((zoo_family(),)), Catalog((*own, zoo_family()))
    assert outline(alone)["offered"] is True
    assert outline(beside)["offered"] is False and len(outline(beside)["stops"]) == len(STOPS)
    assert outline(Catalog(own)) == {"stops": [], "offered": False}


@pytest.mark.parametrize("id", ["nowhere", None, 3, ["average"], {"id": "average"}])
def test_a_stop_that_is_not_there_gives_a_card(studio: Studio, id: Any) -> None:
    for name in ("tour", "tour_words"):
        assert "no such stop" in call(studio, name, id=id, text="")["error"]["why"]


def test_words_of_a_recipe_of_other_models_give_a_card(studio: Studio) -> None:
    text = "method: average\nexperts: [zoo:mnist, file:/etc]\n"
    assert "error" in call(studio, "tour_words", id="average", text=text)


def test_every_picture_that_is_shown_is_there_and_all_together_are_small() -> None:
    for page in (ROOT / "README.md", PICTURES / "README.md"):
        shown = re.findall(r"!\[[^]]+\]\(([^)]+\.(?:webp|png))\)", page.read_text("utf-8"))
        assert shown and not [name for name in shown if not (page.parent / name).is_file()]
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) < 3_000_000


@pytest.mark.parametrize("number, id", list(enumerate(IDS, 1)))
def test_every_stop_has_its_picture(number: int, id: str) -> None:
    name = f"tour-{number:02}-{id}.webp"
    assert name in (ROOT / "README.md").read_text("utf-8")
    assert name in (PICTURES / "README.md").read_text("utf-8")
