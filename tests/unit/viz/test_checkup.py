"""What the doctor's card says: verdict, notes, cost, and which words a result can have."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders import build_llama_family
from tests.studios import open_studio
from tests.vocabularies import LETTERS, save_speaker
from viz.catalog import Catalog, first_recipe, folder_families
from viz.checkup import Checkup
from viz.session import draft_of
from viz.studio import Studio

ANN = "ann" * 10


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("checkup")
    speakers = folder / "speakers"
    save_speaker(speakers / "base")
    for number, word in enumerate(("x", "yy")):
        save_speaker(speakers / f"knows-{word}", words=(*LETTERS, word), seed=number + 1)
    families = folder_families([build_llama_family(folder / "family", seed=11), speakers])
    with open_studio(Catalog(families), folder / "ws") as opened:
        yield opened


def told(studio: Studio, family: int = 0, **change: Any) -> dict[str, Any]:
    draft = draft_of(first_recipe(studio.catalog.families[family]), studio.catalog) | change
    request = {"draft": draft, "visitor": ANN}
    return json.loads(Checkup(studio).checkup(json.dumps(request)).body)


def test_models_that_fit_have_a_verdict_and_their_cost_in_words(studio: Studio) -> None:
    found = told(studio)["checkup"]
    assert (found["state"], found["verdict"], found["problems"]) == (
        "well",
        "These models fit.",
        [],
    )
    assert [part["name"] for part in found["cost"]] == [
        "parameters", "memory", "on disk", "to merge",
    ]  # fmt: skip
    assert found["cost"][0]["value"] == "8,816" and found["cost"][3]["value"] == "1 s"
    assert found["models"][0]["name"] == "base, alpha, beta, gamma"
    assert found["models"][0]["words"] == (
        "LlamaForCausalLM, 2 layers, 8,816 parameters, BF16, 258 rows for 258 tokens, shared head"
    )
    assert found["licence"] == "All models state apache-2.0, and so does the result."
    assert found["words"] == "same"


def test_words_that_differ_stop_a_merge_until_one_is_chosen(studio: Studio) -> None:
    found = told(studio, 1)["checkup"]
    assert (found["state"], found["words"]) == ("bad", "differ")
    assert found["problems"][0]["severity"] == "error"
    assert "{source: union}" in found["problems"][0]["todo"]
    chosen = told(studio, 1, kept={"tokenizer": {"source": "union"}})["checkup"]
    assert (chosen["state"], chosen["words"]) == ("noted", "chosen")
    said = " ".join(problem["what"] for problem in chosen["problems"])
    assert "2 tokens that base does not have: x, yy" in said
    assert "the embedding has 9 rows, that of base 7" in said


def test_what_is_noted_of_settings_stays_under_the_method(studio: Studio) -> None:
    found = told(studio, method="ties", params={"density": 1.0})["checkup"]
    assert found["problems"] == []


def test_paths_of_this_machine_are_not_told(studio: Studio) -> None:
    text = json.dumps([told(studio), told(studio, 1)])
    assert str(Path(studio.catalog.families[0].folder)) not in text


def test_a_draft_that_is_no_recipe_is_an_error_card(studio: Studio) -> None:
    assert told(studio, method="nonsense")["error"]["kind"] == "error"
