"""The words of the training curves, all computed from the numbers that are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from merger.training.info import TrainingInfo
from viz.figures.words import percent, plain_number, points, signed

if TYPE_CHECKING:
    from viz.figures.training import TrainingView

TITLE = "When should training stop?"


def score(info: TrainingInfo, value: float) -> str:
    """Return a score as people read it."""
    return percent(value) if info.higher_is_better else plain_number(value, 3)


def change(info: TrainingInfo, value: float) -> str:
    """Return by how much better something is; fewer bits are better."""
    if info.higher_is_better:
        return points(value)
    return f"{signed(value, 3)} bits per byte saved"


def merge_name(info: TrainingInfo) -> str:
    """Return the method with its factor, such as "TIES, scale 0.3"."""
    return f"{info.method}, {info.setting}" if info.setting else info.method


def point_words(view: TrainingView, name: str, index: int) -> str:
    """Return what a point says when it is pointed at."""
    info = view.info
    step = int(info.steps[index])
    curves = {"merged": info.fixed, "merged, factor tuned": info.tuned,
              "experts, mean": info.own_mean}  # fmt: skip
    if name == "base":
        return f"base: {_sure(info, info.base, info.n)}"
    if name == "present merge":
        kind = "measured" if view.now_measured else "estimated"
        return f"the merge on this page, {kind}: {_sure(info, view.now, 0)}"
    sure = _sure(info, curves[name][index], info.n)
    return f"{_curve_name(info, name, index)}, step {step}: {sure}"


def own_words(info: TrainingInfo, expert: int, index: int) -> str:
    """Return what a point of an expert's own curve says."""
    sure = _sure(info, info.own[expert, index], int(info.own_n[expert]))
    return f"{info.experts[expert]}, step {int(info.steps[index])}: own score {sure}"


def meta_of(view: TrainingView) -> dict[str, Any]:
    """Return title, captions, description and table."""
    info = view.info
    kind = {"kind": "measured"} if info.complete else {}
    n = {"n": info.n} if info.n else {}
    return {
        "title": TITLE,
        "look": _look(view),
        "caption": _caption(info),
        "alt": _alt(info),
        "table": _table(info),
        "split": info.split,
        **kind,
        **n,
    }


def _curve_name(info: TrainingInfo, name: str, index: int) -> str:
    if name == "merged":
        return merge_name(info)
    if name == "experts, mean":
        return "mean of the experts' own scores"
    return f"{info.method}, {_chosen(info, index)}"


def _chosen(info: TrainingInfo, index: int) -> str:
    a, b = info.chosen[index]
    if not np.isfinite(a):
        return "tuned"
    what = "scale" if info.scale == "scale" else "coefficients"
    factors = f"× {a:g}" if a == b else f"× {a:g} and × {b:g} on either half"
    return f"{what} {factors}"


def _sure(info: TrainingInfo, row: np.ndarray, n: int) -> str:
    if not np.isfinite(row[0]):
        return "not measured yet"
    words = score(info, float(row[0]))
    if np.isfinite(row[1]):
        words += f" (95%: {score(info, float(row[1]))} to {score(info, float(row[2]))})"
    unit = "n" if info.higher_is_better else "bytes"
    return f"{words}, {unit} {n:,}" if n else words


def _look(view: TrainingView) -> str:
    info = view.info
    whole = [bool(np.isfinite(c[:, 0]).all()) for c in (info.own_mean, info.fixed, info.tuned)]
    if not whole[1]:
        return _unfinished(info)
    own, best = info.best(info.own_mean), info.best(info.fixed)
    assert own is not None and best is not None
    parts = [_optima(info, own, best, info.fixed_gain, merge_name(info)), _base(info, best)]
    if whole[2] and info.scale:
        tuned = info.best(info.tuned)
        assert tuned is not None
        parts.append(_tuned(info, tuned, own))
    elif info.scale and not info.complete:
        parts.append("The tuned curve is still being measured.")
    return " ".join(part for part in parts if part)


def _unfinished(info: TrainingInfo) -> str:
    done = int(np.isfinite(info.fixed[:, 0]).sum())
    if done:
        return f"Measured at {done} of {len(info.steps)} steps so far."
    own = info.best(info.own_mean)
    known = "" if own is None or not np.isfinite(info.own_mean[:, 0]).all() else (
        f"The experts themselves are best at step {info.steps[own]} "
        f"({score(info, float(info.own_mean[own, 0]))}). "
    )  # fmt: skip
    return f"{known}How {merge_name(info)} does along the steps is not measured yet."


