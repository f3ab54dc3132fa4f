"""The page on models with a head and data beside them: scored, compared, and said why not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from merger.recipe import Recipe
from tests.builders import build_llama_family
from tests.heads import build_image_family, build_text_family
from tests.studios import open_studio
from viz.catalog import Catalog, Family, folder_families
from viz.session import draft_of
from viz.studio import Studio

KINDS = ("texts", "images", "words")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = tmp_path_factory.mktemp("own")
    words = build_llama_family(folder / "words", experts=("uma", "ugo"), train_steps=5)
    for path in words.glob("*.txt"):
        path.unlink()
    (words / "films.csv").write_text(
        "text,label\n" + "".join(f"film {i} is,{('bad', 'good')[i % 2]}\n" for i in range(60))
    )
    texts = build_text_family(folder / "texts")
    images = build_image_family(folder / "images", experts=("ida", "ian"))
    return Catalog(folder_families([texts, images, words]))


@pytest.fixture
def studio(catalog: Catalog, tmp_path: Path) -> Iterator[Studio]:
    with open_studio(catalog, tmp_path / "ws") as opened:
        yield opened


def recipe_of(family: Family, scale: float) -> Recipe:
    sources = [choice.source for choice in family.choices]
    plain: dict[str, Any] = {"method": "task_arithmetic", "base": family.base}
    return Recipe.from_json(plain | {"experts": sources, "params": {"scale": scale}})


def call(studio: Studio, name: str, here: Recipe, pin: Recipe | None, **more: Any) -> Any:
    request = {"draft": draft_of(here, studio.catalog), "visitor": "ann" * 10, "seq": 1,
               "visible": ["tasks", "compare"], "second": None,
               "pin": None if pin is None else pin.to_yaml()} | more  # fmt: skip
    home = studio if hasattr(studio, name) else studio.comparing
    return json.loads(getattr(home, name)(json.dumps(request)).body)


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
def test_data_beside_the_models_is_scored_while_sliders_move_and_rest(
    studio: Studio, kind: int
) -> None:
    family = studio.catalog.families[kind]
    assert family.missing == "" and len(family.tasks) == 1
    moved = call(studio, "preview", recipe_of(family, 0.4), None)
    assert moved["panels"]["tasks"]["base"]["meta"]["kind"] == "estimated"
    rested = call(studio, "settle", recipe_of(family, 0.4), None)
    meta = rested["panels"]["tasks"]["base"]["meta"]
    assert meta["kind"] == "measured" and meta["split"] == "validation" and meta["n"] > 20
    row = meta["table"]["rows"][0]
    assert 0 <= row[2] <= row[1] <= row[3] <= 1


@pytest.mark.parametrize("kind", [0, 1], ids=KINDS[:2])
def test_examples_that_changed_hands_show_what_they_are(studio: Studio, kind: int) -> None:
    family = studio.catalog.families[kind]
    a, here = recipe_of(family, 0.0), recipe_of(family, 1.0)
    call(studio, "settle", here, a)
    found = call(studio, "compare", here, a)
    assert found["metric"] == "accuracy" and found["examples"]
    for example in found["examples"]:
        assert bool(example["picture"]) is (KINDS[kind] == "images")
        assert bool(example["passage"]) is (KINDS[kind] != "images") and example["label"]
        for answer in example["answers"]:
            assert answer["right"] is (answer["words"] == example["label"])
            assert 0 <= answer["value"] <= 1


def test_what_cannot_be_scored_is_said_and_the_rest_works(tmp_path: Path) -> None:
    folder = build_text_family(tmp_path / "texts")
    (folder / "moods.csv").write_text("text,label\nfine,happy\nbad,sad\n")
    (family,) = folder_families([folder])
    with open_studio(Catalog((family,)), tmp_path / "ws") as studio:
        said = call(studio, "settle", recipe_of(family, 0.4), None)
        assert "'happy', 'sad'; base knows 'negative'" in json.dumps(said, ensure_ascii=False)
    (folder / "tasks.yaml").write_text("- images:rooms\n")
    (family,) = folder_families([folder])
    assert family.tasks == ()
    assert "images:rooms: no such folder" in family.missing
