"""What the merged model gains and loses on every task."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from merger.diagnostics.tasks import TaskBars
from viz.figures.figure import Figure, Values, axis, build, labelled, patch
from viz.figures.words import percent, plain_number, points, short, signed
from viz.theme import TICK, expert_colours

ROW = 46
HEAD = 84
NUMBERS = 62  # pixels right of the axis, where numbers stand in a column of their own
CHANGES = 58  # and the changes against the pin beside them
DOT = 22  # pixels from the end of the axis to the numbers, so that no diamond lies on one, twice
EXTRA = "<extra></extra>"
UNIFORM = 8.0  # bits per byte of a model that knows nothing


def draw_tasks(info: TaskBars, colours: Mapping[str, str] | None = None) -> Figure:
    """Draw one bar per task: the merged model beside the base, the task's expert and the pin.

    Args:
        info: The scores.
        colours: Colour token by expert, as on the chips.
    """
    top = _top(info)
    ticks = {"tickvals": [0, 0.25, 0.5, 0.75, 1]} if _is_share(info) else {"nticks": 5}
    layout = {
        "xaxis": axis(_axis_title(info), range=[0, top], **ticks,
                      tickformat=".0%" if _is_share(info) else ".2~f"),
        "yaxis": labelled([short(t) for t in info.tasks],
                          range=[len(info.tasks) - 0.5, -0.5]),
        "barmode": "overlay",
        "showlegend": True,
        "legend": {"traceorder": "normal"},
        "margin": {"r": NUMBERS + CHANGES * _is_pinned(info)},
    }  # fmt: skip
    height = HEAD + ROW * max(2, len(info.tasks))
    meta = {**_meta(info), "height": height, "link": "rows", "experts": list(info.owners)}
    return build(_styles(info, colours), _values(info, top), layout, meta)


def patch_tasks(info: TaskBars) -> dict[str, Any]:
    """Move the bars; the axis keeps its range."""
    return patch(_values(info, _top(info)), _meta(info))


def _is_share(info: TaskBars) -> bool:
    return info.metric != "bits_per_byte"


def _has_experts(info: TaskBars) -> bool:
    return bool(np.isfinite(info.expert).any())


def _has_base(info: TaskBars) -> bool:
    return bool(np.isfinite(info.base).any())


def _is_pinned(info: TaskBars) -> bool:
    return bool(np.isfinite(info.pinned).any())


def _top(info: TaskBars) -> float:
    """Return where bars end at most; what a slider moves has no say, so that the axis stays."""
    if _is_share(info):
        return 1.0
    known = np.concatenate([info.base, info.expert])
    known = known[np.isfinite(known)]
    return 1.25 * float(known.max()) if len(known) and known.max() > 0 else UNIFORM


def _axis_title(info: TaskBars) -> str:
    if info.metric == "bits_per_byte":
        return "bits per byte (lower is better)"
    return f"{info.metric.replace('_', ' ')} (higher is better)"


def _number(info: TaskBars, value: float) -> str:
    return percent(value) if _is_share(info) else plain_number(value, 3)


def _styles(info: TaskBars, colours: Mapping[str, str] | None) -> list[dict[str, Any]]:
    ink = expert_colours(info.owners, colours)
    places = list(range(len(info.tasks)))
    bar = {"type": "bar", "orientation": "h", "y": places, "width": 0.5, "showlegend": False}
    mark = {"type": "scatter", "mode": "markers", "y": places, "cliponaxis": False}
    spread = {"error_x": {"type": "data", "symmetric": False, "color": "@text", "thickness": 1.5,
                         "width": 4}}  # fmt: skip
    hover = "<b>%{customdata[0]}</b><br>%{customdata[1]}<br>%{customdata[2]}" + EXTRA
    return [
        {**bar, "name": "pinned", "width": 0.8, "showlegend": _is_pinned(info), "legendrank": 2000,
         "hovertemplate": f"pinned %{{x}}{EXTRA}",
         "marker": {"color": "@pin/0.18", "line": {"color": "@pin", "width": 1}}},
        {**bar, **spread, "name": "merged", "marker": {"color": ink}, "hovertemplate": hover},
        {**bar, **spread, "name": "merged, preview", "hovertemplate": hover,
         "marker": {"color": ink, "line": {"color": ink, "width": 1.5},
                    "pattern": {"shape": "/", "fillmode": "replace", "solidity": 0.4, "size": 6}}},
        {**mark, "name": "base", "showlegend": _has_base(info),
         "hovertemplate": f"base %{{text}}{EXTRA}",
         "marker": {"symbol": "line-ns", "size": 22, "line": {"color": "@muted", "width": 3}}},
        {**mark, "name": "own expert", "showlegend": _has_experts(info),
         "hovertemplate": f"own expert %{{text}}{EXTRA}",
         "marker": {"symbol": "diamond", "size": 11, "color": "@card",
                    "line": {"color": "@text", "width": 2}}},
        {**mark, "mode": "markers+text", "name": "value", "hoverinfo": "skip", "showlegend": False,
         "marker": {"size": DOT, "opacity": 0}, "textposition": "middle right",
         "textfont": {"size": TICK, "color": "@text"}},
    ]  # fmt: skip


def _values(info: TaskBars, top: float) -> Values:
    def inside(values: np.ndarray) -> np.ndarray:
        return np.minimum(values, top)

    merged, low, high = (inside(x) for x in (info.merged, info.low, info.high))
    # Plotly leaves bars unstyled that appear while moving: what is hidden waits off the axis.
    away = np.full(len(info.tasks), -top)
    up, down = (np.nan_to_num(np.maximum(x, 0.0)) for x in (high - merged, merged - low))
    words = [_hover(info, i) for i in range(len(info.tasks))]
    about = "" if info.measured else "≈"

    def bar(shown: bool) -> dict[str, Any]:
        return {
            "x": np.where(np.isfinite(merged), merged, away) if shown else away,
            "error_x": {"array": up * shown, "arrayminus": down * shown},
            "customdata": words,
        }

    return {
        "pinned": {"x": np.nan_to_num(inside(info.pinned))},
        "merged": bar(info.measured),
        "merged, preview": bar(not info.measured),
        "base": {"x": inside(info.base), "text": [_number(info, v) for v in info.base]},
        "own expert": {"x": inside(info.expert), "text": [_number(info, v) for v in info.expert]},
        "value": {
            "x": np.full(len(info.tasks), top),
            "text": [
                f"{about}{_number(info, v)}{_change(info, i)}" for i, v in enumerate(info.merged)
            ],
        },
    }


def _hover(info: TaskBars, i: int) -> list[str]:
    kind = "measured on" if info.measured else "estimated from"
    unit = "examples" if _is_share(info) else "windows"
    ends = f"{_number(info, info.low[i])} to {_number(info, info.high[i])}"
    return [
        info.tasks[i],
        f"merged {_number(info, info.merged[i])} (95%: {ends})",
        f"{kind} {int(info.n[i]):,} {unit} of {info.split}",
    ]


def _meta(info: TaskBars) -> dict[str, Any]:
    sure = (
        "with its 95% interval" if info.measured else "estimated (hatched), with its 95% interval"
    )
    diamond = " Diamond: the task's own expert." if _has_experts(info) else ""
    line = " Line: the base." if _has_base(info) else ""
    drawn = f"Bar: the merged model, {sure}.{line}{diamond}"
    pin = " Beside the number: the change against the pin." if _is_pinned(info) else ""
    meta = {
        "title": "What does each task gain and lose?",
        "look": _look(info),
        "caption": f"{drawn}{pin}",
        "alt": _alt(info),
        "table": _table(info),
        "kind": "measured" if info.measured else "estimated",
        "split": info.split,
    }
    return meta | ({"n": int(np.nansum(info.n))} if len(info.n) else {})


def _look(info: TaskBars) -> str:
    parts = []
    if np.isfinite(info.loss).any():
        worst = int(np.nanargmax(info.loss))
        if info.loss[worst] > 0:
            parts.append(
                f"{info.tasks[worst]} loses most against its expert ({_loss(info, worst)})."
            )
        else:
            parts.append("No task loses against its expert.")
    elif np.isfinite(info.merged - info.base).any():
        parts.append(_against_base(info))
    if _is_pinned(info):
        parts.append(_against_pin(info))
    return " ".join(parts) or _best_and_worst(info)


def _best_and_worst(info: TaskBars) -> str:
    known = np.flatnonzero(np.isfinite(info.merged))
    if not len(known):
        return "Nothing is known yet of these tasks."
    order = [int(i) for i in known[np.argsort(info.merged[known], kind="stable")]]
    worst, best = (order[0], order[-1]) if info.higher_is_better else (order[-1], order[0])
    unit = "" if _is_share(info) else " bits per byte"
    words = f"{info.tasks[best]} goes best ({_number(info, info.merged[best])}{unit})"
    if best == worst:
        return f"{words}."
    return f"{words}, {info.tasks[worst]} worst ({_number(info, info.merged[worst])})."


def _against_base(info: TaskBars) -> str:
    gain = info.merged - info.base
    most = int(np.nanargmax(gain if info.higher_is_better else -gain))
    step = float(gain[most])
    better = step > 0 if info.higher_is_better else step < 0
    words = points(step) if _is_share(info) else f"{signed(step, 3)} bits per byte"
    if better:
        return f"{info.tasks[most]} gains most over the base ({words})."
    return f"No task gains over the base; {info.tasks[most]} comes closest ({words})."


def _loss(info: TaskBars, i: int) -> str:
    if _is_share(info):
        return points(-float(info.loss[i]))
    return f"{signed(float(info.loss[i]), 3)} bits per byte"


def _change(info: TaskBars, i: int) -> str:
    """Return what stands beside a number: its change against the pin, "=" for none seen."""
    step = float(info.merged[i] - info.pinned[i])
    if not np.isfinite(step):
        return ""
    if len(info.change_low) and not info.sees_change[i]:
        return "  ="
    return f"  {signed(100 * step, 1) if _is_share(info) else signed(step, 3)}"


def _against_pin(info: TaskBars) -> str:
    if not len(info.change_low):
        return "How sure the changes against the pin are is not known yet."
    better = int((info.sees_change & (info.change > 0)).sum())
    worse = int((info.sees_change & (info.change < 0)).sum())
    if not better and not worse:
        return "Against the pin, no difference is seen on any task."
    rest = int(np.isfinite(info.change).sum()) - better - worse
    counts = ((better, "better"), (worse, "worse"), (rest, "no difference seen"))
    words = ", ".join(f"{n} {word}" for n, word in counts if n)
    return f"Against the pin, of {len(info.tasks)} tasks: {words}."


def _alt(info: TaskBars) -> str:
    rows = [
        f"{task} {_number(info, info.merged[i])} (base {_number(info, info.base[i])}, "
        f"own expert {_number(info, info.expert[i])})"
        for i, task in enumerate(info.tasks)
    ]
    kind = "Measured" if info.measured else "Estimated"
    return f"{kind} {info.metric.replace('_', ' ')} of the merged model: {'; '.join(rows)}."


def _table(info: TaskBars) -> dict[str, Any]:
    columns = ["task", "merged", "low", "high", "base", "own expert", "pinned", "n"]
    lists = (info.merged, info.low, info.high, info.base, info.expert, info.pinned, info.n)
    rows = [[task, *(float(v[i]) for v in lists)] for i, task in enumerate(info.tasks)]
    return {"columns": columns, "rows": rows}
