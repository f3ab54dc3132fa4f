"""Stories of somebody who takes numbers and pictures along, asks for help, installs the app."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.app_fixture import WAIT, App, Desk
from tests.e2e.test_panels import open_page
from viz.screens import SCREENS

__all__ = ["open_page"]

TABLE = {
    "columns": ["name", "value", "words"],
    "rows": [
        ["=HYPERLINK(1)", -0.25, "+1.2 points"],
        ['a "b", c', 1e-9, "@x"],
        ["line\nbreak\ttab", None, "-12.5%"],
        ["  =1+1", 3, "-cmd"],
    ],
}


def test_copied_tables_hold_every_digit_and_no_formula(open_page: Any) -> None:
    page = open_page()
    tsv, text = page.evaluate(
        """async (data) => { const at = new URL('ms/viz/table.js', document.baseURI);
           const { asCsv, asTsv } = await import(at); return [asTsv(data), asCsv(data)]; }""",
        TABLE,
    )
    expected = [
        ["name", "value", "words"],
        ["'=HYPERLINK(1)", "-0.25", "'+1.2 points"],
        ['a "b", c', "1e-9", "'@x"],
        ["line break tab", "", "-12.5%"],
        ["'  =1+1", "3", "'-cmd"],
    ]
    assert [line.split("\t") for line in tsv.split("\n")] == expected
    assert list(csv.reader(io.StringIO(text))) == expected


def take(desk: Desk, panel: str, tool: str) -> tuple[str, bytes]:
    with desk.page.expect_download(timeout=WAIT) as download:
        desk.page.click(f"[data-panel={panel}] [data-tool={tool}]")
    path = download.value.path()
    return download.value.suggested_filename, Path(path).read_bytes()


def check_panel(desk: Desk, id: str, digest: str) -> None:
    card = desk.page.locator(f"[data-panel={id}]")
    card.scroll_into_view_if_needed()
    desk.drawn(id)
    name, svg = take(desk, id, "svg")
    assert name == f"mergescope-{id}-{digest}.svg" and svg.startswith(b"<svg")
    assert len(svg) > 3000 and b"http://127" not in svg.replace(b"url(", b"")
    name, png = take(desk, id, "png")
    assert name == f"mergescope-{id}-{digest}.png" and png.startswith(b"\x89PNG")
    card.locator("[data-tool=table]").click()
    assert card.locator("table caption").inner_text()
    columns = card.locator("thead th[scope=col]").count()
    rows = card.locator("tbody tr").count()
    assert columns >= 2 and rows >= 1
    assert card.locator("tbody th[scope=row]").count() == rows
    name, text = take(desk, id, "csv")
    assert name == f"mergescope-{id}-{digest}.csv"
    lines = list(csv.reader(io.StringIO(text.decode())))
    assert len(lines) >= rows + 1 and {len(line) for line in lines} == {columns}


@pytest.mark.parametrize("screen", [s for s in SCREENS if s.panels], ids=lambda s: s.id)
def test_every_chart_gives_picture_and_table(zoo: Desk, screen: Any) -> None:
    """I take each chart of a tab along as PNG, SVG and CSV; the names say chart and merge."""
    zoo.page.keyboard.press("p")  # charts of differences need something to differ from
    zoo.weight(0, 0.5)
    zoo.tab(screen.title)
    digest = zoo.studio("digest")[:12]
    for panel in screen.panels:
        card = zoo.page.locator(f"[data-panel={panel.id}]")
        card.scroll_into_view_if_needed()
        zoo.page.wait_for_function(
            """(id) => document.querySelector(`[data-panel=${id}]`)
                .matches('.ms-panel--drawn, .ms-panel--error')""",
            arg=panel.id,
        )
        if card.locator(".ms-panel__error").is_visible():
            assert not card.locator("[data-tool=png]").is_visible()  # there is nothing to take
        else:
            check_panel(zoo, panel.id, digest)


def test_charts_of_language_models_give_picture_and_table(llama: Desk) -> None:
    """I take the charts of my own models along."""
    for panel in SCREENS[0].panels:
        check_panel(llama, panel.id, llama.studio("digest")[:12])


@pytest.mark.parametrize("width", [1280, 420])
def test_help_explains_marks_and_gives_the_focus_back(zoo: Desk, width: int) -> None:
    """I press ?, read what the marks mean, tab around inside, press Esc and am where I was."""
    page = zoo.page
    page.set_viewport_size({"width": width, "height": 800})
    page.locator("#ms-help").focus()
    page.keyboard.press("?")
    help_ = page.locator("dialog[open]")
    words = help_.inner_text()
    for part in ("Keys", "undo", "What the marks mean", "Orange", "95% interval", "preview",
                 "Where numbers come from", "validation"):  # fmt: skip
        assert part in words
    for key in ("Tab", "Tab", "Shift+Tab"):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.closest('dialog') !== null")
    box = help_.bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width
    assert page.evaluate(
        "(() => { const d = document.querySelector('dialog[open]');"
        " return d.scrollWidth <= d.clientWidth; })()"
    )
    before = zoo.studio("text")
    page.keyboard.press("2")
    assert zoo.studio("text") == before
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    assert page.evaluate("document.activeElement.id") == "ms-help"


def test_the_page_can_be_installed_as_an_app(page: Any, zoo_app: App) -> None:
    """My browser finds nothing that keeps the page from becoming a desktop app."""
    Desk(page, zoo_app.url).open()
    tools = page.context.new_cdp_session(page)
    tools.send("Page.enable")
    found = tools.send("Page.getAppManifest")
    assert found["errors"] == [] and found["url"] == f"{zoo_app.url}manifest.json"
    errors = tools.send("Page.getInstallabilityErrors")["installabilityErrors"]
    # A test's browser window is a private one, in which nothing can be installed.
    assert [e["errorId"] for e in errors if e["errorId"] != "in-incognito"] == []
    shown = page.evaluate(
        """async () => { const found = await (await fetch('manifest.json')).json();
          return Promise.all(found.icons.map(async ({ src, type, sizes }) => {
            const answer = await fetch(src), image = await createImageBitmap(await answer.blob())
              .catch(() => ({ width: 0 }));
            return [answer.headers.get('content-type') === type, sizes, image.width]; })); }"""
    )
    assert all(kind for kind, _, _ in shown)
    assert [width for _, sizes, width in shown if sizes != "any"] == [192, 512, 512]
