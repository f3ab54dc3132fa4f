"""What the Pareto tab is told: whose rows, which order, and what cannot be asked for."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders import build_llama_family
from tests.studios import open_studio
from viz.catalog import Catalog, first_recipe, folder_families
from viz.session import draft_of
from viz.studio import Studio
from viz.trials import Trials

ANN, BOB = "ann" * 10, "bob" * 10


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = build_llama_family(tmp_path_factory.mktemp("trials") / "family", seed=11)
    return Catalog(folder_families([folder]))


@pytest.fixture
def studio(catalog: Catalog, tmp_path: Path) -> Iterator[Studio]:
    with open_studio(catalog, tmp_path / "ws") as opened:
        yield opened


def call(studio: Studio, name: str, scale: float = 0.5, who: str = ANN, **more: Any) -> Any:
    """Ask as the page does, with a draft of the first recipe at a scale."""
    draft = draft_of(first_recipe(studio.catalog.families[0]), studio.catalog)
    draft["params"] = {"scale": scale}
    request = {"draft": draft, "visitor": who, "seq": 1, "visible": ["pareto"]} | more
    handler = studio if hasattr(studio, name) else Trials(studio)
    return json.loads(getattr(handler, name)(json.dumps(request)).body)


def settle(studio: Studio, *scales: float, who: str = ANN) -> None:
    for scale in scales:
        while call(studio, "settle", scale, who).get("more"):
            pass


def test_every_settled_merge_is_a_row_and_a_point_of_its_visitor_alone(studio: Studio) -> None:
    settle(studio, 0.2, 0.4)
    settle(studio, 0.6, who=BOB)
    answer = call(studio, "trials")
    assert answer["table"]["total"] == 2
    assert {r["words"][-3:] for r in answer["table"]["rows"]} == {"0.2", "0.4"}
    names = {t["name"]: t for t in answer["panels"]["pareto"]["base"]["data"]}
    assert len(names["merges"]["x"]) + len(names["on the front"]["x"]) == 2
    assert call(studio, "trials", who=BOB)["table"]["total"] == 1


def test_looking_again_writes_nothing(studio: Studio) -> None:
    settle(studio, 0.2, 0.2)
    before = studio.library.version(ANN)
    settle(studio, 0.2)
    assert studio.library.version(ANN) == before


def test_rows_are_sorted_as_asked_and_nonsense_is_the_newest_first(studio: Studio) -> None:
    settle(studio, 0.5, 0.1, 0.2)

    def order(**table: Any) -> list[str]:
        return [r["words"][-3:] for r in call(studio, "trials", table=table)["table"]["rows"]]

    assert order(sort="norm", descending=False) == ["0.1", "0.2", "0.5"]
    assert order(sort="norm", descending=True) == ["0.5", "0.2", "0.1"]
    assert order(sort=["x"], page="y") == ["0.2", "0.1", "0.5"]
    assert order(sort="words", descending=False, page=9e9) == ["0.1", "0.2", "0.5"]


def test_pins_notes_and_deletions_touch_ones_own_rows_only(studio: Studio) -> None:
    settle(studio, 0.2)
    (row,) = call(studio, "trials")["table"]["rows"]
    for change in ({"note": "x"}, {"pinned": True}, {"forget": True}):
        said = call(studio, "annotate", who=BOB, digest=row["digest"], **change)
        assert "no scored recipe" in said["error"]["why"]
    assert "error" in call(studio, "trial", who=BOB, digest=row["digest"])
    call(studio, "annotate", digest=row["digest"], note="<b>", pinned=True)
    (row,) = call(studio, "trials")["table"]["rows"]
    assert (row["note"], row["pinned"]) == ("<b>", True)
    assert call(studio, "trial", digest=row["digest"])["text"].startswith("version: 1")
    call(studio, "annotate", digest=row["digest"], forget=True)
    assert call(studio, "trials")["table"]["total"] == 0


def test_axes_and_method_are_chosen_from_what_there_is(studio: Studio) -> None:
    settle(studio, 0.2)
    view = {"pareto": {"x": "task:text:text", "y": "bytes", "method": "task_arithmetic"}}
    answer = call(studio, "trials", view=view)
    assert (answer["axes"]["x"], answer["axes"]["y"]) == ("task:text:text", "bytes")
    assert answer["methods"] == [
        {"name": "task_arithmetic", "title": "Task arithmetic", "count": 1}
    ]
    strange = {"pareto": {"x": "__class__", "y": 3, "method": "nope", "split": "train"}}
    answer = call(studio, "trials", view=strange)
    assert (answer["axes"]["x"], answer["axes"]["y"]) == ("norm", "mean")
    assert answer["table"]["total"] == 1 and answer["table"]["split"] == "validation"


def test_files_hold_the_visitors_merges(studio: Studio) -> None:
    settle(studio, 0.2)
    found = call(studio, "export", format="json")
    assert len(json.loads(found["text"])["trials"]) == 1 and found["name"].endswith(".json")
    assert call(studio, "export", format="csv")["text"].count("\r\n") == 2


def test_nothing_to_score_on_test_says_so(studio: Studio) -> None:
    said = call(studio, "score_test")
    assert "Every merge on this front has its test scores" in said["error"]["why"]


def test_base_and_experts_are_scored_one_a_call(studio: Studio) -> None:
    settle(studio, 0.2)
    calls = 1
    while call(studio, "models")["more"]:
        calls += 1
    assert calls <= 4
    names = {t["name"]: t for t in call(studio, "trials")["panels"]["pareto"]["base"]["data"]}
    assert names["base"]["x"] == [0.0] and len(names["single experts"]["x"]) == 3


def test_who_keeps_much_is_told_what_makes_room(studio: Studio) -> None:
    settle(studio, 0.2)
    assert call(studio, "trials")["room"] == ""
    studio.library.limit = 1
    assert "the oldest that are not pinned make room" in call(studio, "trials")["room"]


def test_a_request_without_a_visitor_or_a_merge_is_refused(studio: Studio) -> None:
    assert "did not say who it is" in call(studio, "trials", who="x")["error"]["why"]
    assert "named no merge" in call(studio, "annotate", digest=5)["error"]["why"]
