"""What a careful eye would find: clipped words, weak contrast, sideways scroll, empty charts."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.app_fixture import App, Desk, running_app
from viz.screens import SCREENS

TABS = [screen.title for screen in SCREENS]
WIDTHS = {"desk": 1440, "tablet": 900, "phone": 420}

CONTRAST = """() => {
  const lum = (c) => { const [r, g, b] = c.map((v) => { v /= 255;
      return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const parse = (s) => { const m = s.match(/[\\d.]+/g).map(Number);
    return {rgb: m.slice(0, 3), a: m.length > 3 ? m[3] : 1}; };
  const ground = (node) => { for (let n = node; n; n = n.parentElement) {
      const c = parse(getComputedStyle(n).backgroundColor); if (c.a > 0.99) return c.rgb; }
    return [255, 255, 255]; };
  const bad = [];
  for (const node of document.querySelectorAll('.gradio-container *')) {
    const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || node.closest('svg') || node.disabled || node.closest('[disabled]')) continue;
    const box = node.getBoundingClientRect();
    if (!box.width || !box.height || getComputedStyle(node).visibility === 'hidden') continue;
    const style = getComputedStyle(node);
    const a = lum(parse(style.color).rgb), b = lum(ground(node));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push([node.textContent.trim().slice(0, 40), ratio.toFixed(2)]);
  }
  return bad;
}"""

CLIPPED = """() => [...document.querySelectorAll('.ms-panel__chart')]
  .filter((chart) => chart.offsetParent !== null && chart.querySelector('.main-svg'))
  .flatMap((chart) => { const edge = chart.getBoundingClientRect();
    return [...chart
      .querySelectorAll('.xtick text, .ytick text, .xtitle, .ytitle, .node-label')]
      .filter((label) => { const box = label.getBoundingClientRect();
        return box.width && (box.left < edge.left - 1 || box.right > edge.right + 1
          || box.top < edge.top - 1 || box.bottom > edge.bottom + 1); })
      .map((label) => label.textContent); })"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_word_can_be_read(page: Any, zoo_app: App, theme: str) -> None:
    """Contrast is at least 4.5 on every tab, in light and dark."""
    desk = Desk(page, zoo_app.url).open(f"?__theme={theme}")
    assert {tab: desk.tab(tab).page.evaluate(CONTRAST) for tab in TABS} == {t: [] for t in TABS}


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_nothing_is_cut_or_scrolls_sideways(page: Any, zoo_app: App, width: int) -> None:
    """At every width each tab keeps within it, charts have a size, labels stay inside."""
    page.set_viewport_size({"width": width, "height": 900})
    desk = Desk(page, zoo_app.url).open()
    for tab in TABS:
        desk.tab(tab)
        assert desk.page.evaluate("document.documentElement.scrollWidth") <= width, tab
        for chart in desk.page.locator(".ms-panel__chart:visible").all():
            chart.scroll_into_view_if_needed()
            box = chart.bounding_box()
            assert box["width"] > 100 and box["height"] > 80, tab
        desk.page.wait_for_function(
            """() => [...document.querySelectorAll('.ms-panel__chart')].every(
                (c) => c.offsetParent === null || c.querySelector('.main-svg'))"""
        )
        assert desk.page.evaluate(CLIPPED) == [], tab


@pytest.fixture(scope="module")
def hostile_app(tmp_path_factory: pytest.TempPathFactory, llama_folder: Path) -> Any:
    """Models whose names try to be markup and templates."""
    folder = tmp_path_factory.mktemp("hostile") / "models"
    shutil.copytree(llama_folder, folder)
    (folder / "alpha").rename(folder / "<img src=x onerror=window.hurt=1>")
    (folder / "beta").rename(folder / "${window.hurt=2}{{hurt}}")
    workspace = tmp_path_factory.mktemp("hostile-app") / "workspace"
    with running_app(workspace, "--models", str(folder)) as app:
        yield app


def test_names_that_look_like_code_are_shown_as_text(page: Any, hostile_app: App) -> None:
    """A model is called like a script; I read its name, and nothing runs."""
    desk = Desk(page, hostile_app.url).open()
    for tab in TABS:
        desk.tab(tab)
    names = desk.page.locator(".ms-chip__name").all_inner_texts()
    assert "<img src=x onerror=window.hurt=1>" in names
    assert "${window.hurt=2}{{hurt}}" in names
    assert desk.page.evaluate("window.hurt ?? null") is None
