"""Stories of somebody who explores settings and walks along the front."""

import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import TimeoutError

from tests.e2e.app_fixture import WAIT, App, Desk, running_app

PLACE = """(name) => {
  const chart = document.querySelector('[data-panel=pareto] .ms-panel__chart');
  // A mouse reaches what is in the window only, and the table below it may have scrolled it away.
  chart.scrollIntoView({ block: 'center', behavior: 'instant' });
  const trace = chart.data.find((t) => t.name === name), r = chart.getBoundingClientRect();
  const { xaxis, yaxis } = chart._fullLayout;
  return [...trace.x].map((x, i) => [r.left + xaxis._offset + xaxis.l2p(x),
    r.top + yaxis._offset + yaxis.l2p(trace.y[i])]); }"""

# As a score does that arrives.
DRAW_ANEW = """async () => {
  const loaded = performance.getEntriesByType('resource').map((entry) => entry.name);
  const room = await import(loaded.find((name) => name.includes('studio/trials.js')));
  await room.refreshTrials(); }"""


def _rows(desk: Desk) -> Any:
    return desk.page.locator(".ms-trials__table tbody tr")


def _pareto(desk: Desk, rows: int = 1) -> Desk:
    """Open the tab and wait until the table has so many rows."""
    desk.tab("Pareto")
    desk.drawn("pareto")
    return _wait_rows(desk, rows)


def _wait_rows(desk: Desk, count: int) -> Desk:
    desk.page.wait_for_function(
        "(n) => document.querySelectorAll('.ms-trials__table tbody tr').length >= n",
        arg=count,
        timeout=WAIT,
    )
    return desk


def _job(desk: Desk, state: str) -> Any:
    card = desk.page.locator(f".ms-explore .ms-job[data-state={state}]")
    card.wait_for(timeout=5 * WAIT)  # the worker is modest: others may be busy
    return card


def _point_at(desk: Desk, trace: str) -> tuple[list[float], str]:
    """Move the mouse to the first dot of a trace, and return where that is and what it says.

    A chart that is drawn anew, since a score arrived, takes the label away and moves the dot.
    """
    label = desk.page.locator("[data-panel=pareto] .hoverlayer .hovertext").first
    until = time.monotonic() + WAIT / 1000
    while True:
        at = desk.page.evaluate(PLACE, trace)[0]
        desk.page.mouse.move(at[0] - 3, at[1])
        desk.page.mouse.move(*at)
        try:
            label.wait_for(timeout=2000)
            return at, label.text_content(timeout=2000) or ""
        except TimeoutError:
            assert time.monotonic() < until, f"no label at {at}"


def _click_point(desk: Desk, trace: str, before: str) -> str:
    """Click the first dot of a trace until the recipe is another one, and return what it said.

    A chart that is drawn anew between the label and the click forgets what the mouse is on.
    """
    until = time.monotonic() + WAIT / 1000
    while True:
        at, said = _point_at(desk, trace)
        desk.page.mouse.click(*at)
        try:
            desk.page.wait_for_function(
                "(t) => window.Mergescope.studio.text !== t", arg=before, timeout=3000
            )
            return said
        except TimeoutError:
            assert time.monotonic() < until, f"nothing came of a click at {at}"


def test_a_settled_merge_is_a_point_and_a_click_goes_back_to_it(zoo: Desk) -> None:
    """I try two settings, open the map, click the first one: the sliders go there; I undo."""
    zoo.weight(0, 0.31)
    first = zoo.studio("text")
    zoo.weight(0, 1.9)
    second = zoo.studio("text")
    _pareto(zoo, 3)
    assert zoo.page.locator(".ms-trials__go").first.inner_text().count("1.9") == 1
    zoo.page.locator(".ms-trials__go", has_text="0.31 × mnist").click()
    zoo.page.wait_for_function("(t) => window.Mergescope.studio.text === t", arg=first)
    zoo.settled()
    assert zoo.page.locator("#ms-weight-0-number").input_value() == "0.31"
    zoo.page.keyboard.press("z")
    zoo.page.wait_for_function("(t) => window.Mergescope.studio.text === t", arg=second)
    zoo.settled()
    # The same by a click on the dot itself, wherever it stands.
    said = _click_point(zoo, "on the front", second)
    assert "of" in said and "%" in said
    zoo.settled()


def test_axes_are_chosen_and_the_cross_follows_a_slider(zoo: Desk) -> None:
    """I put two tasks on the axes and move a slider: the cross moves, then it rests measured."""
    _pareto(zoo)
    zoo.page.select_option("#ms-axis-x", "task:mnist")
    zoo.page.select_option("#ms-axis-y", "task:fashion")
    zoo.page.wait_for_function(
        """() => document.querySelector('[data-panel=pareto] .ms-panel__chart')
            ._fullLayout.xaxis.title.text.startsWith('MNIST')"""
    )
    zoo.settled()
    before = zoo.drawn("pareto")["this merge"]
    zoo.page.locator("#ms-weight-0-number").fill("0")
    zoo.page.locator("#ms-weight-0-number").press("Enter")
    zoo.settled()
    zoo.page.wait_for_function(
        """(x) => document.querySelector('[data-panel=pareto] .ms-panel__chart').data
            .find((t) => t.name === 'this merge').x[0] !== x""",
        arg=before["x"][0],
    )
    bars = zoo.page.evaluate(
        """() => document.querySelector('[data-panel=pareto] .ms-panel__chart').data
            .find((t) => t.name === 'this merge').error_x.array[0]"""
    )
    assert bars > 0


