"""Stories of training time: step sliders, the measured curve, a click on it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from merger.recipe import Recipe
from tests.builders import build_llama_family
from tests.e2e.app_fixture import WAIT, App, Desk, running_app

CLICK = """([name, index]) => {
  const chart = document.querySelector('[data-panel=training] .ms-panel__chart');
  const curve = chart.data.findIndex((t) => t.name === name);
  chart.emit('plotly_click', { points: [{ curveNumber: curve, pointIndex: index }] });
}"""


@pytest.fixture(scope="module")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Llama-shaped experts as a Trainer leaves them, each with a text of its own."""
    folder = tmp_path_factory.mktemp("trained") / "family"
    return build_llama_family(
        folder, experts=("alpha", "beta"), train_steps=16, keep=(2, 4, 8), seed=5
    )


@pytest.fixture(scope="module")
def trained_app(tmp_path_factory: pytest.TempPathFactory, trained_folder: Path) -> Iterator[App]:
    workspace = tmp_path_factory.mktemp("trained-app") / "workspace"
    with running_app(workspace, "--models", str(trained_folder)) as app:
        yield app


@pytest.fixture
def trained(page: Any, trained_app: App) -> Desk:
    return Desk(page, trained_app.url).open()


def slide(desk: Desk, id: str, index: int) -> Desk:
    desk.page.locator(f"#{id}").evaluate(
        "(n, v) => { n.value = v; n.dispatchEvent(new Event('input', {bubbles: true})); }", index
    )
    return desk.settled()


def steps_of(desk: Desk) -> list[int | None]:
    return [e.step for e in Recipe.from_yaml(desk.studio("text")).experts]


def caption(desk: Desk) -> str:
    return desk.page.locator("[data-panel=training] .ms-panel__look").inner_text()


def measured(desk: Desk) -> None:
    """Wait until the whole curve is on screen."""
    badge = "document.querySelector('[data-panel=training] .ms-panel__badge')"
    desk.page.wait_for_function(f"{badge}.textContent.startsWith('measured')", timeout=4 * WAIT)
    desk.settled()


def test_one_slider_takes_all_experts_back_and_undo_brings_them_forward(zoo: Desk) -> None:
    """I slide training back for all experts; cards, curve and recipe follow; undo undoes it."""
    zoo.tab("Training")
    before = zoo.drawn("training")["present step"]["x"][0]
    slide(zoo, "ms-step-all", 3)
    assert steps_of(zoo) == [64] * 6
    assert zoo.page.get_by_label("mnist: training step").input_value() == "64"
    zoo.page.wait_for_function(
        "document.querySelector('[data-panel=training] .ms-panel__chart')"
        ".data.find((t) => t.name === 'present step').x[0] === 6"
    )
    assert before > 9  # 900 steps
    zoo.page.locator("#ms-undo").click()
    zoo.settled()
    assert steps_of(zoo) == [None] * 6


def test_one_expert_can_stand_elsewhere(zoo: Desk) -> None:
    """I take one expert back on its own; the common slider says that they differ."""
    zoo.tab("Training")
    slide(zoo, "ms-step-1", 0)
    assert steps_of(zoo) == [None, 8, None, None, None, None]
    assert zoo.page.locator("output[for=ms-step-all]").inner_text() == "mixed"
    assert zoo.drawn("training")["experts' present steps"]["x"][1] == 3


def test_a_click_on_a_curve_takes_the_experts_there(zoo: Desk) -> None:
    """I click the mean of the experts at step 32, then one expert's own best step."""
    zoo.tab("Training")
    zoo.drawn("training")
    zoo.page.evaluate(CLICK, ["experts, mean", 2])
    zoo.settled()
    assert steps_of(zoo) == [32] * 6
    zoo.page.evaluate(CLICK, ["greek", 6])
    zoo.settled()
    assert steps_of(zoo) == [32, 32, 32, 32, 32, 512]


def test_own_curves_are_there_at_once_and_the_merge_is_said_to_be_missing(zoo: Desk) -> None:
    """I open the tab: what the zoo recorded is drawn, what was not measured is not."""
    zoo.tab("Training")
    drawn = zoo.drawn("training")
    assert all(y is not None for y in drawn["mnist"]["y"])
    assert all(y is None for y in drawn["merged"]["y"])
    assert "is not measured yet" in caption(zoo)


def test_a_curve_of_a_text_task_is_measured_kept_and_found_again(trained: Desk) -> None:
    """I measure my own models' curve, in bits per byte; after a reload it is there at once."""
    trained.tab("Training")
    trained.page.locator("#ms-train").click()
    trained.page.reload()  # the job goes on without the page
    trained.settled().tab("Training")
    measured(trained)
    drawn = trained.drawn("training")
    merged = drawn["merged"]["y"]
    assert len(merged) == 4 and all(0 < y < 10 for y in merged)
    assert drawn["merged"]["x"] == [1, 2, 3, 4]
    best = min(range(4), key=lambda i: merged[i])
    assert drawn["merge's best step"]["x"][0] == best + 1  # fewer bits are better
    assert "own scores are best at step" in caption(trained)
    assert trained.page.locator("#ms-train").count() == 0
    trained.page.evaluate(CLICK, ["merged", 1])
    trained.settled()
    assert steps_of(trained) == [4, 4]
    assert trained.drawn("training")["merged"]["y"] == merged


def test_other_settings_have_a_curve_of_their_own_and_a_stopped_one_goes_on(
    trained: Desk,
) -> None:
    """I change the scale: that curve is not measured. I start it, stop it, and start again."""
    trained.tab("Training")
    box = trained.page.locator("#ms-knob-task_arithmetic-scale-number")
    box.fill("0.31")
    box.press("Enter")
    trained.settled()
    assert "is not measured yet" in caption(trained)
    trained.page.locator("#ms-train").click()
    trained.page.locator("#ms-train-cancel").click()
    trained.page.locator("#ms-train").wait_for(timeout=WAIT)
    trained.page.locator("#ms-train").click()
    measured(trained)
    assert "scale 0.31" in caption(trained)


def test_models_without_checkpoints_say_what_is_missing(llama: Desk) -> None:
    """I open the tab with plain model folders: the card says what a curve needs."""
    llama.tab("Training")
    card = llama.page.locator("[data-panel=training] .ms-panel__error")
    card.get_by_text("checkpoint-N").wait_for()
    assert not llama.page.locator("#ms-step-all").is_visible()


def test_tabs_of_a_phone_are_all_in_one_row_that_scrolls(page: Any, zoo_app: App) -> None:
    """On a phone no tab hides in a menu: the row scrolls to the last one."""
    page.set_viewport_size({"width": 420, "height": 900})
    desk = Desk(page, zoo_app.url).open()
    names = [tab.inner_text() for tab in page.get_by_role("tab").all()]
    assert "Training" in names and names[-1] == "Recipe & export"
    tops = {round(tab.bounding_box()["y"]) for tab in page.get_by_role("tab").all()}
    assert len(tops) == 1
    desk.tab("Recipe & export")
    assert page.locator("#ms-yaml").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
