"""The same cards inside Gradio: one channel, tabs, themes, and only our files served."""

from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.e2e import gradio_page
from tests.e2e.probes import ask
from viz.static import ASSETS, plotly_path

CHART = "document.querySelector('#ms-panel-{} .ms-panel__chart')"


@pytest.fixture(scope="module")
def gradio_url() -> Iterator[str]:
    with gradio_page.serve() as url:
        yield url


def opened(page: Any, url: str, *, theme: str = "light") -> Any:
    page.goto(f"{url}?__theme={theme}")
    page.wait_for_function(f"{CHART.format('bars')}?.__seq > 0")
    return page


def status(url: str) -> int:
    try:
        with urlopen(Request(url), timeout=20) as answer:
            return answer.status
    except OSError as error:
        code = getattr(error, "code", 0)
        getattr(error, "close", lambda: None)()
        return code


def test_a_handler_moves_the_bars_without_mounting_them_anew(page: Any, gradio_url: str) -> None:
    opened(page, gradio_url)
    page.evaluate(f"window.before = {CHART.format('bars')}")
    page.evaluate(
        "window.states = []; document.addEventListener('ms:state', (e) => states.push(e.detail))"
    )
    page.click("#move")
    label = "Accuracy per task. digits 31.0%."
    page.wait_for_function(f"before.getAttribute('aria-label') === '{label}'")
    assert page.evaluate(f"before === {CHART.format('bars')}")
    assert page.evaluate("states") == [{"name": "<script>${x}</script>"}]
    assert page.locator("#ms-kpis .ms-kpi").count() == 4


def test_a_panel_in_a_tab_is_drawn_at_full_width_when_the_tab_opens(
    page: Any, gradio_url: str
) -> None:
    opened(page, gradio_url)
    page.get_by_role("tab", name="Layers").click()
    page.wait_for_function(f"{CHART.format('layers')}?.__seq > 0")
    width, room = page.evaluate(
        f"(() => {{ const c = {CHART.format('layers')}; return "
        "[c.querySelector('.main-svg').clientWidth, c.clientWidth]; })()"
    )
    assert width == room > 600


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_can_be_read_in_both_themes(page: Any, gradio_url: str, theme: str) -> None:
    opened(page, gradio_url, theme=theme)
    assert page.evaluate("document.body.classList.contains('dark')") == (theme == "dark")
    assert ask(page, "poorContrast") == []
    assert ask(page, "cutLabels") == []


def test_a_narrow_page_does_not_scroll_sideways(page: Any, gradio_url: str) -> None:
    page.set_viewport_size({"width": 420, "height": 900})
    opened(page, gradio_url)
    assert page.evaluate("document.documentElement.scrollWidth") == 420


@pytest.mark.parametrize("width", [420, 1280])
def test_the_controls_stay_in_sight_while_charts_scroll(
    page: Any, gradio_url: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 400})
    opened(page, gradio_url)
    page.evaluate("window.scrollTo(0, 500)")
    top = "document.querySelector('.ms-side').getBoundingClientRect().top"
    page.wait_for_function(f"window.scrollY > 100 && {top} >= 0")


def test_only_the_named_files_are_served(gradio_url: str) -> None:
    assert status(f"{gradio_url}ms/plotly.min.js") == 200
    for path in (plotly_path(), plotly_path().with_name("widgetbundle.js"), ASSETS / "viz.js"):
        assert status(f"{gradio_url}gradio_api/file={path}") == 403
    assert status(f"{gradio_url}gradio_api/file={ASSETS.parent / 'pyproject.toml'}") == 403
    for name in ("widgetbundle.js", "../pyproject.toml", "zoo/zoo.yaml"):
        assert status(f"{gradio_url}ms/{name}") == 404
