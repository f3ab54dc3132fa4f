"""The cards on the page and the one channel that feeds them.

A card is static HTML; its numbers arrive through the bus and are drawn by assets/viz.js. One
payload, as a dict:

    {"seq": next_seq(),
     "panels": {id: {"rev": str?, "base": figure?, "patch": patch?, "error": card?}},
     "kpis": [{"label", "value", "delta": {"direction": "up"|"down"|"same", "words", "good"?}?,
               "kind": "measured"|"estimated"?, "n"?, "split"?, "tooltip"?, "note"?}],
     "notices": [{"kind": "error", "what", "why", "todo"} | {"kind": "info"|"warning", "text"}],
     "state": {…},                                         # for controls.js, as event "ms:state"
     "digest": str}                                        # whose merge it is, for file names

`figure` is {"data", "layout", "meta"}, `patch` {"traces": {name: {…}}, "layout"?, "meta"?};
`meta` has title, caption, alt, table {columns, rows}, height, and may have kind, n, split,
clickable. `rev` names the base a patch belongs to: a patch for another base waits for it, and
the page asks for it with the event "ms:need". A part that is absent leaves the page as it is.
"""

import html
import re
import threading
import time
from collections.abc import Mapping
from typing import Any

import gradio as gr
import orjson

_ID = re.compile(r"[a-z][a-z0-9_-]*")
# Gradio evaluates templates twice, as Handlebars and as a JavaScript template literal.
_ACTIVE = str.maketrans({c: f"&#{ord(c)};" for c in "${}`\\"})
_CALL = "(window.MERGESCOPE ??= {}).queue ??= []; window.MERGESCOPE.queue.push((ms) => %s);"
_last_seq = 0
_seq_lock = threading.Lock()

_CARD = """\
<section class="ms-panel" data-panel="%(id)s" aria-labelledby="ms-title-%(id)s">
  <header class="ms-panel__head">
    <div class="ms-panel__name">
      <h2 class="ms-panel__title" id="ms-title-%(id)s">%(title)s</h2>
      <span class="ms-panel__badge" hidden></span>
    </div>
    <div class="ms-panel__tools" role="group" aria-label="%(title)s: tools">
      <button type="button" data-tool="tsv" title="Copy the table" hidden>Copy</button>
      <button type="button" data-tool="csv" title="Save the table" hidden>CSV</button>
      <button type="button" data-tool="table" aria-expanded="false" hidden>Table</button>
      <button type="button" data-tool="png">PNG</button>
      <button type="button" data-tool="svg">SVG</button>
    </div>
    <p class="ms-panel__caption">%(caption)s</p>
  </header>
  <div class="ms-panel__error"></div>
  <div class="ms-panel__stage">
    <div class="ms-panel__skeleton" aria-hidden="true"></div>
    <div class="ms-panel__chart" role="img" aria-label="%(title)s"
      style="height: %(height)dpx"></div>
  </div>
  <div class="ms-panel__table"></div>
  %(why)s
</section>"""

_STRIP = """\
<div class="ms-kpis" role="group" aria-label="Headline numbers">
  <div class="ms-kpis__tiles">%s</div>
  <p class="ms-kpis__live ms-sr" aria-live="polite"></p>
</div>""" % ('<div class="ms-kpi ms-kpi--skeleton"></div>' * 4)


def static_text(text: str) -> str:
    """Escape a text for a template, for HTML and for both template languages of Gradio."""
    return html.escape(text).translate(_ACTIVE)


def next_seq() -> int:
    """Return a number above all earlier ones, also those of a server that was restarted."""
    global _last_seq
    with _seq_lock:
        _last_seq = max(_last_seq + 1, time.time_ns() // 1000)
        return _last_seq


class StaticHtml(gr.HTML):
    """A block whose markup never changes after the page is built."""

    def __init__(self, markup: str, call: str, classes: list[str], **settings: Any) -> None:
        super().__init__(
            html_template=markup,
            js_on_load=_CALL % call,
            apply_default_css=False,
            elem_classes=classes,
            **settings,
        )


class Bus(StaticHtml):
    """The hidden component whose value is one payload for the whole page."""

    def __init__(self, value: Mapping[str, Any] | None = None) -> None:
        super().__init__(
            "<span></span>",
            "ms.bus(props, watch)",
            ["ms-bus"],
            value=value,
            visible="hidden",
            elem_id="ms-bus",
        )

    def postprocess(self, value: Mapping[str, Any] | str | None) -> str | None:
        """Return the payload as JSON text, which the page reads faster than a live object."""
        if value is None or isinstance(value, str):
            return value
        options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
        return orjson.dumps(value, option=options).decode()


def bus(value: Mapping[str, Any] | None = None) -> Bus:
    """Return the one channel of the page; make it the output of every handler."""
    return Bus(value)


def panel(
    id: str,
    title: str,
    *,
    height: int,
    caption: str = "",
    wide: bool = False,
    why: str = "",
) -> StaticHtml:
    """Return a card for one chart, with room for it from the first paint.

    Args:
        id: How payloads call this panel; lower-case letters, digits, - and _.
        title: What the chart shows, in a few words.
        height: Height of the chart in pixels until its figure says otherwise.
        caption: One sentence what is drawn, one what to look for.
        wide: Take the whole row of the grid.
        why: The formula and where it comes from, behind a "Why?".
    """
    if not _ID.fullmatch(id):
        raise ValueError(f"panel id must match {_ID.pattern}, got {id!r}")
    fold = '<details class="ms-panel__why"><summary>Why?</summary><p>%s</p></details>'
    markup = _CARD % {
        "id": id,
        "title": static_text(title),
        "caption": static_text(caption),
        "height": height,
        "why": fold % static_text(why) if why else "",
    }
    return StaticHtml(
        markup,
        f"ms.panels.mount(element, {orjson.dumps(id).decode()})",
        ["ms-cell", "ms-wide"] if wide else ["ms-cell"],
        elem_id=f"ms-panel-{id}",
    )


def kpi_strip() -> StaticHtml:
    """Return the strip of headline numbers."""
    return StaticHtml(_STRIP, "ms.kpis.mount(element)", ["ms-cell"], elem_id="ms-kpis")


def notices() -> StaticHtml:
    """Return the place where error cards appear; empty it takes no room."""
    markup = '<div class="ms-notices"></div>'
    return StaticHtml(markup, "ms.notices.mount(element)", ["ms-cell"], elem_id="ms-notices")
