"""A page with cards and a sidebar but without Gradio's frontend, served like the app's own files.

The blocks are the real ones of viz/panel.py: their templates are filled and their scripts called
the way Gradio's frontend does it.
"""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from viz.panel import StaticHtml, bus, kpi_strip, notices, panel
from viz.static import asset_routes, head_html

_MOUNT = """
window.blocks = {};
for (const {name, template, js} of JSON.parse(document.getElementById("blocks").textContent)) {
  const element = document.getElementById(name);
  element.innerHTML = Function("return `" + template + "`;")();
  const props = {value: null}, watchers = [];
  window.blocks[name] = {props, send: (value) => {
    props.value = value; queueMicrotask(() => watchers.forEach((call) => call()));
  }};
  Function("element", "trigger", "props", "server", "upload", "watch", js)(
    element, () => {}, props, {}, null, (_, call) => watchers.push(call));
}
window.send = (value) => window.blocks.bus.send(JSON.stringify(value));
"""

SIDEBAR = """
<aside class="ms-sidebar ms-sidebar--open" style="width: 300px; flex: none">
<div class="ms-sidebar__body">
  <div class="ms-section"><h2 class="ms-section__title">Experts
    <span class="ms-section__aside">5 of 6</span></h2>
    <div class="ms-chips">%(chips)s</div></div>
  <div class="ms-section"><h2 class="ms-section__title">Method</h2>
    <details class="ms-method" %(open)s><summary>
      <span class="ms-method__name">TIES</span>
      <span class="ms-method__summary">Keeps the largest changes and lets the experts vote on
        each sign.</span></summary>
      <div class="ms-method__group"><div class="ms-method__family">Linear</div>
        <label class="ms-method__option"><input type="radio" name="m">
          <span class="ms-method__name">Task arithmetic</span>
          <span class="ms-method__summary">Adds the scaled task vectors to the base.</span></label>
        <label class="ms-method__option"><input type="radio" name="m" disabled>
          <span class="ms-method__name">SLERP</span>
          <span class="ms-method__needs">exactly two experts</span></label></div>
      <div class="ms-method__group"><div class="ms-method__family">Signs</div>
        <label class="ms-method__option"><input type="radio" name="m" checked>
          <span class="ms-method__name">TIES</span>
          <span class="ms-method__summary">Keeps the largest changes.</span></label></div>
    </details></div>
  <div class="ms-section"><h2 class="ms-section__title">Settings</h2>
    <div class="ms-knob"><span class="ms-knob__label">Scale
      <span class="ms-knob__symbol">λ</span></span>
      <input class="ms-knob__track" type="range" aria-label="Scale" style="--to: 0.6" value="60">
      <input class="ms-knob__number" type="number" aria-label="Scale" value="0.6"></div>
    <div class="ms-knob"><span class="ms-knob__label">Density</span>
      <input class="ms-knob__track" type="range" aria-label="Density" style="--to: 0.2"
        value="20">
      <input class="ms-knob__number" type="number" aria-label="Density" value="0.2"></div>
    <div class="ms-knob"><span class="ms-knob__label">Dialect</span>
      <select class="ms-knob__number" aria-label="Dialect"><option>paper</option></select></div>
  </div>
  </div><div class="ms-sidebar__foot">
  <div class="ms-buttons"><button class="ms-btn">Equal</button><button class="ms-btn">Undo</button>
    <button class="ms-btn" disabled>Redo</button>
    <button class="ms-btn" aria-pressed="true">Pin</button></div>
  <code class="ms-recipe-line">ties(digits, letters, kana, fashion, faces; λ=0.6)</code>
  <div class="ms-buttons"><button class="ms-btn ms-btn--primary ms-btn--wide">Merge for real
  </button></div>
  <div class="ms-job"><div class="ms-job__title">ties of 5 experts</div>
    <progress class="ms-job__bar" max="100" value="42"></progress>
    <div class="ms-job__text">42 of 100 tensors · 12 MB/s · 3 s left</div>
    <div class="ms-buttons"><button class="ms-btn ms-btn--danger">Cancel</button></div></div>
</div></aside>"""


