"""Around the charts: first paint, numbers, tables, files, errors, and whether one can read it."""

from typing import Any

import pytest

from tests.e2e import figures
from tests.e2e.probes import ask
from tests.e2e.test_panels import CHART, draw, open_page, send

__all__ = ["open_page"]


def show_all(page: Any, seq: int = 1) -> None:
    """Everything on the page at once."""
    made = {
        "bars": figures.bars(),
        "cosine": figures.cosine(),
        "layers": figures.layers(),
        "lines": figures.lines(),
    }
    error = {"kind": "error", "what": "No.", "why": "Because.", "todo": "Do this."}
    panels = {name: {"base": figure} for name, figure in made.items()}
    send(page, seq, panels=panels, kpis=figures.kpis(), notices=[error])
    for name in made:
        page.evaluate(f"document.getElementById('{name}').scrollIntoView()")
        page.wait_for_function(f"document.querySelector('{CHART.format(name)}').__seq === {seq}")


def test_cards_stand_before_plotly_arrives_and_do_not_move(page: Any, static_url: str) -> None:
    waiting: list[Any] = []
    page.route("**/plotly.min.js*", lambda route: waiting.append(route))
    page.goto(static_url)
    page.wait_for_function("window.Mergescope !== undefined")
    send(page, 1, panels={"bars": {"base": figures.bars()}})
    page.wait_for_function("document.querySelector('#bars .ms-panel__badge').hidden === false")
    assert page.inner_text("#bars .ms-panel__title") == "Accuracy per task"
    assert page.is_visible("#bars .ms-panel__skeleton")
    before = page.locator("#bars").bounding_box()
    page.wait_for_function("performance.now() > 0")
    while not waiting:
        page.evaluate("new Promise(requestAnimationFrame)")
    waiting[0].continue_()
    page.wait_for_function(f"document.querySelector('{CHART.format('bars')}').__seq === 1")
    assert page.locator("#bars").bounding_box() == before
    assert not page.is_visible("#bars .ms-panel__skeleton")


def test_headline_numbers_say_how_sure_they_are(open_page: Any) -> None:
    page = open_page()
    send(page, 1, kpis=figures.kpis())
    page.wait_for_selector(".ms-kpi--estimated")
    first = page.locator(".ms-kpi").first
    assert first.locator(".ms-kpi__value").inner_text() == "88.4%"
    assert first.locator(".ms-kpi__delta").inner_text() == "▲1.2 points above the pin"
    assert first.locator(".ms-kpi__tag").inner_text() == "preview · n 480 · validation"
    border = "getComputedStyle(document.querySelector('.ms-kpi')).borderTopStyle"
    assert page.evaluate(border) == "dashed"
    page.evaluate("window.tile = document.querySelector('.ms-kpi')")
    send(page, 2, kpis=figures.kpis(estimated=False))
    page.wait_for_function("!document.querySelector('.ms-kpi--estimated')")
    assert page.evaluate(border) == "solid"
    assert first.locator(".ms-kpi__tag").inner_text() == "measured · n 2,000 · validation"
    assert page.evaluate("tile === document.querySelector('.ms-kpi')")
    page.wait_for_function(
        "document.querySelector('.ms-kpis__live').textContent.startsWith("
        "'Mean normalised accuracy 88.4%, 1.2 points above the pin; Worst task')"
    )
    send(page, 1, kpis=figures.kpis())
    send(page, 3)
    assert page.locator(".ms-kpi--estimated").count() == 0


def test_a_tile_explains_itself_to_the_keyboard(open_page: Any) -> None:
    page = open_page()
    send(page, 1, kpis=figures.kpis())
    page.wait_for_selector(".ms-kpi--estimated")
    tip = page.locator(".ms-kpi__tip").first
    assert not tip.is_visible()
    page.keyboard.press("Tab")
    assert tip.is_visible()
    described = page.locator(".ms-kpi").first.get_attribute("aria-describedby")
    assert described == tip.get_attribute("id")


def test_the_table_shows_the_numbers_behind_the_chart_and_follows_them(open_page: Any) -> None:
    page = open_page()
    draw(page, 1, "bars", base=figures.bars())
    page.click("#bars [data-tool=table]")
    assert page.get_attribute("#bars [data-tool=table]", "aria-expanded") == "true"
    cells = "[...document.querySelectorAll('#bars tbody tr')].map((r) => r.innerText)"
    assert page.evaluate(cells)[0].split("\t") == ["digits", "0.91", "0.98"]
    draw(page, 2, "bars", patch=figures.bars_patch([0.5] * 6))
    assert page.evaluate(cells)[0].split("\t") == ["digits", "0.5"]
    page.click("#bars [data-tool=table]")
    assert page.locator("#bars table").count() == 0


@pytest.mark.parametrize(("tool", "start"), [("png", b"\x89PNG\r\n"), ("svg", b"<svg")])
def test_a_chart_is_saved_in_the_browser(open_page: Any, tool: str, start: bytes) -> None:
    page = open_page()
    draw(page, 1, "cosine", base=figures.cosine())
    with page.expect_download() as info:
        page.click(f"#cosine [data-tool={tool}]")
    assert info.value.suggested_filename == f"mergescope-cosine.{tool}"
    content = info.value.path().read_bytes()
    assert content.startswith(start)
    assert len(content) > 4000
    if tool == "svg":
        assert b"Do the experts agree?" in content


def test_errors_replace_each_other_and_notes_are_short(open_page: Any) -> None:
    page = open_page()
    error = {"kind": "error", "what": "density is 1.5.", "why": "It must be below 1.", "todo": ""}
    send(page, 1, notices=[error, {"kind": "info", "text": "Saved."}])
    page.wait_for_selector("#notices .ms-error")
    assert page.locator("#notices [role=alert]").count() == 1
    assert page.inner_text(".ms-toast") == "Saved."
    page.click("#notices .ms-error__close")
    assert page.locator("#notices .ms-error").count() == 0
    send(page, 2, notices=[error, error])
    page.wait_for_function("document.querySelectorAll('#notices .ms-error').length === 2")
    send(page, 3, notices=[])
    page.wait_for_function("document.querySelectorAll('#notices .ms-error').length === 0")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read(open_page: Any, theme: str) -> None:
    page = open_page("/look")
    page.evaluate(f"document.body.classList.toggle('dark', {str(theme == 'dark').lower()})")
    show_all(page)
    page.click("#bars [data-tool=table]")
    assert ask(page, "poorContrast") == []
    assert ask(page, "scales") >= 4.5


@pytest.mark.parametrize("width", [420, 760, 1440])
def test_nothing_is_cut_or_wider_than_the_page(open_page: Any, width: int) -> None:
    page = open_page("/look")
    page.set_viewport_size({"width": width, "height": 900})
    show_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert ask(page, "cutLabels") == []
    assert len(ask(page, "areas")) == 4
    assert min(ask(page, "areas")) > 10_000
    grid = "getComputedStyle(document.querySelector('.ms-grid')).gridTemplateColumns"
    assert len(page.evaluate(grid).split(" ")) == (2 if width == 1440 else 1)
