"""Own and merged scores along training, with the step where each is best."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from merger.info import Info
from merger.training.info import TrainingInfo
from viz.figures.figure import Figure, Values, axis, build, patch
from viz.figures.training_words import meta_of, own_words, point_words
from viz.theme import expert_colours

HEIGHT = 440
EXTRA = "<extra></extra>"
OWN_MEAN = "experts, mean"
FIXED = "merged"
TUNED = "merged, factor tuned"
BASE = "base"
BEST_OWN = "experts' best step"
BEST_MERGED = "merge's best step"
PLACE = "experts' present steps"
NOW_STEP = "present step"
NOW = "present merge"
NOW_ESTIMATED = "present merge, preview"
AWAY = -99.0  # off the axis: Plotly drops the style of points that appear while others move


@dataclass(frozen=True, eq=False)
class TrainingView(Info):
    """Curves, and where the merge on screen stands among them.

    Args:
        info: The curves, as far as they are measured.
        here: Step of each expert on screen, (n,); −1 where it is not known.
        at: Index of the step at which all experts stand; −1 where they differ.
        now: Mean score of the merge on screen and its interval, (3,).
        now_measured: Whether that is a full validation, rather than an estimate.
    """

    info: TrainingInfo
    here: np.ndarray
    at: int
    now: np.ndarray
    now_measured: bool


def draw_training(view: TrainingView, colours: Mapping[str, str] | None = None) -> Figure:
    """Draw scores against log2 of the training steps; the base stands apart on the left.

    Args:
        view: Curves and the merge on screen.
        colours: Colour token by expert, as on the chips.
    """
    info = view.info
    ink = expert_colours(info.experts, colours)
    low, high = y_range(view)
    places, base = _places(info), _base_place(info)
    layout = {
        "xaxis": axis(
            "training steps (log scale)",
            range=[base - 0.45, float(places[-1]) + 0.35],
            tickmode="array",
            tickvals=[base, *places.tolist()],
            ticktext=["base", *map(str, info.steps.tolist())],
            showgrid=False,
        ),
        "yaxis": axis(
            "accuracy" if info.higher_is_better else "bits per byte, lower is better",
            range=[low, high] if info.higher_is_better else [high, low],
            tickformat=".0%" if info.higher_is_better else ".2f",
        ),
        "showlegend": True,
    }
    styles = [*_own_styles(info, ink), *_merged_styles(), *_present_styles(ink)]
    shape = {"height": HEIGHT, "link": "traces", "experts": list(info.experts), "clickable": True}
    shape["narrow"] = {"below": 520, "layout": {"xaxis": {"ticktext": _fewer(info)}}}
    return build(styles, _values(view, low, high), layout, {**meta_of(view), **shape})


def patch_training(view: TrainingView) -> dict[str, Any]:
    """Move what follows the sliders; the axes keep their ranges."""
    return patch(_values(view, *y_range(view)), meta_of(view))


def frame_training(view: TrainingView) -> list[Any]:
    """Return what decides axes and traces, and which points there are."""
    info = view.info
    known = [np.isfinite(curve).astype(int).tolist() for curve in (info.fixed, info.tuned)]
    own = np.isfinite(info.own).all(2).sum(1).tolist()
    return [info.steps.tolist(), info.method, info.setting, known, own, *y_range(view)]


def y_range(view: TrainingView) -> tuple[float, float]:
    """Return the ends of the score axis, rounded outward so that a drag rarely changes them."""
    info = view.info
    parts = [info.own, info.own_mean, info.fixed, info.tuned, info.base, view.now]
    values = np.concatenate([part.ravel() for part in parts])
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    unit = 0.1 if info.higher_is_better else _unit(high - low)
    top = unit * np.ceil(high / unit + 0.3)
    bottom = unit * np.floor(low / unit - 0.1)
    if info.higher_is_better:
        return max(0.0, round(bottom, 6)), min(1.02, round(top, 6))
    return max(0.0, round(bottom, 6)), round(top, 6)


def _unit(span: float) -> float:
    return next((unit for unit in (0.02, 0.05, 0.1, 0.2, 0.5) if span <= 8 * unit), 1.0)


def _places(info: TrainingInfo) -> np.ndarray:
    return np.log2(info.steps.astype(np.float64))


def _base_place(info: TrainingInfo) -> float:
    return float(_places(info)[0]) - 1.0


def _fewer(info: TrainingInfo) -> list[str]:
    """Return tick labels for a narrow chart: every second step, counted from the last."""
    last = len(info.steps) - 1
    shown = [str(s) if (last - i) % 2 == 0 else "" for i, s in enumerate(info.steps.tolist())]
    return ["base", *shown]


def _own_styles(info: TrainingInfo, ink: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "type": "scatter", "name": _own_name(name), "mode": "lines+markers",
            "showlegend": False, "connectgaps": True,
            "line": {"color": f"{colour}/0.75", "width": 1.5},
            "marker": {"color": colour, "size": 6},
            "error_y": {"type": "data", "symmetric": False, "thickness": 1, "width": 0,
                        "color": f"{colour}/0.35"},
            "hovertemplate": f"%{{customdata[2]}}{EXTRA}",
        }
        for name, colour in zip(info.experts, ink, strict=True)
    ]  # fmt: skip


def _merged_styles() -> list[dict[str, Any]]:
    def curve(name: str, symbol: str, colour: str, width: float) -> dict[str, Any]:
        return {
            "type": "scatter", "name": name, "mode": "lines+markers", "connectgaps": True,
            "line": {"color": colour, "width": width},
            "marker": {"color": colour, "size": 10 if width > 2 else 8, "symbol": symbol},
            "error_y": {"type": "data", "symmetric": False, "thickness": 1.5, "width": 4,
                        "color": colour},
            "hovertemplate": f"%{{customdata[2]}}{EXTRA}",
        }  # fmt: skip

    def best(name: str, symbol: str, colour: str) -> dict[str, Any]:
        return {
            "type": "scatter", "name": name, "mode": "lines+markers", "showlegend": False,
            "line": {"color": colour, "width": 1, "dash": "solid"},
            "marker": {"color": colour, "size": [0, 15], "symbol": symbol},
            "hoverinfo": "skip", "cliponaxis": False,
        }  # fmt: skip

    return [
        curve(OWN_MEAN, "circle", "@neutral", 2),
        curve(FIXED, "diamond", "@text", 3),
        curve(TUNED, "square-open", "@accent", 2),
        {
            "type": "scatter", "name": BASE, "mode": "lines+markers",
            "line": {"color": "@muted", "width": 1},
            "marker": {"color": "@muted", "size": [10, 0], "symbol": "line-ew-open"},
            "error_y": {"type": "data", "symmetric": False, "thickness": 1, "width": 3,
                        "color": "@muted"},
            "hovertemplate": f"%{{customdata[2]}}{EXTRA}",
        },
        best(BEST_OWN, "star", "@neutral"),
        best(BEST_MERGED, "star", "@text"),
    ]  # fmt: skip


def _present_styles(ink: list[str]) -> list[dict[str, Any]]:
    def now(name: str, opened: bool) -> dict[str, Any]:
        return {
            "type": "scatter", "name": name, "mode": "markers", "showlegend": False,
            "marker": {"color": "@pin", "size": 15,
                       "symbol": "diamond-open" if opened else "diamond-open-dot",
                       "line": {"width": 2, "color": "@pin"}},
            "error_y": {"type": "data", "symmetric": False, "color": "@pin",
                        "thickness": 1 if opened else 2, "width": 6},
            "hovertemplate": f"%{{customdata[2]}}{EXTRA}",
        }  # fmt: skip

    ring = {
        "type": "scatter", "name": PLACE, "mode": "markers", "showlegend": False,
        "marker": {"size": 12, "symbol": "circle-open", "color": ink, "line": {"width": 2}},
        "hoverinfo": "skip",
    }  # fmt: skip
    line = {
        "type": "scatter", "name": NOW_STEP, "mode": "lines", "showlegend": False,
        "line": {"color": "@pin", "width": 1.5, "dash": "dot"}, "hoverinfo": "skip",
    }  # fmt: skip
    return [ring, line, now(NOW, False), now(NOW_ESTIMATED, True)]


def _own_name(name: str) -> str:
    taken = (OWN_MEAN, FIXED, TUNED, BASE, BEST_OWN, BEST_MERGED, PLACE, NOW_STEP, NOW)
    return f"{name} (expert)" if name in (*taken, NOW_ESTIMATED) else name


def _values(view: TrainingView, low: float, high: float) -> Values:
    info, places = view.info, _places(view.info)
    out: dict[str, dict[str, Any]] = {}
    for i, name in enumerate(info.experts):
        words = [own_words(info, i, s) for s in range(len(places))]
        out[_own_name(name)] = _points(info, info.own[i], name, words)
    curves = ((OWN_MEAN, info.own_mean), (FIXED, info.fixed), (TUNED, info.tuned))
    for name, curve in curves:
        words = [point_words(view, name, s) for s in range(len(places))]
        out[name] = _points(info, curve, "", words)
    # Beside the other curve, or their whiskers would hide each other.
    out[TUNED]["x"] = places + 0.08
    of_base = ["", 0, point_words(view, BASE, 0)]
    out[BASE] = {
        "x": [_base_place(info), float(places[-1]) + 0.35],
        "y": [info.base[0], info.base[0]],
        "error_y": {
            "array": [info.base[2] - info.base[0], 0.0],
            "arrayminus": [info.base[0] - info.base[1], 0.0],
        },
        "customdata": [of_base, of_base],
    }
    floor = low if info.higher_is_better else high
    out[BEST_OWN] = _best(info, info.own_mean, floor)
    out[BEST_MERGED] = _best(info, info.fixed, floor)
    return {**out, **_present(view, low, high)}


def _points(
    info: TrainingInfo, curve: np.ndarray, target: str, words: list[str]
) -> dict[str, Any]:
    # What a click sends: whose steps change ("" for all), to which step.
    custom = [[target, *both] for both in zip(info.steps.tolist(), words, strict=True)]
    return {
        "x": _places(info),
        "y": curve[:, 0],
        "error_y": {
            "array": np.nan_to_num(curve[:, 2] - curve[:, 0]),
            "arrayminus": np.nan_to_num(curve[:, 0] - curve[:, 1]),
        },
        "customdata": custom,
    }


def _best(info: TrainingInfo, curve: np.ndarray, floor: float) -> dict[str, Any]:
    best = info.best(curve) if np.isfinite(curve[:, 0]).all() else None
    if best is None:
        return {"x": [AWAY, AWAY], "y": [floor, floor]}
    place = float(_places(info)[best])
    return {"x": [place, place], "y": [floor, float(curve[best, 0])]}


def _present(view: TrainingView, low: float, high: float) -> Values:
    info, places = view.info, _places(view.info)
    known = view.at >= 0
    place = float(places[view.at]) if known else AWAY
    value = float(view.now[0])
    shown = known and np.isfinite(value)

    def now(mine: bool) -> dict[str, Any]:
        here = shown and mine
        return {
            "x": [place if here else AWAY],
            "y": [value if here else low],
            "error_y": {
                "array": [float(view.now[2] - value) if here else 0.0],
                "arrayminus": [float(value - view.now[1]) if here else 0.0],
            },
            "customdata": [["", int(info.steps[max(view.at, 0)]), point_words(view, NOW, 0)]],
        }

    rows = [_where(info, i, int(step)) for i, step in enumerate(view.here)]
    return {
        PLACE: {"x": [x for x, _ in rows], "y": [y for _, y in rows]},
        NOW_STEP: {"x": [place, place], "y": [low, high]},
        NOW: now(view.now_measured),
        NOW_ESTIMATED: now(not view.now_measured),
    }


def _where(info: TrainingInfo, expert: int, step: int) -> tuple[float, float]:
    """Return where an expert stands on its own curve; off the axis where that is not known."""
    at = np.flatnonzero(info.kept[expert] == step)
    if step < 0 or not len(at):
        return AWAY, 0.0
    value = float(info.own[expert, at[0], 0])
    # A checkpoint may stand for several steps: the ring sits at the first.
    return (float(_places(info)[at[0]]), value) if np.isfinite(value) else (AWAY, 0.0)