def _sidebar(is_open: bool) -> str:
    names = ["digits", "letters", "kana", "fashion", "faces", "a-very-long-expert-name-of-a-user"]
    chips = ""
    for i, name in enumerate(names):
        style = f'style="--chip: var(--ms-expert-{i + 1})"'
        off = " ms-chip--off" if i == 3 else ""
        state = " ms-row--disabled" if i == 3 else ""
        disabled = "disabled" if i == 3 else ""
        chips += (
            f'<div class="ms-chip{off}" {style}><button class="ms-chip__toggle" '
            f'aria-pressed="{str(i != 3).lower()}"><span class="ms-chip__dot"></span>'
            f'<span class="ms-chip__name">{name}</span></button>'
            f'<span class="ms-chip__step">800</span><span class="ms-chip__score">9{i}.1%</span>'
            f'<button class="ms-chip__solo" aria-pressed="{str(i == 1).lower()}">solo</button>'
            f'<div class="ms-row{state}"><input class="ms-row__track" type="range" {disabled} '
            f'aria-label="{name}" value="{40 + 8 * i}" style="--from: 0.2; --to: 0.{40 + 8 * i}">'
            f'<input class="ms-row__number" type="number" {disabled} '
            f'aria-label="{name} weight" value="0.{4 + i}"></div></div>'
        )
    return SIDEBAR % {"chips": chips, "open": "open" if is_open else ""}


def page_html(sidebar: bool = False, spacer: int = 0) -> str:
    """Return the page; `spacer` pushes the panel `far` below the first screen."""
    blocks: dict[str, StaticHtml] = {
        "bus": bus(),
        "notices": notices(),
        "kpis": kpi_strip(),
        "bars": panel("bars", "Accuracy per task", height=300, caption="Bars and marks."),
        "cosine": panel(
            "cosine",
            "Do the experts agree?",
            height=300,
            caption="Cosine between task vectors.",
            why="cos(τ₁, τ₂) = ⟨τ₁, τ₂⟩ / (‖τ₁‖ ‖τ₂‖), as in Ilharco et al., 2023.",
        ),
        "layers": panel("layers", "Where do signs collide?", height=340),
        "lines": panel("lines", "How far each expert moved", height=340),
        "hidden": panel("hidden", "In another tab", height=200),
        "far": panel("far", "Far below", height=200),
    }
    data = [
        {"name": name, "template": block.html_template, "js": block.js_on_load}
        for name, block in blocks.items()
    ]
    cells = "".join(f'<div id="{n}" class="ms-cell"></div>' for n in list(blocks)[3:7])
    aside = _sidebar(sidebar) if sidebar else ""
    as_json = json.dumps(data).replace("<", "\\u003c")
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><base href="./">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>Mergescope panels</title>{head_html(scripts=["viz.js"])}
<style>body {{ margin: 0 }} .demo {{ display: flex; gap: 20px; padding: 16px }}
@media (max-width: 900px) {{ .demo {{ flex-direction: column }} }}</style></head>
<body class="gradio-container"><div class="demo">{aside}
<main style="flex: 1; min-width: 0; display: grid; gap: 16px; align-content: start">
<div class="ms-head"><h1>Mergescope</h1><p>See what a merge does before you ship it.</p></div>
<div id="bus" class="ms-bus"></div><div id="notices"></div><div id="kpis"></div>
<div class="ms-grid">{cells}</div>
<div id="tab" style="display: none"><div id="hidden"></div></div>
<div style="height: {spacer}px"></div><div id="far" {"" if spacer else "hidden"}></div>
</main></div>
<script type="application/json" id="blocks">{as_json}</script>
<script>{_MOUNT}</script></body></html>"""


@contextmanager
def serve() -> Iterator[str]:
    """Serve the page and the app's files on a free port of this machine."""
    pages = [
        Route("/", lambda request: HTMLResponse(page_html())),
        Route("/look", lambda request: HTMLResponse(page_html(sidebar=True))),
        Route("/long", lambda request: HTMLResponse(page_html(spacer=4000))),
    ]
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        app = Starlette(routes=[*asset_routes(), *pages])
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(5)