def test_notes_pins_and_deletions_are_mine_and_text_stays_text(
    zoo: Desk, browser: Any, zoo_app: App
) -> None:
    """I note, pin and delete; markup in a note stays text, and nobody else sees my rows."""
    zoo.weight(1, 0.77)
    _pareto(zoo, 2)
    note = zoo.page.locator(".ms-trials__note").first
    evil = "=1+1 <img src=x onerror=alert(1)>"
    note.fill(evil)
    note.press("Enter")
    pin = zoo.page.locator(".ms-trials__pin").first
    pin.click()
    zoo.page.locator(".ms-trials__pin[aria-pressed=true]").first.wait_for()
    zoo.page.reload()
    zoo.settled()
    _pareto(zoo, 2)
    assert zoo.page.locator(".ms-trials__note").first.input_value() == evil
    assert zoo.page.locator("img[src=x]").count() == 0
    with zoo.page.expect_download() as waiting:
        zoo.page.locator("#ms-export-csv").click()
    table = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text("utf-8"))))
    assert table[0]["note"] == f"'{evil}" and float(table[0]["validation mean value"]) > 0
    with zoo.page.expect_download() as waiting:
        zoo.page.locator("#ms-export-json").click()
    found = json.loads(Path(waiting.value.path()).read_text("utf-8"))
    assert found["trials"][0]["note"] == evil
    count = _rows(zoo).count()
    zoo.page.locator(".ms-trials__forget button").first.click()
    # Rows that come meanwhile wait until I have answered.
    zoo.page.evaluate(DRAW_ANEW)
    zoo.page.locator(".ms-trials__forget .ms-btn--danger").click()
    zoo.page.wait_for_function(
        "(n) => document.querySelectorAll('.ms-trials__table tbody tr').length === n",
        arg=count - 1,
    )
    context = browser.new_context()
    try:
        other = _pareto(Desk(context.new_page(), zoo_app.url).open())
        assert _rows(other).count() == 1
    finally:
        context.close()


def test_exploring_language_models_fills_the_map_and_survives_a_restart(
    page: Any, tmp_path: Path, llama_folder: Path
) -> None:
    """I press Explore 64 and restart the app: all points are there; test is a switch away."""
    arguments = ("--models", str(llama_folder))
    workspace = tmp_path / "workspace"
    keep = tmp_path / "kept"
    with running_app(workspace, *arguments) as app:
        desk = _pareto(Desk(page, app.url).open())
        page.locator("#ms-explore").click()
        card = _job(desk, "DONE")
        assert "64 merges scored" in card.inner_text()
        desk.settled()
        page.wait_for_function(
            """() => document.querySelector('.ms-trials .ms-panel__caption')
                .textContent.startsWith('65 merges')""",
            timeout=WAIT,
        )
        traces = desk.drawn("pareto")
        assert len(traces["merges"]["x"]) + len(traces["on the front"]["x"]) == 65
        page.locator("#ms-test-values").check()
        page.locator("#ms-score-test").wait_for()
        assert "TEST values" in page.locator("[data-panel=pareto] .ms-panel__caption").inner_text()
        page.locator("#ms-score-test").click()
        page.wait_for_function(
            """() => document.querySelector('[data-panel=pareto] .ms-panel__chart').data
                ?.find((t) => t.name === 'on the front').x.length > 0""",
            timeout=5 * WAIT,
        )
        _job(desk, "DONE").filter(has_text="on test").wait_for(timeout=5 * WAIT)
        visitor = page.evaluate("localStorage.getItem('mergescope-visitor')")
        page.goto("about:blank")
        workspace.rename(keep)
    with running_app(keep, *arguments) as app:
        page.goto(app.url)
        page.evaluate("(v) => localStorage.setItem('mergescope-visitor', v)", visitor)
        page.reload()
        desk = _pareto(Desk(page, app.url).settled())
        page.wait_for_function(
            """() => document.querySelector('.ms-trials .ms-panel__caption')
                .textContent.startsWith('65 merges')""",
            timeout=WAIT,
        )
        page.goto("about:blank")  # or its last questions meet a closed door


def test_a_cancelled_exploration_keeps_its_points(zoo: Desk) -> None:
    """I stop an exploration half-way; what was scored stays, and the next press goes on."""
    _pareto(zoo)
    zoo.page.locator("#ms-explore").click()
    _wait_rows(zoo, 3)
    zoo.page.locator("#ms-explore-cancel").click()
    card = _job(zoo, "CANCELLED")
    assert "what was scored is kept" in card.inner_text()
    assert _rows(zoo).count() >= 3


@pytest.mark.parametrize("width", [420, 1280])
def test_the_tab_fits_its_page(zoo: Desk, width: int) -> None:
    """I open the map on a phone: nothing but the table scrolls sideways."""
    zoo.page.set_viewport_size({"width": width, "height": 900})
    _pareto(zoo)
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert zoo.page.evaluate(wide) is False
