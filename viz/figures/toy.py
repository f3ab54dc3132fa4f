"""A method at work on a toy: small pictures side by side, from the experts to the merged model.

Vectors are arrows in the plane of two weights. A matrix of 2 × 2 is drawn as what it makes of the
unit circle: an ellipse whose axes are its singular directions, a line where one is left.
"""

from typing import Any

import numpy as np

from merger.diagnostics.toy import ToyFrame, ToyInfo
from viz.figures.figure import Figure, Values, axis, build, nice_limit, patch
from viz.figures.words import percent, plain_number
from viz.theme import EXPERTS_LIGHT, LABEL, TICK

TITLE = "What it does, on a toy"
HEIGHT, TALL, NARROW = 260, 560, 640
ROOM = (2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 1e3, 1e4, 1e6)
POINTS = 48
MERGED = "merged"
GAP = 0.03
HEADROOM = 0.12  # above each picture, for its heading


def draw_toy(info: ToyInfo) -> Figure:
    """Draw what there is after each step.

    Args:
        info: The measure.
    """
    count = len(info.frames)
    limit = limit_of(info)
    styles = [_style(info, at, row) for at in range(count) for row in range(len(info.experts) + 1)]
    layout: dict[str, Any] = {
        "margin": {"l": 4, "r": 4, "t": 8, "b": 4},
        "annotations": [_heading(at, frame) for at, frame in enumerate(info.frames)],
    }
    for at in range(count):
        number = _number(at)
        for letter, other in (("x", "y"), ("y", "x")):
            layout[f"{letter}axis{number}"] = axis(
                range=[-limit, limit], anchor=f"{other}{number}", showticklabels=False,
                zeroline=True, nticks=5, constrain="domain",
            )  # fmt: skip
        layout[f"yaxis{number}"] |= {"scaleanchor": f"x{number}", "scaleratio": 1}
    wide, narrow = _places(count, count), _places(count, 2)
    for name, domain in wide.items():
        layout[name] |= {"domain": domain}
    meta = {
        **_meta(info),
        "height": HEIGHT,
        "link": "traces",
        "narrow": {
            "below": NARROW,
            "height": TALL if count > 2 else HEIGHT,
            "layout": {name: {"domain": domain} for name, domain in narrow.items()},
        },
    }
    return build(styles, _values(info), layout, meta)


def patch_toy(info: ToyInfo) -> dict[str, Any]:
    """Move the arrows; headings and axes stay."""
    return patch(_values(info), _meta(info))


def frame_toy(info: ToyInfo) -> list[Any]:
    """Return what decides headings and axes."""
    titles = [(frame.title, frame.together, frame.chain) for frame in info.frames]
    return [info.method, info.experts, titles, limit_of(info)]


def limit_of(info: ToyInfo) -> float:
    """Return how far the axes reach, a round number of thousandths."""
    ends = [np.abs(_ends(info, frame)).max(initial=0.0) for frame in info.frames]
    return nice_limit(1.15 * np.array(ends), ROOM)


def _ends(info: ToyInfo, frame: ToyFrame) -> np.ndarray:
    """Return the furthest that each row reaches."""
    if info.matrix:
        return np.linalg.norm(frame.rows, axis=2)
    return frame.rows.cumsum(0) if frame.chain else frame.rows


def _number(at: int) -> str:
    return "" if at == 0 else str(at + 1)


