"""What the Try it tab is told: answers of every model, live, bounded, and of nobody else."""

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
THREE = {"task": "mnist", "strokes": [[0.35, 0.2, 0.6, 0.25, 0.6, 0.4, 0.45, 0.5],
                                      [0.45, 0.5, 0.65, 0.6, 0.6, 0.8, 0.35, 0.8]]}  # fmt: skip


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = build_llama_family(tmp_path_factory.mktemp("try") / "family", train_steps=30)
    return Catalog((zoo_family(), *folder_families([folder])))


@pytest.fixture
def studio(catalog: Catalog, tmp_path: Path) -> Iterator[Studio]:
    with open_studio(catalog, tmp_path / "ws") as opened:
        yield opened


def recipe_of(family: Family, method: str = "task_arithmetic", **more: Any) -> Recipe:
    sources = [c.source for c in family.choices]
    params = more.pop("params", {"scale": 0.3})
    plain = {"method": method, "base": family.base, "experts": sources, "params": params}
    return Recipe.from_json(plain | more)


def call(studio: Studio, name: str, here: Recipe, tried: Any = None, **more: Any) -> Any:
    """Ask as the page does while the tab is open."""
    request = {"draft": draft_of(here, studio.catalog), "visitor": ANN, "seq": 7,
               "visible": ["answers"], "tried": tried} | more  # fmt: skip
    owner = studio if hasattr(studio, name) else studio.trying
    return json.loads(getattr(owner, name)(json.dumps(request)).body)


def test_a_drawing_is_answered_by_merge_base_and_every_expert(studio: Studio) -> None:
    family = studio.catalog.families[0]
    found = call(studio, "attempt", recipe_of(family), THREE)
    replies, figure = found["replies"], found["panels"]["answers"]["base"]
    names = ["merged", "base", *(c.name for c in family.choices)]
    assert [card["name"] for card in replies["cards"]] == names
    assert [card["name"] for card in replies["cards"] if card["own"]] == ["mnist"]
    for i, card in enumerate(replies["cards"]):
        assert len(card["top"]) == 5 and card["right"] is None and not card["why"]
        chances = [chance for _, chance in card["top"]]
        assert chances == sorted(chances, reverse=True)
        row = figure["data"][0]["z"][i]
        assert sum(row) == pytest.approx(1, abs=1e-5) and max(row) == chances[0]
        assert card["agrees"] == (
            None if i == 0 else card["top"][0][0] == replies["cards"][0]["top"][0][0]
        )
    assert replies["asked"]["seen"].startswith("data:image/png;base64,")
    assert replies["words"] == figure["meta"]["look"] and "models say" in replies["words"]
    assert replies["cards"][2]["colour"] == "var(--ms-expert-1)"


def test_a_move_answers_with_the_same_merge_that_is_scored(studio: Studio) -> None:
    family = studio.catalog.families[0]
    alone = call(studio, "attempt", recipe_of(family), THREE)["replies"]["cards"]
    moved = recipe_of(family, weights=[2.0] + [0.0] * (len(family.choices) - 1))
    for name in ("preview", "settle"):
        answer = call(studio, name, moved, THREE)
        assert answer["digest"] and answer["replies"]["cards"][0]["top"] != alone[0]["top"]
        assert [c["top"] for c in answer["replies"]["cards"][1:]] == [c["top"] for c in alone[1:]]
    assert call(studio, "attempt", moved, THREE)["replies"]["cards"] == answer["replies"]["cards"]


def test_only_who_looks_at_the_tab_is_answered(studio: Studio) -> None:
    answer = call(studio, "preview", recipe_of(studio.catalog.families[0]), THREE, visible=[])
    assert "replies" not in answer and answer["panels"] == {}


def test_pins_answer_beside_the_merge(studio: Studio) -> None:
    family = studio.catalog.families[0]
    here, a = recipe_of(family), recipe_of(family, params={"scale": 0.9})
    b = recipe_of(family, "average", params={})
    pins = {"pin": a.to_yaml(), "second": b.to_yaml()}
    cards = call(studio, "attempt", here, THREE, **pins)["replies"]["cards"]
    assert [c["name"] for c in cards[:4]] == ["merged", "A", "B", "base"]
    alone = call(studio, "attempt", a, THREE)["replies"]["cards"][0]
    assert cards[1]["top"] == alone["top"] != cards[0]["top"]
    other = recipe_of(studio.catalog.families[1]).to_yaml()
    cards = call(studio, "attempt", here, THREE, pin=other, second="nonsense: [")["replies"]
    assert [c["name"] for c in cards["cards"][:2]] == ["merged", "base"]


