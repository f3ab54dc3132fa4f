"""Stories of real merges in the background."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from transformers import AutoModel

from merger import Recipe
from merger.live import LiveSet
from merger.scoring import score
from tests.e2e.app_fixture import WAIT, App, Desk


def _job(desk: Desk, state: str) -> Any:
    card = desk.page.locator(f"#ms-merge-job[data-state={state}]")
    card.wait_for(timeout=WAIT)
    return card


def _result(app: App) -> Path:
    """Return the model folder of the newest job."""
    outputs = sorted((app.workspace / "outputs").iterdir(), key=lambda p: p.stat().st_mtime)
    return next(p for p in outputs[-1].iterdir() if p.is_dir())


def test_a_real_merge_survives_a_reload_and_is_what_the_preview_showed(
    zoo: Desk, zoo_app: App
) -> None:
    """I merge for real and reload; the job is still there, and the folder is what I saw."""
    zoo.weight(0, 1.4)
    recipe = Recipe.from_yaml(zoo.studio("text"))
    bars = [round(x, 4) for x in zoo.drawn("tasks")["merged"]["x"]]
    zoo.page.locator("#ms-merge").click()
    zoo.page.locator("#ms-merge-job").wait_for()
    zoo.page.reload()
    zoo.settled()
    card = _job(zoo, "DONE")
    assert "files" in card.inner_text()
    folder = _result(zoo_app)
    model, info = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values())
    live = LiveSet.open(recipe).merge(recipe)
    saved = load_file(folder / "model.safetensors")
    assert saved.keys() == live.tensors.keys()
    for key, tensor in saved.items():
        assert tensor.numpy().tobytes() == live.stored(key).numpy().tobytes(), key
    assert bars == [round(row.value, 4) for row in score(folder).tasks]


def test_the_result_can_be_downloaded_and_a_guess_cannot(zoo: Desk, zoo_app: App) -> None:
    """I download my merge as one file; an address without the secret gives nothing."""
    zoo.page.locator("#ms-merge").click()
    _job(zoo, "DONE")
    with zoo.page.expect_download() as waiting:
        zoo.page.locator("#ms-download").click()
    assert waiting.value.suggested_filename.endswith(".zip")
    answer = zoo.page.request.get(zoo_app.url + "ms-download/aaaaaaaaaaaaaaaaaaaaaa")
    assert answer.status == 404


def test_another_visitor_sees_no_job_of_mine(zoo: Desk, zoo_app: App, browser: Any) -> None:
    """I merge; somebody else opens the page and sees no job."""
    zoo.page.locator("#ms-merge").click()
    zoo.page.locator("#ms-merge-job").wait_for()
    context = browser.new_context()
    try:
        other = Desk(context.new_page(), zoo_app.url).open()
        assert not other.page.locator("#ms-merge-job").is_visible()
    finally:
        context.close()
    _job(zoo, "DONE")


def test_a_model_is_tested_when_it_is_written_and_its_card_has_my_scores(
    llama: Desk, llama_app: App
) -> None:
    """I ask for a test: the card says that the model loads and answers, layer by layer."""
    llama.weight(0, 0.9)
    shown = llama.drawn("tasks")["merged"]["x"]
    llama.tab("Recipe")
    llama.page.locator("#ms-output-adapter").check()
    assert llama.page.locator("#ms-output-check").is_disabled()
    llama.page.locator("#ms-output-model").check()
    llama.page.locator("#ms-output-check").check()
    llama.page.locator("#ms-merge").click()
    card = _job(llama, "DONE")
    assert "It loads whole, it answers with finite numbers" in card.inner_text()
    assert ", it goes on with " in card.inner_text()
    card.get_by_text("Size against base, by layer").click()
    assert card.get_by_role("row").all_inner_texts()[1].startswith("outside the layers")
    text = (_result(llama_app) / "README.md").read_text()
    lines = [line for line in text.splitlines() if line.endswith(" of validation |")]
    assert [float(line.split(" | ")[2]) for line in lines] == pytest.approx(shown, abs=1e-4)
    assert "| `model.safetensors` |" in text


@pytest.fixture
def fresh_app(tmp_path: Path, llama_folder: Path) -> Any:
    """An app of its own: its worker is about to be hurt."""
    from tests.e2e.app_fixture import running_app

    with running_app(tmp_path / "workspace", "--models", str(llama_folder)) as app:
        yield app


def test_a_killed_worker_fails_its_job_and_the_next_one_runs(page: Any, fresh_app: App) -> None:
    """The worker dies under my merge; I am told why, nothing is left, and the next one works."""
    desk = Desk(page, fresh_app.url).open()
    page.wait_for_function("true")
    children = fresh_app.children()
    for _ in range(300):
        if children:
            break
        page.wait_for_timeout(100)
        children = fresh_app.children()
    os.kill(children[0], signal.SIGSTOP)  # the job is taken, and does not get on
    desk.page.locator("#ms-merge").click()
    page.wait_for_timeout(700)
    os.kill(children[0], signal.SIGKILL)
    card = _job(desk, "FAILED")
    assert "signal 9" in card.inner_text() or "killed" in card.inner_text()
    assert not [p for p in (fresh_app.workspace / "outputs").rglob("*") if p.is_file()]
    desk.page.locator("#ms-merge").click()
    _job(desk, "DONE")


def test_a_waiting_merge_can_be_cancelled(page: Any, fresh_app: App) -> None:
    """I start a merge while the worker is busy and cancel it; nothing is left."""
    desk = Desk(page, fresh_app.url).open()
    children = fresh_app.children()
    for _ in range(300):
        if children:
            break
        page.wait_for_timeout(100)
        children = fresh_app.children()
    os.kill(children[0], signal.SIGSTOP)
    desk.page.locator("#ms-merge").click()
    desk.page.locator("#ms-cancel").click()
    page.wait_for_timeout(300)
    os.kill(children[0], signal.SIGCONT)
    _job(desk, "CANCELLED")
    assert not [p for p in (fresh_app.workspace / "outputs").rglob("*.safetensors")]
