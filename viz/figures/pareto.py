"""Scored merges as points on two axes, the front of those that no other beats, and this merge."""

from collections.abc import Sequence
from functools import lru_cache
from textwrap import fill
from typing import Any

import numpy as np

from merger.search.objective import Objective
from merger.search.pareto import Mark, ParetoInfo
from viz.figures.figure import Figure, Values, axis, build, patch
from viz.figures.pareto_words import meta_of, table_of
from viz.theme import TICK

HEIGHT = 480
WIDTH = 64  # characters of a recipe in words before the next line of its label
FORMATS = {"share": ".1%", "bits_per_byte": ".4f", "ratio": ".3~g", "bytes": ",.4~s"}
EXTRA = "<extra></extra>"
HERE = "this merge"
KNEE = "knee of the front"


def draw_pareto(info: ParetoInfo) -> Figure:
    """Draw the cloud, its front, base, experts, the pinned merge and the one on screen."""
    x, y = info.x, info.y
    ranges = _ranges(info)
    layout = {
        "xaxis": axis(_title(x), range=ranges[0], tickformat=_ticks(x), fixedrange=False),
        "yaxis": axis(_title(y), range=ranges[1], tickformat=_ticks(y), fixedrange=False),
        "showlegend": True,
        "legend": {"traceorder": "normal"},
        "dragmode": "zoom",
        # New points come while somebody looks at a part: that part stays.
        "uirevision": f"{x.name} {y.name}",
    }
    meta = {
        **meta_of(info),
        "height": HEIGHT,
        "link": "points",
        "clickable": True,
        "zooms": True,
        # A finger that moves over the chart scrolls the page.
        "narrow": {
            "below": 560,
            "layout": {"xaxis": {"fixedrange": True}, "yaxis": {"fixedrange": True}},
        },
        "table": table_of(info),
    }
    return build(_styles(info), {**_still(info), **_moving(info)}, layout, meta)


def patch_pareto(info: ParetoInfo) -> dict[str, Any]:
    """Move the merge on screen; the cloud stays as it is."""
    return patch(_moving(info), meta_of(info))


def frame_pareto(info: ParetoInfo) -> list[Any]:
    """Return what a new figure is drawn for: all but the merge on screen."""
    marks = [info.base, *info.experts, info.pin]
    stand = [None if m is None else [m.name, m.words, *m.x, *m.y] for m in marks]
    return [info.x.name, info.y.name, info.split, info.method, info.cloud.key, stand]


def _styles(info: ParetoInfo) -> list[dict[str, Any]]:
    x, y = (f"%{{{a}:{_ticks(o)}}}" for a, o in (("x", info.x), ("y", info.y)))
    ends = [f"%{{customdata[{i}]:{_ticks(o)}}}" for i, o in
            ((2, info.x), (3, info.x), (4, info.y), (5, info.y))]  # fmt: skip
    lines = [f"<b>{info.x.title}</b> {x}", f"<b>{info.y.title}</b> {y}"]
    if _has_interval(info.x):
        lines[0] += f" ({ends[0]} to {ends[1]})"
    if _has_interval(info.y):
        lines[1] += f" ({ends[2]} to {ends[3]})"
    point = {"type": "scatter", "mode": "markers",
             "hovertemplate": "<br>".join(["%{customdata[1]}", *lines]) + EXTRA}  # fmt: skip
    known = {m.name for m in (info.base, *info.experts, info.pin) if m is not None}
    text = {"mode": "markers+text", "textposition": "top center",
            "textfont": {"size": TICK, "color": "@muted"}}  # fmt: skip
    ring = {"color": "@text", "width": 2}
    return [
        {**point, "name": "merges", "showlegend": bool(len(info.cloud.digests)),
         "marker": {"size": 6, "color": "@neutral", "opacity": 0.55}},
        {"type": "scatter", "name": "edge", "mode": "lines", "hoverinfo": "skip",
         "showlegend": False, "line": {"color": "@accent", "width": 1.5, "dash": "dot"}},
        {**point, "name": "on the front", "showlegend": bool(info.cloud.on_front.any()),
         "marker": {"size": 9, "color": "@accent"}},
        {**point, "name": KNEE, "showlegend": info.knee is not None,
         "marker": {"symbol": "diamond-tall-open", "size": 19, "color": "@accent",
                    "line": {"width": 2}}},
        {**point, "name": "pinned in the table", "showlegend": bool(info.cloud.pinned.any()),
         "marker": {"symbol": "star", "size": 13, "color": "@card",
                    "line": {"color": "@text", "width": 1.5}}},
        {**point, **text, "name": "base", "showlegend": "base" in known,
         "marker": {"symbol": "square", "size": 10, "color": "@card", "line": ring}},
        {**point, **text, "name": "single experts", "showlegend": bool(info.experts),
         "marker": {"symbol": "diamond", "size": 10, "color": "@card",
                    "line": {"color": "@muted", "width": 2}}},
        {**point, "name": "pinned merge", "showlegend": info.pin is not None,
         "marker": {"symbol": "circle-open", "size": 17, "color": "@pin",
                    "line": {"width": 2}}},
        {**point, "name": HERE, "marker": {"symbol": "x-thin", "size": 12, "color": "@text",
                                           "line": {"color": "@text", "width": 3}},
         "error_x": _bars(), "error_y": _bars()},
    ]  # fmt: skip