def test_an_example_comes_with_its_label_and_who_is_right(studio: Studio) -> None:
    family = studio.catalog.families[0]
    found = call(studio, "attempt", recipe_of(family), {"task": "greek", "example": 5})["replies"]
    assert found["asked"]["number"] == 5 and found["asked"]["truth"] in "αβγζθλνπτυχψ"
    for card in found["cards"]:
        assert card["right"] == (card["top"][0][0] == found["asked"]["truth"])
    assert {t["name"]: len(t["classes"]) for t in found["tasks"]}["greek"] == 12


def test_a_typed_text_is_read_token_by_token_and_gone_on_with(studio: Studio) -> None:
    family = studio.catalog.families[1]
    found = call(studio, "attempt", recipe_of(family), {"text": "01 <b>ab</b>"})["replies"]
    assert found["kind"] == "text" and found["asked"]["text"] == "01 <b>ab</b>"
    assert found["tokens"][2:5] == ["␣", "<", "b"]
    for card in found["cards"]:
        assert len(card["bits"]) == 11 and card["bits_per_byte"] > 0 and len(card["top"]) == 5
        assert card["bits_per_byte"] == pytest.approx(sum(card["bits"]) / 11)
    onward = call(studio, "go_on", recipe_of(family), {"text": "01 <b>ab</b>"}, count=8)
    assert [c["name"] for c in onward["continued"]] == [c["name"] for c in found["cards"]]
    assert all(c["whole"] and 0 < len(c["text"]) <= 8 for c in onward["continued"])


def test_a_passage_of_an_experts_own_text_is_asked_first_of_its_expert(studio: Studio) -> None:
    family = studio.catalog.families[1]
    found = call(studio, "attempt", recipe_of(family), {"task": "text:beta", "example": 2})
    replies = found["replies"]
    assert [c["name"] for c in replies["cards"] if c["own"]] == ["beta"]
    assert replies["asked"]["task"] == "text:beta" and replies["asked"]["number"] == 2
    assert "beta finds this text least surprising" in replies["words"]


def test_what_cannot_be_used_is_told_and_the_rest_of_the_page_goes_on(studio: Studio) -> None:
    family = studio.catalog.families[1]
    for tried, why in (({"text": "x" * 3000}, "at most 2,000 characters"),
                       ({"text": ""}, "no text")):  # fmt: skip
        answer = call(studio, "preview", recipe_of(family), tried, visible=["answers", "tasks"])
        assert why in answer["replies"]["error"]["why"] and "cards" not in answer["replies"]
        assert why in answer["panels"]["answers"]["error"]["why"]
        assert answer["panels"]["tasks"]["error"] is None and answer["kpis"]
        assert answer["replies"]["kind"] == "text"
    image = recipe_of(studio.catalog.families[0])
    assert "error" in call(studio, "attempt", image, {"task": "mnist", "strokes": "x"})["replies"]
    for nonsense in (7, "x", [1], {"task": ["x"], "example": {}}, None):
        assert call(studio, "attempt", image, nonsense)["replies"]["asked"]["number"] == 0
    assert "language models" in call(studio, "go_on", image, THREE)["error"]["why"]


def test_a_method_with_one_model_per_expert_answers_with_the_tasks_own(studio: Studio) -> None:
    zoo, llama = studio.catalog.families
    per_task = recipe_of(zoo, "twin_per_task", params={})
    cards = call(studio, "attempt", per_task, THREE)["replies"]["cards"]
    assert cards[0]["top"] and not cards[0]["why"]
    typed = call(studio, "attempt", recipe_of(llama, "twin_per_task", params={}),
                 {"text": "abc"})["replies"]["cards"]  # fmt: skip
    assert "one model per expert" in typed[0]["why"] and typed[1]["top"]


def test_large_models_are_not_asked_and_it_says_why(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    SETS.clear()
    monkeypatch.setattr(sampled, "LIVE_ENTRIES", 9000)
    monkeypatch.setattr(sampled, "SAMPLE_ENTRIES", 9000)
    here = recipe_of(studio.catalog.families[1])
    replies = call(studio, "attempt", here, {"text": "abc"})["replies"]
    assert replies["kind"] == "none" and "read whole models" in replies["error"]["why"]
    assert "asked here" in call(studio, "go_on", here, {"text": "abc"})["error"]["why"]
    SETS.clear()


def test_models_without_a_text_are_tried_and_without_a_tokenizer_say_so(tmp_path: Path) -> None:
    folder = build_llama_family(tmp_path / "bare")
    for path in folder.glob("*.txt"):
        path.unlink()
    with open_studio(Catalog(folder_families([folder])), tmp_path / "ws") as studio:
        family = studio.catalog.families[0]
        assert family.tasks == ()
        replies = call(studio, "attempt", recipe_of(family))["replies"]
        assert replies["asked"]["text"].startswith("The quick") and len(replies["cards"]) == 5
        for path in folder.glob("*/token*"):
            path.unlink()
        error = call(studio, "attempt", recipe_of(family))["replies"]["error"]
        assert "tokenizer" in error["why"] and str(tmp_path) not in json.dumps(error)
