"""Charts without a mouse, and charts that point at each other."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from merger.diagnostics.cosine import measure_cosine
from merger.diagnostics.histogram import measure_histogram
from merger.diagnostics.norms import measure_norms
from merger.diagnostics.signs import measure_signs
from merger.diagnostics.tasks import TaskBars
from tests.e2e.app_fixture import Desk
from tests.e2e.test_panels import CHART, open_page, send
from tests.stacks import random_stack
from viz.figures.conflict import draw_conflict
from viz.figures.cosine import draw_cosine
from viz.figures.histogram import draw_histogram
from viz.figures.norms import draw_norms
from viz.figures.tasks import draw_tasks

__all__ = ["open_page"]

CURSOR = "#{} .ms-cursor"
STACK = random_stack(3)


def bars() -> dict[str, Any]:
    some = np.array([0.7, 0.6, 0.5])
    info = TaskBars(
        tasks=("a", "b", "c"), metric="accuracy", base=some / 2, expert=some, merged=some,
        low=some - 0.1, high=some + 0.1, pinned=np.full(3, np.nan), measured=True,
        n=np.array([9, 9, 9]), split="validation", experts=STACK.names,
    )  # fmt: skip
    return draw_tasks(info).to_json()


@pytest.fixture
def charts(open_page: Callable[[str], Any]) -> Any:
    """Real figures: bars, a matrix, a map and lines."""
    page = open_page("/")
    made = {
        "bars": bars(),
        "cosine": draw_cosine(measure_cosine(STACK)).to_json(),
        "layers": draw_conflict(measure_signs(STACK)).to_json(),
        "lines": draw_norms(measure_norms(STACK)).to_json(),
    }
    send(page, 1, panels={name: {"base": figure} for name, figure in made.items()})
    for name in made:
        page.evaluate(f"document.getElementById('{name}').scrollIntoView()")
        page.wait_for_function(f"document.querySelector('{CHART.format(name)}').__seq === 1")
    return page


def said(page: Any, panel: str) -> str:
    return page.locator(f"#{panel} .ms-cursor__live").text_content()


def test_arrows_walk_over_the_cells_of_a_map_and_skip_empty_ones(charts: Any) -> None:
    """I tab to a map and walk; every cell is read aloud, cells without a tensor are left out."""
    figure = charts.evaluate(f"document.querySelector('{CHART.format('layers')}').data[0]")
    rows, columns = len(figure["z"]), len(figure["z"][0])
    filled = [(i, j) for i in range(rows) for j in range(columns) if figure["customdata"][i][j]]
    cursor = charts.locator(CURSOR.format("layers"))
    assert cursor.get_attribute("role") == "application"
    assert "arrow keys move, Enter opens" in cursor.get_attribute("aria-label")
    cursor.focus()
    row, column = filled[0]
    assert said(charts, "layers") == ", ".join(figure["customdata"][row][column][1:])
    cursor.press("ArrowDown")
    below = min(i for i, j in filled if j == column and i > row)
    assert said(charts, "layers") == ", ".join(figure["customdata"][below][column][1:])
    cursor.press("End")
    last = max(j for i, j in filled if i == below)
    assert said(charts, "layers") == ", ".join(figure["customdata"][below][last][1:])
    charts.wait_for_function(
        "(words) => document.querySelector('#layers .hoverlayer').textContent.includes(words)",
        arg=figure["customdata"][below][last][1],
    )


def test_enter_chooses_the_cell_as_a_click_does(charts: Any) -> None:
    """I press Enter on a cell; the page is told what a click on it would tell."""
    cursor = charts.locator(CURSOR.format("layers"))
    cursor.focus()
    cursor.press("Enter")
    (name, detail), *rest = charts.evaluate("events")
    assert name == "ms:click" and detail["panel"] == "layers" and not rest
    assert said(charts, "layers") == f"Opened {detail['customdata'][1]}."


def test_the_focus_ring_lies_around_the_cell(charts: Any) -> None:
    """I see where I am: the ring is as large as one cell, inside the chart."""
    cursor = charts.locator(CURSOR.format("cosine"))
    charts.keyboard.press("Tab")
    cursor.focus()
    ring = "getComputedStyle(document.activeElement).outlineStyle"
    assert charts.evaluate(ring) == "solid"
    cell, chart = cursor.bounding_box(), charts.locator(CHART.format("cosine")).bounding_box()
    assert 0 < cell["width"] < chart["width"] / 2 and 0 < cell["height"] < chart["height"] / 2
    assert chart["x"] <= cell["x"] and chart["y"] <= cell["y"]


def test_a_chart_without_cells_has_no_tab_stop(charts: Any) -> None:
    assert charts.locator("#bars .ms-cursor, #lines .ms-cursor").count() == 0


def lit(page: Any, panel: str) -> int:
    return page.locator(f"#{panel} .ms-mark--lit").count()


def test_an_expert_that_is_pointed_at_is_marked_in_every_chart(charts: Any) -> None:
    """I point at a pair in the matrix; their bars light up and the other lines fade."""
    cursor = charts.locator(CURSOR.format("cosine"))
    cursor.focus()  # the pair of the first and the second expert
    assert lit(charts, "bars") == 2 and lit(charts, "cosine") == 0
    faded = "document.querySelectorAll('#lines .ms-dim').length"
    assert charts.evaluate(faded) == 2  # the third expert and the merged model
    cursor.blur()
    assert lit(charts, "bars") == 0 and charts.evaluate(faded) == 0


def test_an_expert_on_its_card_lights_its_row_and_column(charts: Any) -> None:
    """I point at an expert's card; its row and column, its bar and its line stand out."""
    point = "(s) => document.dispatchEvent(new CustomEvent('ms:point', {detail: {subject: s}}))"
    charts.evaluate(point, {"experts": [STACK.names[1]]})
    assert (lit(charts, "cosine"), lit(charts, "bars"), lit(charts, "layers")) == (2, 1, 0)
    charts.evaluate(point, None)
    assert lit(charts, "cosine") == lit(charts, "bars") == 0


