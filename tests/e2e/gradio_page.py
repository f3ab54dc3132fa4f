"""A small Gradio app of the real blocks: two tabs, a bus, a button that sends patches."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from tests.e2e import figures
from viz.look import launch_kwargs
from viz.panel import bus, kpi_strip, next_seq, notices, panel
from viz.static import head_html

MOVED = [0.31, 0.42, 0.53, 0.64, 0.75, 0.86]


def _first() -> dict[str, Any]:
    made = {"bars": figures.bars(), "cosine": figures.cosine(), "layers": figures.layers()}
    panels = {name: {"base": figure} for name, figure in made.items()}
    return {"seq": next_seq(), "panels": panels, "kpis": figures.kpis()}


def _patch() -> dict[str, Any]:
    panels = {"bars": {"patch": figures.bars_patch(MOVED)}}
    return {"seq": next_seq(), "panels": panels, "state": {"name": "<script>${x}</script>"}}


def build() -> gr.Blocks:
    """Return the page."""
    with gr.Blocks(title="Panels", fill_width=True, analytics_enabled=False) as page:
        channel = bus()
        with gr.Row(elem_classes=["ms-layout"]):
            with gr.Column(elem_classes=["ms-side"], scale=0, min_width=320):
                move = gr.Button("Move", elem_id="move")
            with gr.Column(elem_classes=["ms-main"], scale=1, min_width=320):
                notices()
                kpi_strip()
                with gr.Tabs():
                    with gr.Tab("Overview"), gr.Row(elem_classes=["ms-grid"]):
                        panel("bars", "Accuracy per task", height=300, caption="Bars.")
                        panel("cosine", "Agreement", height=300, caption="Cosines.", why="cos")
                    with gr.Tab("Layers"), gr.Row(elem_classes=["ms-grid"]):
                        panel("layers", "Signs", height=340, wide=True)
        settings: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        page.load(_first, None, channel, **settings)
        move.click(_patch, None, channel, **settings)
    return page


@contextmanager
def serve() -> Iterator[str]:
    """Serve the page the way the app is served."""
    page = build()
    kwargs = launch_kwargs() | {"head": head_html(scripts=["viz.js"])}
    _, url, _ = page.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, inbrowser=False, **kwargs
    )
    yield url
    page.close(verbose=False)