def _optima(info: TrainingInfo, own: int, best: int, gain: np.ndarray, name: str) -> str:
    steps = info.steps
    first = (
        f"The experts' own scores are best at step {steps[own]} "
        f"({score(info, float(info.own_mean[own, 0]))})"
    )
    value = score(info, float(info.fixed[best, 0]))
    if own == best:
        return f"{first}, and so is their merge ({name}: {value})."
    said = verdict(info, gain, int(steps[own]))
    return f"{first}; merged ({name}) at step {steps[best]} ({value}): {said}."


def verdict(info: TrainingInfo, gain: np.ndarray, step: int) -> str:
    """Return what a paired gain over another step says, such as "no difference seen"."""
    value, low, high = (float(v) for v in gain)
    ends = f"paired 95%: {_bare(info, low)} to {_bare(info, high)}"
    if low <= 0 <= high:
        return f"no difference seen from step {step} ({change(info, value)}, {ends})"
    return f"{change(info, value).lstrip('+')} better than at step {step} ({ends})"


def _bare(info: TrainingInfo, value: float) -> str:
    return signed(100 * value, 1) if info.higher_is_better else signed(value, 3)


def _base(info: TrainingInfo, best: int) -> str:
    if not np.isfinite(info.base[0]):
        return ""
    last = float(info.fixed[-1, 0] - info.base[0]) * (1 if info.higher_is_better else -1)
    fall = info.fixed_fall
    if best == len(info.steps) - 1 or not np.isfinite(fall[0]):
        return ""
    if fall[1] <= 0:
        return "From there to the last step no difference is seen."
    below = " and ends below the base" if last < 0 else ""
    return (
        f"From there to the last step it loses {change(info, float(fall[0])).lstrip('+')}{below}."
    )


def _tuned(info: TrainingInfo, best: int, own: int) -> str:
    what = "scale" if info.scale == "scale" else "coefficients"
    value = score(info, float(info.tuned[best, 0]))
    words = f"With the {what} tuned at each step: best at step {info.steps[best]} ({value})"
    if best == own:
        return f"{words}, where the experts are."
    return f"{words}, {verdict(info, info.tuned_gain, int(info.steps[own]))}."


def _caption(info: TrainingInfo) -> str:
    own = "each on its own task" if info.owned else "each on every text"
    parts = [
        f"Thin lines: the experts' own scores, {own}. Diamonds: their merge under the settings of "
        "this page, the mean over those tasks."
    ]
    if info.scale:
        what = "scale" if info.scale == "scale" else "all coefficients"
        parts.append(
            f"Squares: {what} multiplied by the best of {len(info.tried)} factors, chosen on one "
            "half of the examples and reported on the other."
        )
    elif info.why_not_tuned:
        parts.append(f"Nothing is tuned: {info.why_not_tuned.rstrip('.')}.")
    parts.append("Stars: best steps. Dotted: where the experts stand. Click a point to go there.")
    return " ".join(parts)


def _alt(info: TrainingInfo) -> str:
    rows = [
        f"step {step}: experts {score(info, float(o))}, merged {score(info, float(m))}"
        for step, o, m in zip(info.steps, info.own_mean[:, 0], info.fixed[:, 0], strict=True)
    ]
    return f"{info.metric.replace('_', ' ').capitalize()} by training step; {'; '.join(rows)}."


def _table(info: TrainingInfo) -> dict[str, Any]:
    ends = ("", "low", "high")
    curves = (("experts, mean", info.own_mean), ("merged", info.fixed), ("tuned", info.tuned))
    columns = ["step", *(f"{name} {end}".strip() for name, _ in curves for end in ends)]
    columns += ["merged, share of experts' best", "tuned, share", "factors tuned on halves"]
    columns += [f"{name} {end}".strip() for name in info.experts for end in ends]
    rows = []
    for i, step in enumerate(info.steps.tolist()):
        shares = [float(info.normalised[0, i]), float(info.normalised[1, i]), _factors(info, i)]
        own = [float(v) for curve in info.own for v in curve[i]]
        row = [float(v) for _, curve in curves for v in curve[i]]
        rows.append([step, *row, *shares, *own])
    return {"columns": columns, "rows": rows}


def _factors(info: TrainingInfo, index: int) -> str:
    pair = info.chosen[index]
    return " / ".join(f"{v:g}" for v in pair) if np.isfinite(pair).all() else ""
