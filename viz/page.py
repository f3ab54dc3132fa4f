"""The page: sidebar, headline numbers, tabs. Built once; everything that moves comes as data."""

import gradio as gr

from viz.panel import StaticHtml, kpi_strip, notices, panel
from viz.screens import SCREENS, Screen
from viz.studio import Studio

_HOOK = """
window.MERGESCOPE = window.MERGESCOPE || {};
window.MERGESCOPE.studio = {server};
"""


class Hook(gr.HTML):
    """The hidden component whose server functions the page calls."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(
            html_template="<span></span>",
            js_on_load=_HOOK,
            apply_default_css=False,
            visible="hidden",
            elem_id="ms-hook",
            server_functions=studio.server_functions(),
        )


def build_page(studio: Studio) -> gr.Blocks:
    """Return the page with its private conversation and its public endpoints."""
    with gr.Blocks(title="Mergescope", fill_width=True, analytics_enabled=False) as page:
        _place("ms-head-root", _HEAD, "ms-head")
        with gr.Row(elem_classes=["ms-layout"], equal_height=False):
            with gr.Column(elem_classes=["ms-side"], scale=0, min_width=320):
                _place("ms-sidebar-root")
            with gr.Column(elem_classes=["ms-main"], scale=1, min_width=320):
                notices()
                kpi_strip()
                _tabs()
        Hook(studio)
        if studio.hub is not None and studio.hub.login:
            # Gradio serves the routes of a sign-in where there is such a button; the page has
            # one of its own, which keeps the recipe.
            gr.LoginButton(visible=False)
        for name, endpoint in studio.endpoints().items():
            gr.api(endpoint, api_name=name)
    return page


_HEAD = """\
<h1>Mergescope</h1><p>Drag a coefficient and see what every task gains and loses.</p>
<div id="ms-tour-root" class="ms-tour-offer"></div>"""


def _tabs() -> None:
    # style.css keeps the wrapped tabs in one row that scrolls: a menu hides what there is.
    with gr.Tabs(elem_classes=["ms-tabs"], overflow_behavior="wrap"):
        for screen in SCREENS:
            with gr.Tab(screen.title, id=screen.id):
                _screen(screen)


def _screen(screen: Screen) -> None:
    if screen.id == "overlap":
        _place("ms-topk-root", "", "ms-topk")
    if screen.id == "method":
        _place("ms-facts-root", "", "ms-facts")
        _place("ms-microscope-root", "", "ms-topk")
    if screen.above:
        _place(screen.above, "", "ms-recipe" if screen.id == "recipe" else "")
    with gr.Row(elem_classes=["ms-grid"]):
        for spec in screen.panels:
            panel(
                spec.id,
                spec.title,
                height=spec.height,
                caption=spec.caption,
                wide=spec.wide,
                why=spec.why,
            )
    if screen.below:
        _place(screen.below)


def _place(id: str, inside: str = "", classes: str = "") -> StaticHtml:
    return StaticHtml(f'<div id="{id}" class="{classes}">{inside}</div>', "undefined", ["ms-cell"])
