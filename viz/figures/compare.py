"""What each task gains or loses from one merge to another, on the same examples."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from merger.diagnostics.compare import CompareInfo
from viz.figures.figure import Figure, Values, axis, build, labelled, nice_limit, patch
from viz.figures.words import percent, plain_number, points, short, signed
from viz.theme import TICK, expert_colours

ROW = 36
HEAD = 96
WORDS = 112  # pixels right of the axis, where the changes stand in a column
LIMITS = (2, 5, 10, 20, 30, 50, 75, 100)  # percentage points
BIT_LIMITS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
NO_DIFFERENCE = "no difference seen"


def draw_compare(info: CompareInfo, colours: Mapping[str, str] | None = None) -> Figure:
    """Draw one dot per task with its paired interval, then the mean and the worst task.

    Args:
        info: The comparison.
        colours: Colour token by expert, as on the chips.
    """
    count = len(info.tasks) + 2
    limit = limit_of(info)
    layout = {
        "xaxis": axis(_axis_title(info), range=[-limit, limit], nticks=5, zeroline=True,
                      zerolinewidth=2, zerolinecolor="@axis", tickformat="+~g"),
        "yaxis": labelled(_labels(info), range=[count - 0.5, -0.5]),
        "showlegend": False,
        "margin": {"r": WORDS},
    }  # fmt: skip
    meta = {**_meta(info), "height": HEAD + ROW * count, "link": "rows",
            "experts": list(info.owners or info.tasks)}  # fmt: skip
    return build(_styles(info, colours), _values(info), layout, meta)


def patch_compare(info: CompareInfo) -> dict[str, Any]:
    """Move the dots; the axis keeps its range."""
    return patch(_values(info), _meta(info))


def limit_of(info: CompareInfo) -> float:
    """Return where the axis ends on both sides: a round number that holds every change."""
    # Ends may lie outside: whiskers are cut there, and the table has them in full.
    return nice_limit(1.15 * _scaled(info)[:, 0], LIMITS if _is_share(info) else BIT_LIMITS)


def _is_share(info: CompareInfo) -> bool:
    return info.higher_is_better


def _scaled(info: CompareInfo) -> np.ndarray:
    return info.rows * (100.0 if _is_share(info) else 1.0)


def _axis_title(info: CompareInfo) -> str:
    if _is_share(info):
        return "B − A, percentage points (right: B is better)"
    return "B − A, bits per byte (left: B is better)"


def _labels(info: CompareInfo) -> list[str]:
    return [*(short(t) for t in info.tasks), *_total_names(info)]


def _total_names(info: CompareInfo) -> tuple[str, str]:
    if info.normalised:
        return "mean, normalised", "worst, normalised"
    return "mean over tasks", "worst task"


def _styles(info: CompareInfo, colours: Mapping[str, str] | None) -> list[dict[str, Any]]:
    ink = [*expert_colours(info.owners or info.tasks, colours), "@text", "@text"]
    symbols = ["circle"] * len(info.tasks) + ["diamond", "diamond"]
    places = list(range(len(ink)))
    spread = {"error_x": {"type": "data", "symmetric": False, "color": "@text", "thickness": 1.5,
                          "width": 5}}  # fmt: skip
    hover = "<b>%{customdata[0]}</b><br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>"
    dots = {"type": "scatter", "mode": "markers", "y": places, "cliponaxis": True, **spread,
            "hovertemplate": hover}  # fmt: skip
    return [
        {**dots, "name": "measured", "marker": {"symbol": symbols, "size": 12, "color": ink}},
        {**dots, "name": "preview",
         "marker": {"symbol": [f"{s}-open" for s in symbols], "size": 12, "color": ink,
                    "line": {"width": 2.5}}},
        {"type": "scatter", "mode": "markers+text", "y": places, "name": "change",
         "cliponaxis": False, "hoverinfo": "skip", "textposition": "middle right",
         "marker": {"size": 6, "opacity": 0}, "textfont": {"size": TICK, "color": "@text"}},
    ]  # fmt: skip


def _values(info: CompareInfo) -> Values:
    change, low, high = _scaled(info).T
    # Plotly leaves whiskers out that appear while moving: what is hidden waits off the axis.
    hidden = np.full(len(change), -9.0 * limit_of(info))
    words = [_hover(info, i) for i in range(len(change))]

    def dots(shown: bool) -> dict[str, Any]:
        spread = {"array": _length(high - change), "arrayminus": _length(change - low)}
        return {"x": change if shown else hidden, "error_x": spread, "customdata": words}

    return {
        "measured": dots(info.measured),
        "preview": dots(not info.measured),
        "change": {
            "x": np.full(len(change), limit_of(info)),
            "text": [_beside(info, i) for i in range(len(change))],
        },
    }


def _length(ends: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(ends), np.maximum(ends, 0.0), 0.0)


def _step(info: CompareInfo, value: float, unit: bool = False) -> str:
    if _is_share(info):
        return points(value) if unit else signed(100 * value, 1)
    return f"{signed(value, 3)}{' bits per byte' if unit else ''}"


def _beside(info: CompareInfo, i: int) -> str:
    if not np.isfinite(info.rows[i, 1]):
        return f"≈{_step(info, info.rows[i, 0])}"
    if info.verdicts[i] == 0:
        return "no difference"
    about = "" if info.measured else "≈"
    return f"{about}{_step(info, info.rows[i, 0])} {_word(info.verdicts[i])}"


def _word(verdict: int) -> str:
    return {1: "better", -1: "worse", 0: NO_DIFFERENCE}[int(verdict)]


def _with_interval(info: CompareInfo, i: int) -> str:
    value, low, high = info.rows[i]
    if not (np.isfinite(low) and np.isfinite(high)):
        return f"{_step(info, value, True)}, interval not known yet"
    return f"{_step(info, value, True)} (95%: {_step(info, low)} to {_step(info, high)})"


def _hover(info: CompareInfo, i: int) -> list[str]:
    verdict = _word(info.verdicts[i]) if info.verdicts[i] else NO_DIFFERENCE
    line = f"{_with_interval(info, i)}: {verdict}"
    if i < len(info.tasks):
        scores = f"A {_number(info, info.a[i])}, B {_number(info, info.b[i])}"
        return [info.tasks[i], line, f"{scores} · {_examples(info, i)}"]
    if i == len(info.tasks):
        a, b = (_number(info, x) for x in info.totals[0])
        return [_total_names(info)[0], line, f"A {a}, B {b} over {len(info.tasks)} tasks"]
    a, b = (_number(info, x) for x in info.totals[1])
    names = f"A {info.tasks[info.worst_a]} {a}, B {info.tasks[info.worst_b]} {b}"
    return [_total_names(info)[1], line, names]


def _examples(info: CompareInfo, i: int) -> str:
    kind = "examples" if _is_share(info) else "passages"
    return f"{int(info.n[i]):,} {kind} of {info.split}"


def _number(info: CompareInfo, value: float) -> str:
    return percent(value) if _is_share(info) else plain_number(value, 3)


def _meta(info: CompareInfo) -> dict[str, Any]:
    return {
        "title": "What does each task gain or lose from A to B?",
        "look": _look(info),
        "caption": _caption(info),
        "alt": _alt(info),
        "table": _table(info),
        "kind": "measured" if info.measured else "estimated",
        "split": info.split,
        "n": int(info.n.sum()),
    }


def _look(info: CompareInfo) -> str:
    verdicts = info.verdicts[: len(info.tasks)]
    counts = [(int((verdicts == v).sum()), _word(v)) for v in (1, -1, 0)]
    mean = info.rows[len(info.tasks)]
    total = "is no different" if info.verdicts[len(info.tasks)] == 0 else "changes"
    if not any(n for n, word in counts if word != NO_DIFFERENCE):
        first = "B against A: no difference is seen on any task."
    else:
        said = ", ".join(f"{word} on {n}" for n, word in counts[:2] if n)
        rest = f", {NO_DIFFERENCE} on {counts[2][0]}" if counts[2][0] else ""
        first = f"B against A: {said}{rest} of {len(info.tasks)} tasks."
    ends = f"95%: {_step(info, mean[1])} to {_step(info, mean[2])}"
    name = "mean of normalised scores" if info.normalised else "mean"
    return f"{first} The {name} {total}: {_step(info, mean[0], True)} ({ends})."


def _caption(info: CompareInfo) -> str:
    kind = "B minus A" if info.measured else "B minus A, estimated (open)"
    which = "B is the merge on this page." if info.live else "A and B are both pinned."
    share = " Normalised: as shares of each expert's best." if info.normalised else ""
    fonts = info.groups < info.n
    shared = " Images that share a font are resampled together." if fonts.any() else ""
    return (
        f"Dot: {kind}, on the same examples, with its paired 95% interval.{shared}{share} {which}"
    )


def _alt(info: CompareInfo) -> str:
    names = [*info.tasks, *_total_names(info)]
    rows = [f"{name} {_hover(info, i)[1]}" for i, name in enumerate(names)]
    return f"Changes from merge A to merge B: {'; '.join(rows)}."


def _table(info: CompareInfo) -> dict[str, Any]:
    columns = ["task", "A", "B", "B − A", "low", "high", "verdict", "only A right",
               "only B right", "n", "independent groups"]  # fmt: skip
    if not _is_share(info):
        columns[7:9] = ["A needs fewer bits", "B needs fewer bits"]
    rows: list[list[Any]] = [
        [task, float(info.a[i]), float(info.b[i]), *map(float, info.change[i]),
         _word(info.verdicts[i]), float(info.only_a[i]), float(info.only_b[i]),
         int(info.n[i]), int(info.groups[i])]
        for i, task in enumerate(info.tasks)
    ]  # fmt: skip
    count, blank = len(info.tasks), [None, None, None, None]
    a, b = (info.tasks[i] for i in (info.worst_a, info.worst_b))
    mean, worst = _total_names(info)
    names = [mean, f"{worst} ({a if a == b else f'{a} → {b}'})"]
    for i, name in enumerate(names):
        rows.append([name, *map(float, info.totals[i]), *map(float, info.rows[count + i]),
                     _word(info.verdicts[count + i]), *blank])  # fmt: skip
    return {"columns": columns, "rows": rows}
