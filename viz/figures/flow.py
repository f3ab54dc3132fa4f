"""Where each expert's change goes: a river from the experts to the merged model."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from merger.diagnostics.flow import FlowInfo, Parts
from merger.diagnostics.grid import ratio
from viz.figures.figure import Figure, Values, build, patch
from viz.figures.layers import layer_words
from viz.figures.words import estimated, percent, short
from viz.theme import LABEL, TICK, expert_colours

SIZE, COUNT = "by size", "by number of weights"
SPANS = {SIZE: (0.0, 0.44), COUNT: (0.56, 1.0)}  # from the top, room for a heading above each
ROW = 34
GAP = 10
HEAD = 150


def draw_flow(info: FlowInfo, colours: Mapping[str, str] | None = None) -> Figure:
    """Draw how much of each expert's change is kept, outvoted and merged.

    Args:
        info: The measure.
        colours: Colour token by expert, as on the chips.
    """
    ink = expert_colours(info.experts, colours)
    headings = _headings(info)
    styles = [_style(info, name, ink) for name in headings]
    layout = {
        "annotations": [_heading(name, words) for name, words in headings.items()],
        "margin": {"l": 4, "r": 4, "t": 26},
        # Plotly fails on a river under any other drag mode; nothing can be dragged all the same.
        "dragmode": "pan",
    }
    height = HEAD + 2 * max(4, len(info.experts)) * ROW
    meta = {**_meta(info), "height": height, "link": "traces"}
    return build(styles, _values(info), layout, meta)


def patch_flow(info: FlowInfo) -> dict[str, Any]:
    """Move the rivers; banks keep their places."""
    return patch(_values(info), _meta(info))


def frame_flow(info: FlowInfo) -> list[Any]:
    """Return what decides nodes and colours."""
    return [info.method, info.elects, info.word, info.unit, list(_headings(info))]


def opposed(info: FlowInfo) -> str:
    """Return what the loss to conflict is called."""
    return "outvoted" if info.elects else "cancelled"


def _style(info: FlowInfo, name: str, ink: list[str]) -> dict[str, Any]:
    n = len(info.experts)
    low, high = SPANS[name]
    kept, merged, lost, left = (n + i for i in range(4))
    pale = [f"{colour}/0.45" for colour in ink]
    # Where nothing can be left out, a node that keeps everything says nothing.
    middle = [kept] * n if info.word else [*range(n)]
    source = [*range(n), *range(n), *middle, *middle]
    target = [*[kept] * n, *[left] * n, *[merged] * n, *[lost] * n]
    return {
        "type": "sankey",
        "name": name,
        "domain": {"x": [0, 1], "y": [1 - high, 1 - low]},
        "arrangement": "fixed",
        "textfont": {"size": TICK, "color": "@text"},
        "node": {
            "pad": GAP,
            "thickness": 12,
            "color": [*ink, "@neutral", "@accent", "@conflict", "@muted"],
            "line": {"width": 0},
            "hovertemplate": "<b>%{customdata}</b><extra></extra>",
        },
        "link": {
            "source": source,
            "target": target,
            "color": [*pale, *["@neutral/0.3"] * n, *pale, *["@conflict/0.6"] * n],
            "hovertemplate": "<b>%{customdata[0]}</b><br>%{customdata[1]}<extra></extra>",
        },
    }


def _headings(info: FlowInfo) -> dict[str, str]:
    """Return the rivers that are drawn, with their headings."""
    what = "energy" if info.unit == "directions" else "size"
    found = {SIZE: f"By {what} of the change"}
    if info.unit == "weights" or info.entries.total.sum() > 0:
        found[COUNT] = f"By number of {info.unit}"
    return found


def _heading(name: str, words: str) -> dict[str, Any]:
    return {
        "text": words, "x": 0, "xref": "paper", "xanchor": "left", "yref": "paper",
        "y": 1 - SPANS[name][0], "yanchor": "bottom", "yshift": 4, "showarrow": False,
        "font": {"size": LABEL, "color": "@muted"},
    }  # fmt: skip


def _ways(info: FlowInfo, found: Parts) -> list[tuple[str, np.ndarray]]:
    """Return what may become of a change, in words, with how much of each expert's does."""
    left = [(info.word, found.left_out)] if info.word else []
    lost = [(opposed(info), found.opposed)] if info.conflicts else []
    return [("merged", found.merged), *lost, *left]