def test_the_same_tensor_is_marked_in_both_maps(charts: Any) -> None:
    """I point at a cell of one map; the other map shows the same layer and module."""
    twin = draw_conflict(measure_signs(STACK), "count").to_json()
    send(charts, 2, panels={"bars": {"base": twin}})
    charts.wait_for_function(f"document.querySelector('{CHART.format('bars')}').__seq === 2")
    charts.locator(CURSOR.format("layers")).focus()
    assert lit(charts, "bars") == 1 and lit(charts, "layers") == 0
    offset = """(id) => { const r = (q) => document.querySelector(q).getBoundingClientRect();
        const cell = r(`#${id} .ms-mark--lit, #${id} .ms-cursor`), plot = r(`#${id} .nsewdrag`);
        return [(cell.left - plot.left) / plot.width, (cell.top - plot.top) / plot.height]; }"""
    assert charts.evaluate(offset, "bars") == pytest.approx(
        charts.evaluate(offset, "layers"), abs=0.01
    )


def test_the_tensor_that_is_looked_into_is_framed_in_the_map(charts: Any) -> None:
    key = charts.evaluate(
        f"document.querySelector('{CHART.format('layers')}').data[0].customdata"
        ".flat().filter(Boolean).at(-1)[0]"
    )
    figure = draw_histogram(measure_histogram(STACK, key)).to_json()
    send(charts, 2, panels={"lines": {"base": figure}})
    charts.wait_for_selector("#layers .ms-mark--chosen")
    assert charts.locator("#layers .ms-mark--chosen").count() == 1


def test_pointing_asks_nothing_of_the_server(zoo: Desk) -> None:
    """I move over cards and cells; nothing is sent."""
    zoo.page.evaluate("window.asked = performance.getEntriesByType('resource').length")
    zoo.page.locator(".ms-chip").nth(2).hover()
    zoo.page.wait_for_selector("[data-panel=cosine] .ms-mark--lit")
    zoo.page.locator("[data-panel=cosine] .ms-cursor").focus()
    zoo.page.keyboard.press("ArrowRight")
    zoo.page.wait_for_selector(".ms-chip--lit")
    assert zoo.page.evaluate("performance.getEntriesByType('resource').length - window.asked") == 0


def test_a_cell_is_opened_without_a_mouse(zoo: Desk) -> None:
    """I walk to a cell of the conflict map with the keyboard and look into its tensor."""
    zoo.tab("Conflict")
    zoo.drawn("conflict-grid")
    cursor = zoo.page.locator("[data-panel=conflict-grid] .ms-cursor")
    cursor.focus()
    cursor.press("ArrowDown")
    cursor.press("ArrowRight")
    cursor.press("Enter")
    zoo.settled()
    key = zoo.studio("view.key")
    words = "[data-panel=histogram] .ms-panel__caption"
    zoo.page.wait_for_function(
        "([at, key]) => document.querySelector(at).textContent.includes(key)", arg=[words, key]
    )
    assert zoo.page.locator("[data-panel=conflict-grid] .ms-mark--chosen").count() == 1


NAMELESS = """() => [...document.querySelectorAll(
    '.ms-main :is(button, a, input, select, textarea, summary, [tabindex="0"]), '
    + '.ms-side :is(button, a, input, select, textarea, summary, [tabindex="0"])')]
  .filter((node) => node.getClientRects().length && node.tabIndex >= 0)
  .filter((node) => !(node.getAttribute('aria-label') || node.textContent.trim()
    || node.labels?.length || node.title)).map((node) => node.outerHTML.slice(0, 80))"""

STEP = """() => { const node = document.activeElement, style = getComputedStyle(node);
  const box = node.getBoundingClientRect();
  return {name: node.id || node.className || node.tagName, left: box.left, wide: box.width,
    ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    inside: Boolean(node.closest('.ms-side, .ms-main')),
    main: Boolean(node.closest('.ms-main'))}; }"""


@pytest.mark.parametrize("tab", ["Overview", "Conflict", "Overlap", "Recipe"])
def test_every_stop_has_a_name_and_a_ring_and_controls_come_first(zoo: Desk, tab: str) -> None:
    """I tab through the page: every stop shows where I am, first the controls, then the charts."""
    zoo.tab(tab)
    assert zoo.page.evaluate(NAMELESS) == []
    zoo.page.evaluate("document.body.tabIndex = -1; document.body.focus()")
    steps = []
    for _ in range(120):
        zoo.page.keyboard.press("Tab")
        step = zoo.page.evaluate(STEP)
        if steps and not step["inside"]:
            break
        if step["inside"]:
            steps.append(step)
    assert len(steps) > 30
    assert [s["name"] for s in steps if not s["ring"]] == []
    places = [s["main"] for s in steps]
    assert places == sorted(places)


def test_people_who_want_no_motion_get_none(zoo: Desk) -> None:
    zoo.page.emulate_media(reduced_motion="reduce")
    moving = """() => { document.body.classList.add('ms-busy');
      const moves = (style) => style.animationName !== 'none'
        || style.transitionDuration.split(',').some((d) => parseFloat(d) > 0);
      const found = [...document.querySelectorAll('.gradio-container [class*="ms-"]')]
        .filter((node) => moves(getComputedStyle(node))).map((node) => node.className);
      const bar = getComputedStyle(document.body, '::before').animationName;
      document.body.classList.remove('ms-busy');
      return [found, bar]; }"""
    assert zoo.page.evaluate(moving) == [[], "none"]
