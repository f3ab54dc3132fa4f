"""What the Compare tab is told: two merges in words, and examples that changed hands."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from merger import sampled
from merger.live import SETS
from merger.recipe import Recipe
from tests.builders import build_llama_family
from tests.studios import open_studio
from viz.catalog import Catalog, Family, folder_families, zoo_family
from viz.session import draft_of
from viz.studio import Studio

ANN = "ann" * 10


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = build_llama_family(tmp_path_factory.mktemp("pairs") / "family", train_steps=30)
    return Catalog((zoo_family(), *folder_families([folder])))


@pytest.fixture
def studio(catalog: Catalog, tmp_path: Path) -> Iterator[Studio]:
    with open_studio(catalog, tmp_path / "ws") as opened:
        yield opened


def recipe_of(
    family: Family, *names: str, method: str = "task_arithmetic", **params: Any
) -> Recipe:
    sources = [c.source for c in family.choices if c.name in names or not names]
    return Recipe.from_json(
        {"method": method, "base": family.base, "experts": sources, "params": params}
    )


def call(studio: Studio, name: str, here: Recipe, *pins: Recipe, **more: Any) -> Any:
    """Ask as the page does, with a merge on screen and up to two pins."""
    texts = [pin.to_yaml() for pin in pins] + [None, None]
    request = {"draft": draft_of(here, studio.catalog), "visitor": ANN, "seq": 1,
               "visible": ["compare"], "pin": texts[0], "second": texts[1]} | more  # fmt: skip
    return json.loads(getattr(handler(studio, name), name)(json.dumps(request)).body)


def handler(studio: Studio, name: str) -> Any:
    return studio if hasattr(studio, name) else studio.comparing


@pytest.mark.parametrize("kind", [0, 1])
def test_one_pin_is_compared_with_the_merge_on_the_page(studio: Studio, kind: int) -> None:
    family = studio.catalog.families[kind]
    a, here = recipe_of(family, scale=0.3), recipe_of(family, scale=0.9)
    settled = call(studio, "settle", here, a)
    assert settled["sides"]["live"] is True
    assert settled["sides"]["differences"] == [["scale", "0.3", "0.9"]]
    assert "merge on this page" in settled["panels"]["compare"]["base"]["meta"]["caption"]
    moved = call(studio, "preview", recipe_of(family, scale=0.8), a)
    assert moved["panels"]["compare"]["base"]["meta"]["kind"] == "estimated"


@pytest.mark.parametrize("kind", [0, 1])
def test_two_pins_stay_as_they_are_while_the_page_moves(studio: Studio, kind: int) -> None:
    family = studio.catalog.families[kind]
    a, b = recipe_of(family, scale=0.3), recipe_of(family, scale=0.9)
    rows = [
        call(studio, "settle", recipe_of(family, scale=x), a, b)["panels"]["compare"]["base"][
            "meta"
        ]["table"]["rows"]
        for x in (0.2, 0.5)
    ]
    assert rows[0] == rows[1]
    swapped = call(studio, "settle", a, b, a)["panels"]["compare"]["base"]["meta"]["table"]["rows"]
    assert [-r[3] for r in swapped] == pytest.approx([r[3] for r in rows[0]])
    assert [r[7:9] for r in swapped[:-2]] == [r[8:6:-1] for r in rows[0][:-2]]


def test_images_that_changed_hands_come_with_label_and_four_answers(studio: Studio) -> None:
    family = studio.catalog.families[0]
    a, here = recipe_of(family, "mnist", "greek", scale=1.0), recipe_of(family, scale=0.3)
    table = call(studio, "settle", here, a)["panels"]["compare"]["base"]["meta"]["table"]["rows"]
    mnist = next(row for row in table if row[0].lower().startswith("mnist"))
    for kind, count in (("a", mnist[7]), ("b", mnist[8])):
        asked = {"task": "mnist", "kind": kind, "count": 5}
        found = call(studio, "compare", here, a, changed=asked)
        assert found["task"] == "mnist" and found["kind"] == kind
        assert found["total"] == count and len(found["examples"]) == min(5, count)
        for example in found["examples"]:
            assert example["picture"].startswith("data:image/png;base64,")
            assert example["label"] in "0123456789"
            who = [answer["who"] for answer in example["answers"]]
            assert who == ["base", "mnist, alone", "A", "B"]
            for answer in example["answers"]:
                assert answer["right"] is (answer["words"] == example["label"])
                assert 0.1 <= answer["value"] <= 1
            right = {answer["who"]: answer["right"] for answer in example["answers"]}
            assert (right["A"], right["B"]) == (kind == "a", kind == "b")


def test_passages_come_as_text_with_bits_per_byte(studio: Studio, tmp_path: Path) -> None:
    family = studio.catalog.families[1]
    a, here = recipe_of(family, scale=1.0), recipe_of(family, scale=0.3)
    call(studio, "settle", here, a)
    found = call(studio, "compare", here, a, changed={"kind": "b", "count": 3})
    assert found["metric"] == "bits_per_byte" and found["total"] == found["tasks"][0]["only_b"]
    gains = []
    for example in found["examples"]:
        assert example["picture"] is None and example["passage"] and not example["label"]
        bits = {answer["who"]: answer["value"] for answer in example["answers"]}
        assert {"base", "A", "B"} <= set(bits) and bits["B"] < bits["A"]
        gains.append(bits["A"] - bits["B"])
    assert gains == sorted(gains, reverse=True)


def test_nonsense_asks_for_the_first_page_of_the_task_that_changed_most(studio: Studio) -> None:
    family = studio.catalog.families[0]
    a, here = recipe_of(family, "mnist", "greek", scale=1.0), recipe_of(family, scale=0.3)
    call(studio, "settle", here, a)
    found = call(studio, "compare", here, a, changed={"task": ["x"], "kind": {}, "count": 1e9})
    most = max(found["tasks"], key=lambda row: row["only_a"] + row["only_b"])
    assert found["task"] == most["name"]
    assert found["kind"] == ("b" if most["only_b"] > most["only_a"] else "a")
    assert len(found["examples"]) <= 12
    assert call(studio, "compare", here, a, changed=7)["examples"]


def test_it_says_why_there_is_nothing_to_show(studio: Studio) -> None:
    zoo, llama = studio.catalog.families
    here = recipe_of(zoo, scale=0.21)
    assert "No merge is pinned" in call(studio, "compare", here)["error"]["why"]
    other = recipe_of(llama)
    assert "No merge is pinned" in call(studio, "compare", here, other)["error"]["why"]
    sides = call(studio, "preview", here, here, other)["sides"]
    assert sides["b"]["why"] == "A merge of other models." and not sides["differences"]
    assert "other models" in call(studio, "compare", here, here, other)["error"]["why"]
    never = recipe_of(zoo, scale=0.777)
    assert "not scored" in call(studio, "compare", here, never)["error"]["why"]


def test_a_tab_nobody_looks_at_scores_no_second_pin(studio: Studio) -> None:
    family = studio.catalog.families[0]
    b = recipe_of(family, scale=0.654)
    answer = call(studio, "settle", recipe_of(family), recipe_of(family), b, visible=["tasks"])
    assert "sides" not in answer
    recipe, live = studio.desk.open(b, family)
    assert live.known(live.digest(recipe)) is None


def test_of_large_models_it_waits_until_both_are_scored(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    SETS.clear()
    monkeypatch.setattr(sampled, "LIVE_ENTRIES", 9000)
    monkeypatch.setattr(sampled, "SAMPLE_ENTRIES", 9000)
    family = studio.catalog.families[1]
    a, here = recipe_of(family, scale=0.111), recipe_of(family, scale=0.911)
    early = call(studio, "compare", here, a)["error"]
    assert "not scored" in early["why"] and "once the sliders rest" in early["todo"]
    while call(studio, "settle", here, a).get("more"):
        pass
    found = call(studio, "compare", here, a, changed={"count": 2})
    assert found["total"] and len(found["examples"]) == min(2, found["total"])
    assert {"base", "A", "B"} <= {x["who"] for x in found["examples"][0]["answers"]}
    SETS.clear()
