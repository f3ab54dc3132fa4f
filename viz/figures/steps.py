"""What every expert still has after each step of a method: a line per expert, by number and size.

Sizes are shares of what an expert started with; what all have together stands as a mark beside.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from merger.diagnostics.flow import StepsInfo
from merger.diagnostics.grid import ratio
from viz.figures.figure import Figure, Values, axis, build, nice_limit, patch
from viz.figures.words import estimated, percent, plain_number
from viz.theme import LABEL, expert_colours

HEIGHT = 430
TOGETHER = "all together"
TITLE = "Step by step"
BY_COUNT, BY_SIZE = "by number", "by size"
SPANS = {BY_COUNT: (0.56, 1.0), BY_SIZE: (0.0, 0.4)}
ROOM = (1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1e3, 1e4)
START = "change"


def draw_steps(info: StepsInfo, colours: Mapping[str, str] | None = None) -> Figure:
    """Draw the share of its change that each expert has after each step.

    Args:
        info: The measure.
        colours: Colour token by expert, as on the chips.
    """
    ink = expert_colours(info.experts, colours)
    styles = [
        _line(f"{name}, {kind}", colour, kind)
        for kind in SPANS
        for name, colour in zip(info.experts, ink, strict=True)
    ]
    styles.append(_mark())
    layout: dict[str, Any] = {
        "annotations": [_heading(info, kind) for kind in SPANS],
        "margin": {"t": 26},
    }
    names = [START, *(step.name for step in info.steps)]
    for kind, number in ((BY_COUNT, ""), (BY_SIZE, "2")):
        top = top_of(info, kind)
        layout[f"xaxis{number}"] = axis(
            anchor=f"y{number}", tickmode="array", tickvals=list(range(len(names))),
            ticktext=names if number else [""] * len(names), showgrid=False,
            range=[-0.3, len(names) - 0.7],
        )  # fmt: skip
        layout[f"yaxis{number}"] = axis(
            domain=list(SPANS[kind]), anchor=f"x{number}", range=[-0.04 * top, 1.08 * top],
            tickformat=".0%" if top >= 0.1 else ".1%", nticks=5,
        )  # fmt: skip
    shape = {"height": HEIGHT, "link": "traces", "experts": list(info.experts)}
    return build(styles, _values(info), layout, {**_meta(info), **shape})


def patch_steps(info: StepsInfo) -> dict[str, Any]:
    """Move the lines; the axes keep their ranges."""
    return patch(_values(info), _meta(info))


def frame_steps(info: StepsInfo) -> list[Any]:
    """Return what decides lines and axes."""
    steps = [step.name for step in info.steps]
    return [info.method, steps, info.unit, *(top_of(info, kind) for kind in SPANS)]


def top_of(info: StepsInfo, kind: str) -> float:
    """Return where an axis ends, a round number."""
    shares = _shares(info, kind)
    together = _together(info) if kind == BY_SIZE else np.zeros(0)
    found = np.concatenate([shares.ravel(), together])
    return nice_limit(found, ROOM)


def _line(name: str, colour: str, kind: str) -> dict[str, Any]:
    number = "" if kind == BY_COUNT else "2"
    return {
        "type": "scatter",
        "name": name,
        "mode": "lines+markers",
        "connectgaps": False,
        "xaxis": f"x{number}",
        "yaxis": f"y{number}",
        "line": {"color": colour, "width": 2},
        "marker": {"color": colour, "size": 7},
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _mark() -> dict[str, Any]:
    style = _line(TOGETHER, "@accent", BY_SIZE)
    marker = {"color": "@accent", "size": 11, "symbol": "diamond"}
    return {**style, "mode": "markers", "marker": marker}


def _heading(info: StepsInfo, kind: str) -> dict[str, Any]:
    size = "energy" if info.unit == "directions" else "size"
    words = info.unit.capitalize() if kind == BY_COUNT else size.capitalize()
    return {
        "text": f"{words}, as a share of the start", "x": 0, "xref": "paper", "xanchor": "left",
        "yref": "paper", "y": SPANS[kind][1], "yanchor": "bottom", "yshift": 4,
        "showarrow": False, "font": {"size": LABEL, "color": "@muted"},
    }  # fmt: skip


def _totals(info: StepsInfo, kind: str) -> np.ndarray:
    """Return numbers or sizes over all layers, (1 + steps, n); NaN where all are one."""
    values = (info.counts if kind == BY_COUNT else info.sizes).sum(2)
    for at, step in enumerate(info.steps, 1):
        if step.together:
            values[at] = np.nan
    return values


def _shares(info: StepsInfo, kind: str) -> np.ndarray:
    values = _totals(info, kind)
    return ratio(values, np.broadcast_to(values[0], values.shape))


def _together(info: StepsInfo) -> np.ndarray:
    """Return the size of what all have together, as a share of all; NaN where they are apart."""
    whole = float(info.sizes[0].sum())
    found = [
        float(sizes[0].sum()) / whole if step.together and whole > 0 else float("nan")
        for step, sizes in zip(info.steps, info.sizes[1:], strict=True)
    ]
    return np.array([float("nan"), *found])


def _values(info: StepsInfo) -> Values:
    names = [START, *(step.name for step in info.steps)]
    places = list(range(len(names)))
    out: dict[str, dict[str, Any]] = {}
    for kind in SPANS:
        shares, totals = _shares(info, kind), _totals(info, kind)
        for i, expert in enumerate(info.experts):
            out[f"{expert}, {kind}"] = {
                "x": places,
                "y": shares[:, i],
                "customdata": [
                    _words(info, kind, f"{expert}, {name}", share, number)
                    for name, share, number in zip(names, shares[:, i], totals[:, i], strict=True)
                ],
            }
    together = _together(info)
    words = [
        f"together, {name}: {percent(float(share))} of all"
        for name, share in zip(names, together, strict=True)
    ]
    out[TOGETHER] = {"x": places, "y": together, "customdata": words}
    return out


def _words(info: StepsInfo, kind: str, where: str, share: float, number: float) -> str:
    counted = f"{number:,.0f} {info.unit}" if kind == BY_COUNT and np.isfinite(number) else ""
    return f"{where}: {counted}{' = ' if counted else ''}{percent(float(share))}"


def _meta(info: StepsInfo) -> dict[str, Any]:
    look = _look(info)
    dids = "; ".join(f"{step.name}: {_lower(step.did)}" for step in info.steps)
    note = f" {info.note}" if info.note else ""
    uncounted = "" if info.counts[0].sum() > 0 else f" No {info.unit} can be counted here."
    diamond = (
        " The diamond is what all have once they are one."
        if any(step.together for step in info.steps)
        else ""
    )
    caption = f"{info.method}: {dids}.{diamond}{note}{uncounted}{estimated(info.sample)}"
    return {
        "title": TITLE, "look": look, "caption": caption, "alt": look, "table": _table(info),
    }  # fmt: skip


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _look(info: StepsInfo) -> str:
    before = float(info.sizes[0].sum())
    if not before > 0:
        return "No expert changes anything at these coefficients."
    size = "energy" if info.unit == "directions" else "size"
    parts = []
    for at, step in enumerate(info.steps, 1):
        now = float(np.nansum(info.sizes[at]))
        counted = _left(info, at)
        parts.append(f"after {step.name} {counted}{percent(now / before)} of the {size}")
    return f"Of what the experts changed there is, {'; '.join(parts)}."


def _left(info: StepsInfo, at: int) -> str:
    """Return how many of the counted are left, in words, where they are the experts' own."""
    whole = float(info.counts[0].sum())
    if info.steps[at - 1].together or not whole > 0:
        return ""
    return f"{percent(float(info.counts[at].sum()) / whole)} of the {info.unit} and "


def _table(info: StepsInfo) -> dict[str, Any]:
    size = "energy" if info.unit == "directions" else "mass"
    rows: list[list[Any]] = []
    steps = [(START, False), *((step.name, step.together) for step in info.steps)]
    for at, (name, together) in enumerate(steps):
        who = [TOGETHER] if together else info.experts
        counts, sizes = info.counts[at].sum(1), info.sizes[at].sum(1)
        for i, expert in enumerate(who):
            rows.append([name, expert, round(float(counts[i])), _number(float(sizes[i]))])
    return {"columns": ["step", "expert", info.unit, size], "rows": rows}


def _number(value: float) -> str:
    return plain_number(value, 3) if value >= 0.1 or value == 0 else f"{value:.2e}"
