"""What the menu of good starts is told, for every method, on language models."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from merger.spec import METHODS
from tests.builders import build_llama_family
from tests.studios import open_studio
from viz.catalog import Catalog, first_recipe, folder_families
from viz.session import draft_of, recipe_of
from viz.starts import Starts
from viz.studio import Studio

MERGES = [m.name for m in METHODS.values() if m.stage == "merge" and set(m.needs) <= {"base"}]
ANN = "ann" * 10


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("starts")
    catalog = Catalog(folder_families([build_llama_family(folder / "family", seed=11)]))
    with open_studio(catalog, folder / "ws") as opened:
        yield opened


def opening(studio: Studio, method: str = "task_arithmetic", **change: Any) -> dict[str, Any]:
    draft = draft_of(first_recipe(studio.catalog.families[0]), studio.catalog)
    return draft | {"method": method, "params": {}} | change


def call(studio: Studio, what: str, draft: dict[str, Any], **more: Any) -> Any:
    request = {"draft": draft, "visitor": ANN, **more}
    return json.loads(getattr(Starts(studio), what)(json.dumps(request)).body)


def menu(studio: Studio, draft: dict[str, Any]) -> dict[str, Any]:
    return {start["name"]: start for start in call(studio, "starts", draft)["starts"]}


@pytest.mark.parametrize("method", MERGES)
def test_every_start_of_every_method_leads_there_or_says_why_not(
    studio: Studio, method: str
) -> None:
    draft = opening(studio, method)
    found = menu(studio, draft)
    assert list(found) == ["equal", "norm", "lines", "best"]
    for name in ("equal", "norm", "lines"):
        answer = call(studio, "start", draft, name=name)
        if found[name]["off"]:
            assert answer["error"]["todo"] == found[name]["words"]
        else:
            assert recipe_of(answer["draft"], studio.catalog).method == method
            assert menu(studio, answer["draft"])[name]["on"]


def test_a_start_is_for_all_experts_also_while_one_is_looked_at(studio: Studio) -> None:
    draft = opening(studio)
    alone = draft | {"solo": draft["experts"][0]["name"]}
    there = call(studio, "start", alone, name="norm")["draft"]
    assert there == call(studio, "start", draft, name="norm")["draft"]
    assert all(row["on"] for row in there["experts"])


def test_a_throw_keeps_experts_that_are_off_and_their_order(studio: Studio) -> None:
    draft = opening(studio, "ties")
    draft["experts"][1] |= {"on": False, "weight": 0.3}
    thrown = call(studio, "dice", draft, seed=4)["draft"]
    assert [row["name"] for row in thrown["experts"]] == [r["name"] for r in draft["experts"]]
    assert thrown["experts"][1]["weight"] == 0.3 and not thrown["experts"][1]["on"]
    assert 0 <= thrown["experts"][0]["weight"] <= 1


@pytest.mark.parametrize("seed", [None, True, "4", 1.5, -1])
def test_a_seed_that_is_none_is_refused(studio: Studio, seed: Any) -> None:
    assert "seed" in call(studio, "dice", opening(studio), seed=seed)["error"]["why"]


def test_what_is_no_start_is_refused(studio: Studio) -> None:
    assert "no such start" in call(studio, "start", opening(studio), name="x")["error"]["why"]
    none_yet = call(studio, "start", opening(studio), name="best", explored=True)
    assert "mean normalised score yet" in none_yet["error"]["todo"]