def _values(info: FlowInfo) -> Values:
    found = {SIZE: info.mass, COUNT: info.entries}
    return {name: _river(info, found[name]) for name in _headings(info)}


def _river(info: FlowInfo, found: Parts) -> dict[str, Any]:
    whole = float(found.total.sum()) or 1.0
    kept = found.merged + found.opposed
    lanes = [kept, found.left_out, found.merged, found.opposed]
    flows = [kept if info.word else 0.0 * kept, *lanes[1:]]
    words = ["kept", info.word or "left out", "merged", opposed(info)]
    ends = [("kept", kept), ("merged", found.merged), (opposed(info), found.opposed)]
    ends.append((info.word or "left out", found.left_out))
    names = [short(name) for name in info.experts]
    shares = [f"{word} {percent(float(v.sum()) / whole)}" for word, v in ends]
    each = [
        f"{name}: {percent(float(v) / whole)} of all"
        for name, v in zip(info.experts, found.total, strict=True)
    ]
    own = [
        [name, f"{percent(float(v))} {word}"]
        for word, lane in zip(words, lanes, strict=True)
        for name, v in zip(info.experts, ratio(lane, found.total), strict=True)
    ]
    return {
        "node": {"label": [*names, *shares], "customdata": [*each, *shares]},
        "link": {"value": np.concatenate(flows) / whole, "customdata": own},
    }


def _meta(info: FlowInfo) -> dict[str, Any]:
    look = _look(info)
    where = f" Only {layer_words(info.layer)}." if info.layer else ""
    drawn = f"How much of each expert's weighted change reaches the merged model. {_loss(info)}"
    return {
        "title": "Where does the change go?",
        "look": look,
        "caption": f"{drawn}{where}{estimated(info.sample)}",
        "alt": look,
        "table": _table(info),
    }


def _loss(info: FlowInfo) -> str:
    if info.unit == "directions":
        return "Grey is what a step takes off: the rest is what the method goes on with."
    if not info.conflicts and not info.word:
        return f"No step of {info.method} takes anything away from an expert."
    if not info.conflicts:
        return f"Grey is {info.word}."
    if info.elects:
        return "Orange is outvoted: it points against the elected sign."
    return "Orange cancels: experts pull the same weight in opposite directions."


def _look(info: FlowInfo) -> str:
    where = f" in {layer_words(info.layer)}" if info.layer else ""
    where = where.replace(" in outside", " outside the layers")
    whole = float(info.mass.total.sum())
    if not whole > 0:
        return f"No expert changes anything{where} at these coefficients."
    ways = _ways(info, info.mass)
    shares = [f"{percent(float(v.sum()) / whole)} is {word}" for word, v in ways]
    listed = f"{', '.join(shares[:-1])} and {shares[-1]}"
    what = "energy of the experts' change" if info.unit == "directions" else "experts' change"
    first = f"Of the {what}{where}, {listed}."
    if len(shares) < 2:
        return (
            f"{info.method} starts from all of the {what}{where}: see what its steps make of it."
        )
    share = ratio(info.mass.opposed, info.mass.total)
    if len(share) < 2 or not np.nanmax(share) > 0:
        return first
    most = int(np.nanargmax(share))
    verb = "is outvoted most" if info.elects else "cancels most"
    return f"{first} {info.experts[most]} {verb} ({percent(float(share[most]))} of its change)."


def _table(info: FlowInfo) -> dict[str, Any]:
    words = [word for word, _ in _ways(info, info.mass)]
    changed = "directions" if info.unit == "directions" else f"changed {info.unit}"
    columns = ["expert", "share of all", *words, changed]
    columns += [f"{info.unit} {word}" for word in words]
    total = info.mass.total
    sizes = [ratio(total, np.full(len(total), total.sum()))]
    sizes += [ratio(v, total) for _, v in _ways(info, info.mass)]
    counts = [info.entries.total, *(v for _, v in _ways(info, info.entries))]
    rows = [
        [name, *(float(v[i]) for v in sizes), *(round(float(v[i])) for v in counts)]
        for i, name in enumerate(info.experts)
    ]
    return {"columns": columns, "rows": rows}