def _places(count: int, columns: int) -> dict[str, list[float]]:
    """Return the domains of the axes in a grid with so many columns."""
    lines = -(-count // columns)
    width, height = 1.0 / columns, 1.0 / lines
    room = HEADROOM / lines if lines == 1 else 0.07
    found = {}
    for at in range(count):
        row, column = divmod(at, columns)
        left, top = column * width, 1.0 - row * height
        found[f"xaxis{_number(at)}"] = [left + GAP / 2, left + width - GAP / 2]
        found[f"yaxis{_number(at)}"] = [max(0.0, top - height + 0.01), top - room]
    return found


def _heading(at: int, frame: ToyFrame) -> dict[str, Any]:
    number = _number(at)
    words = f"{at + 1}  {frame.title}"
    return {
        "text": words, "xref": f"x{number} domain", "yref": f"y{number} domain", "x": 0, "y": 1,
        "xanchor": "left", "yanchor": "bottom", "yshift": 4, "showarrow": False,
        "font": {"size": LABEL, "color": "@text"},
    }  # fmt: skip


def _style(info: ToyInfo, at: int, row: int) -> dict[str, Any]:
    n = len(info.experts)
    colour = "@accent" if row == n else f"@expert-{row % len(EXPERTS_LIGHT) + 1}"
    style = {
        "type": "scatter",
        "name": _name(info, at, row),
        "xaxis": f"x{_number(at)}",
        "yaxis": f"y{_number(at)}",
        "mode": "lines+text" if info.matrix else "lines+markers+text",
        "line": {"color": colour, "width": 3 if row == n else 2},
        "textfont": {"size": TICK, "color": "@text"},
        "textposition": "top center",
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    if not info.matrix:
        style["marker"] = {"color": colour, "size": [1, 9], "symbol": "circle"}
    return style


def _name(info: ToyInfo, at: int, row: int) -> str:
    return f"{at + 1} {[*info.experts, MERGED][row]}"


def _values(info: ToyInfo) -> Values:
    n = len(info.experts)
    out: dict[str, dict[str, Any]] = {}
    for at, frame in enumerate(info.frames):
        starts = frame.rows.cumsum(0) - frame.rows if frame.chain else 0.0 * frame.rows
        for row in range(n + 1):
            name = _name(info, at, row)
            shown = (row == n) if frame.together else row < n
            if not shown:
                out[name] = {"x": [], "y": [], "text": [], "customdata": []}
                continue
            own = 0 if frame.together else row
            label = ("merged" if at == len(info.frames) - 1 else "all") if row == n else ""
            label = label or info.experts[row]
            path = (
                _ellipse(frame.rows[own])
                if info.matrix
                else np.stack([starts[own], starts[own] + frame.rows[own]])
            )
            words = _words(label, frame.rows[own])
            out[name] = {
                "x": path[:, 0],
                "y": path[:, 1],
                "text": [*[""] * (len(path) - 1), label],
                "customdata": [words] * len(path),
            }
    return out


def _ellipse(matrix: np.ndarray) -> np.ndarray:
    """Return what a matrix makes of the unit circle, with its axes, (points, 2)."""
    angles = np.linspace(0.0, 2.0 * np.pi, POINTS + 1)
    circle = matrix @ np.stack([np.cos(angles), np.sin(angles)])
    left, strength, _ = np.linalg.svd(matrix)
    # The half of the plane above, so that the label does not jump to the other end.
    ends = left * strength * np.where(left[1] < 0, -1.0, 1.0)
    gap = np.full((1, 2), np.nan)
    axes = [gap, [-ends[:, 1]], [ends[:, 1]], gap, [-ends[:, 0]], [ends[:, 0]]]
    return np.concatenate([circle.T, *(np.asarray(part) for part in axes)])


def _words(label: str, row: np.ndarray) -> str:
    if row.ndim == 1:
        return f"{label}: {plain_number(row[0])}, {plain_number(row[1])} thousandths"
    strength = np.linalg.svd(row, compute_uv=False)
    return f"{label}: strengths {plain_number(strength[0])} and {plain_number(strength[1])}"


def _meta(info: ToyInfo) -> dict[str, Any]:
    what = (
        "Each ellipse is what a 2 × 2 matrix makes of a circle; its axes are its directions."
        if info.matrix
        else "Each arrow is one expert's change of two weights, in thousandths."
    )
    steps = " ".join(f"{at}: {_caption(info, frame)}" for at, frame in enumerate(info.frames, 1))
    note = f" {info.note}" if info.note else ""
    look = _look(info)
    return {
        "title": TITLE,
        "look": look,
        "caption": f"{what} Merged by {info.method} with your settings. {steps}{note}",
        "alt": look,
        "table": _table(info),
    }


def _caption(info: ToyInfo, frame: ToyFrame) -> str:
    """Return what a picture shows, with what is left at that point."""
    first = info.frames[0]
    words = f"{frame.words}: " if frame.words else ""
    if frame is first:
        return f"{words}{_conflicts(info)}."
    if frame.counts == 0 and info.frames[0].counts:
        return f"{words}nothing is left of so small a toy at these settings."
    times = f"{plain_number(frame.size)} times as long as the changes"
    if frame.together or frame.chain or not first.counts:
        return f"{words}{'it is' if frame.together else 'on average they are'} {times}."
    return f"{words}{frame.counts} of {first.counts} {info.unit} are there, {times} on average."


def _conflicts(info: ToyInfo) -> str:
    rows = info.frames[0].rows
    signs = np.sign(rows.reshape(len(rows), -1))
    against = int(((signs > 0).any(0) & (signs < 0).any(0)).sum())
    who = " and ".join([", ".join(info.experts[:-1]), info.experts[-1]][len(rows) == 1 :])
    if len(rows) == 1:
        return f"{who} alone"
    return f"{who} disagree in the sign of {against} of {signs.shape[1]} weights"


def _look(info: ToyInfo) -> str:
    last = info.frames[-1]
    if not np.isfinite(last.size):
        return "Nothing changes at these coefficients."
    who = "Each expert's model moves" if not last.together else "The merged model moves"
    share = percent(last.size, 0)
    cut = info.frames[0].counts
    kept = min((f.counts for f in info.frames[1:-1] if not f.together), default=cut)
    lost = f"; of {cut} {info.unit} the steps leave {kept}" if kept < cut else ""
    return f"{who} {share} as far as an expert does on average{lost}."


def _table(info: ToyInfo) -> dict[str, Any]:
    rows: list[list[Any]] = []
    for at, frame in enumerate(info.frames, 1):
        names = [MERGED if at == len(info.frames) else "all"] if frame.together else info.experts
        for name, row in zip(names, frame.rows, strict=True):
            rows.append([f"{at} {frame.title}", name, *(round(float(v), 4) for v in row.flat)])
    heads = ["first weight", "second weight"]
    if info.matrix:
        heads = ["row 1, 1", "row 1, 2", "row 2, 1", "row 2, 2"]
    return {"columns": ["picture", "expert", *heads], "rows": rows}
