"""Stories of LoRA adapters: picked, looked at, merged into a model or into an adapter again."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from merger import Recipe
from merger.adapted import AdaptedCheckpoint
from merger.checkpoint import FileCheckpoint
from merger.scoring import score
from tests.adapters import turn_into_adapters
from tests.builders import build_llama_family
from tests.e2e.app_fixture import WAIT, App, Desk, running_app


@pytest.fixture(scope="module")
def lora_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama-shaped base, two adapters of different rank, and one with DoRA."""
    folder = tmp_path_factory.mktemp("lora") / "family"
    build_llama_family(folder, experts=("alpha", "beta"), train_steps=30)
    turn_into_adapters(folder, {"alpha": 2, "beta": 4})
    shutil.copytree(folder / "alpha", folder / "dora")
    config = folder / "dora" / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"use_dora": True}))
    return folder


@pytest.fixture(scope="module")
def lora_app(tmp_path_factory: pytest.TempPathFactory, lora_folder: Path) -> Iterator[App]:
    workspace = tmp_path_factory.mktemp("lora-app") / "workspace"
    with running_app(workspace, "--models", str(lora_folder)) as app:
        yield app


@pytest.fixture
def lora(page: Any, lora_app: App) -> Desk:
    return Desk(page, lora_app.url).open()


def _done(desk: Desk) -> Any:
    card = desk.page.locator("#ms-merge-job[data-state=DONE]")
    card.wait_for(timeout=WAIT)
    return card


def _result(app: App) -> Path:
    outputs = sorted((app.workspace / "outputs").iterdir(), key=lambda p: p.stat().st_mtime)
    return next(p for p in outputs[-1].iterdir() if p.is_dir())


def test_adapters_are_scored_and_compared_like_any_expert(lora: Desk, lora_folder: Path) -> None:
    """I open a folder of adapters: two cards, the third is refused with the reason, charts."""
    assert lora.page.locator(".ms-chip").count() == 2
    side = lora.page.locator(".ms-side").inner_text()
    assert "dora is left out" in side and "DoRA" in side and str(lora_folder) not in side
    lora.weight(0, 1.5)
    shown = [round(x, 4) for x in lora.drawn("tasks")["merged"]["x"]]
    report = score(Recipe.from_yaml(lora.studio("text")), base_dir=lora_folder)
    assert shown == [round(row.value, 4) for row in report.tasks]
    lora.tab("Conflict")
    assert lora.drawn("conflict-grid")


def test_a_merge_becomes_an_adapter_and_says_what_its_rank_loses(
    lora: Desk, lora_app: App, lora_folder: Path
) -> None:
    """I ask for an adapter of rank 3, read what is lost, see each matrix, and download it."""
    lora.tab("Recipe")
    lora.page.locator("#ms-output-adapter").check()
    assert lora.page.locator("#ms-output-rank-number").input_value() == "4"
    assert "at most 6 together" in lora.page.locator("#ms-output-about").inner_text()
    lora.page.locator("#ms-output-rank-number").fill("3")
    lora.page.locator("#ms-output-rank-number").press("Enter")
    button = lora.page.locator("#ms-merge")
    lora.settled()
    assert lora.drawn("adapter")["chosen rank"]["x"] == [3, 3]
    assert lora.page.locator("#ms-output-of option").all_inner_texts() == [
        "the merge", "alpha alone", "beta alone",
    ]  # fmt: skip
    lora.page.locator("#ms-output-of").select_option("alpha")
    lora.settled()
    assert button.inner_text() == "Extract alpha as a LoRA adapter of rank 3"
    # An adapter of rank 2 has nothing to lose at rank 3.
    assert round(lora.drawn("adapter")["chosen rank"]["y"][1], 6) == 1.0
    lora.page.locator("#ms-output-of").select_option("")
    lora.settled()
    assert button.inner_text() == "Merge into a LoRA adapter of rank 3"
    button.click()
    card = _done(lora)
    words = card.locator(".ms-job__loss").inner_text()
    assert "rank 3" in words and "% of the change's energy" in words
    card.locator(".ms-job__chart svg").wait_for()
    card.get_by_text("Each of 14 matrices").click()
    assert card.locator("details").first.locator("tbody tr").count() == 14
    card.get_by_text("How much so many directions hold").click()
    energy = card.locator("details").nth(1).locator("tbody tr").all_inner_texts()
    assert [row.split()[0] for row in energy] == ["1", "2", "4", "6"]
    assert energy[-1].split()[1] == "100.00%"
    folder = _result(lora_app)
    again = AdaptedCheckpoint(FileCheckpoint(lora_folder / "base"), folder)
    assert again.rank == 3 and not (folder / "config.json").exists()
    with lora.page.expect_download() as waiting:
        card.locator("#ms-download").click()
    assert waiting.value.suggested_filename.endswith(".zip")


def test_a_merge_of_adapters_becomes_a_full_model(lora: Desk, lora_app: App) -> None:
    """I leave the choice at a full model: the folder has weights under the base's names."""
    lora.page.locator("#ms-merge").click()
    card = _done(lora)
    assert card.locator(".ms-job__loss").count() == 0
    folder = _result(lora_app)
    assert (folder / "config.json").is_file()
    with safe_open(next(folder.glob("*.safetensors")), "pt") as file:
        assert not any("lora" in key for key in file.keys())  # noqa: SIM118  (no mapping)


def test_a_method_with_one_model_per_expert_writes_folders_and_no_adapter(
    lora: Desk, lora_app: App
) -> None:
    """I choose an adapter, then EMR: the choice goes back to models, with the reason."""
    lora.tab("Recipe")
    lora.page.locator("#ms-output-adapter").check()
    lora.page.locator(".ms-method summary").click()
    lora.page.locator("input[name=ms-method][value=emr]").click()
    lora.settled()
    about = lora.page.locator("#ms-output-about").inner_text()
    assert "One folder for each expert's model, 2 in all: alpha, beta." in about
    assert "EMR" in about and "an adapter holds one" in about
    assert lora.page.locator("#ms-output-adapter").is_disabled()
    lora.page.locator("#ms-merge").click()
    _done(lora)
    folder = _result(lora_app)
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == ["alpha", "beta"]