def _bars() -> dict[str, Any]:
    return {"type": "data", "symmetric": False, "color": "@text", "thickness": 1.2, "width": 4}


def _still(info: ParetoInfo) -> Values:
    cloud = info.cloud
    rest = np.flatnonzero(~cloud.on_front)
    corners = cloud.stairs
    return {
        "merges": _points(info, rest),
        "edge": {"x": corners[:, 0], "y": corners[:, 1]},
        "on the front": _points(info, np.flatnonzero(cloud.on_front)),
        KNEE: _points(info, np.array([] if info.knee is None else [info.knee], np.int64)),
        "pinned in the table": _points(info, np.flatnonzero(cloud.pinned)),
        "base": _marks([info.base]),
        "single experts": _marks(info.experts),
        "pinned merge": _marks([info.pin]) | {"text": []},
    }


def _moving(info: ParetoInfo) -> Values:
    found = _marks([info.current]) | {"text": []}
    here = info.current
    for name, at in (("error_x", here and here.x), ("error_y", here and here.y)):
        up, down = (0.0, 0.0) if at is None else (at.high - at.value, at.value - at.low)
        found[name] = {"array": [max(0.0, up)], "arrayminus": [max(0.0, down)]}
    if here is None:
        # A trace that comes and goes would need a new figure: it waits where nothing is drawn.
        found |= {"x": [None], "y": [None], "customdata": [["", "", 0, 0, 0, 0]]}
    return {HERE: found}


def _points(info: ParetoInfo, index: np.ndarray) -> dict[str, Any]:
    cloud = info.cloud
    data = [
        [
            cloud.digests[i],
            _lines(cloud.words[i]),
            *_short(cloud.x[i, 1:]),
            *_short(cloud.y[i, 1:]),
        ]
        for i in index
    ]
    return {"x": _short(cloud.x[index, 0]), "y": _short(cloud.y[index, 0]), "customdata": data}


def _marks(marks: Sequence[Mark | None]) -> dict[str, Any]:
    known = [m for m in marks if m is not None]
    return {
        "x": [m.x.value for m in known],
        "y": [m.y.value for m in known],
        "text": [m.name for m in known],
        "customdata": [["", _lines(m.words), *m.x[1:3], *m.y[1:3]] for m in known],
    }


def _short(values: np.ndarray) -> list[float]:
    """Return numbers with the digits that a chart can show; thousands of points stay small."""
    return [float(f"{v:.6g}") for v in values]


@lru_cache(8192)
def _lines(words: str) -> str:
    return fill(words, WIDTH, max_lines=5, placeholder=" …", break_long_words=True)


def _ranges(info: ParetoInfo) -> list[list[float]]:
    """Return axes that hold every point that does not move, and the merge on screen as it is."""
    stand = [m for m in (info.base, *info.experts, info.pin, info.current) if m is not None]
    here = [] if info.current is None else [info.current]
    out = []
    for cloud, places in (
        (info.cloud.x, [*(m.x.value for m in stand), *(v for m in here for v in m.x[1:3])]),
        (info.cloud.y, [*(m.y.value for m in stand), *(v for m in here for v in m.y[1:3])]),
    ):
        values = np.concatenate([cloud[:, 0], np.array(places, np.float64)])
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        room = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
        out.append([low - room, high + room])
    return out


def _has_interval(objective: Objective) -> bool:
    return objective.name not in ("norm", "bytes")


def _ticks(objective: Objective) -> str:
    return FORMATS[objective.unit]


def _title(objective: Objective) -> str:
    unit = " (bits per byte)" if objective.unit == "bits_per_byte" else ""
    sense = "higher is better" if objective.higher_is_better else "lower is better"
    return f"{objective.title}{unit}, {sense}"
