"""What the cards of the tour say: every number and every verdict comes from what is measured."""

from collections.abc import Sequence

import numpy as np

from merger.diagnostics.signs import SignsInfo
from merger.diagnostics.tasks import TaskBars
from merger.intervals import Interval, mean_interval
from merger.search.objective import Measured, Objective
from merger.search.pareto import ParetoInfo
from merger.training import TrainingInfo
from merger.words import listed
from viz.figures.cells import look_at_cells
from viz.figures.pareto_words import interval, number
from viz.figures.training_words import merge_name, score, verdict
from viz.figures.words import against_chance, percent, signed
from viz.jobs_view import in_bytes


def of_average(bars: TaskBars) -> str:
    """Return what a merge keeps of its experts' accuracy, and where it loses most."""
    merged = mean_interval(_rows(bars.merged, bars.low, bars.high))
    own, base = float(np.mean(bars.expert)), float(np.mean(bars.base))
    said = (
        f"It reaches {_sure(merged)} mean accuracy over {len(bars.tasks)} tasks ({_about(bars)}). "
        f"Each expert alone reaches {percent(own)} on its own task, the base {percent(base)}."
    )
    if merged.low <= own <= merged.high:
        return f"{said} No difference from the experts is seen."
    far = f"{100 * abs(own - merged.value):.1f} points"
    if merged.value > own:
        return f"{said} That is {far} more than the experts."
    at = int(np.argmax(bars.loss))
    most = f"{percent(bars.merged[at])} instead of {percent(bars.expert[at])}"
    return f"{said} {far} are lost, most on {bars.tasks[at]}: {most}."


def of_conflict(info: SignsInfo) -> str:
    """Return how much the experts disagree in sign beside chance, and where most."""
    parts = (float(x) for x in (info.mass.value, info.mass.null, info.mass.half))
    value, null, half = parts
    return (
        f"{percent(value)} of what the experts change lies on weights that they pull in opposite "
        f"directions: {against_chance(value, null, half)}. "
        f"{look_at_cells(info.grid, info.cell_mass, 'conflict')}"
    )


def of_training(info: TrainingInfo) -> str:
    """Return when the experts and when their merge are best, and whether that differs."""
    own, name = info.best(info.own_mean), merge_name(info)
    whole = bool(np.isfinite(info.fixed[:, 0]).all())
    alone = ""
    if own is not None and np.isfinite(info.own_mean[:, 0]).all():
        value = score(info, float(info.own_mean[own, 0]))
        alone = f"By themselves the experts are best at step {info.steps[own]} ({value}). "
    best = info.best(info.fixed) if whole else None
    if best is None or own is None:
        done = int(np.isfinite(info.fixed[:, 0]).sum())
        known = f"is known at {done} of {len(info.steps)} steps" if done else "is not measured yet"
        return (
            f"{alone}How their merge ({name}) does along training {known}: press “Measure”. It "
            "runs in the background; go on whenever you like."
        )
    value = score(info, float(info.fixed[best, 0]))
    if best == own:
        said = f"{alone}So is their merge ({name}: {value})."
    else:
        found = verdict(info, info.fixed_gain, int(info.steps[own]))
        said = (
            f"{alone}Their merge ({name}) is best at step {info.steps[best]} ({value}): {found}."
        )
    return f"{said} {_of_tuned(info, own)}".strip()


def _of_tuned(info: TrainingInfo, own: int) -> str:
    best = info.best(info.tuned) if np.isfinite(info.tuned[:, 0]).all() else None
    if best is None:
        return ""
    first = f"With the factor chosen anew at each step it is best at step {info.steps[best]}"
    if best == own:
        return f"{first}, as they are."
    return f"{first}: {verdict(info, info.tuned_gain, int(info.steps[own]))}."


def of_change(bars: TaskBars, this: str, other: str) -> str:
    """Return what one merge gains or loses against another, paired over the same examples.

    Args:
        bars: The first merge, with the second one pinned.
        this: What the first one is called in the sentence.
        other: What the second one is called.
    """
    ours = mean_interval(_rows(bars.merged, bars.low, bars.high))
    theirs = float(np.mean(bars.pinned))
    said = f"{this} reaches {percent(ours.value)} mean accuracy, {other} {percent(theirs)}"
    if not np.isfinite(theirs) or len(bars.change_low) != len(bars.tasks):
        return f"{this} reaches {_sure(ours)} mean accuracy ({_about(bars)})."
    rows = _rows(bars.merged - bars.pinned, bars.change_low, bars.change_high)
    change = mean_interval(rows)
    ends = f"paired 95%: {_points(change.low)} to {_points(change.high)}; {_about(bars)}"
    if not change.sees_difference:
        return f"{said}: no difference seen ({_points(change.value)} points, {ends})."
    return f"{said}: {_points(change.value)} points ({ends}). {_by_task(rows)}"


def _by_task(rows: Sequence[Interval]) -> str:
    gain, lose = sum(r.low > 0 for r in rows), sum(r.high < 0 for r in rows)
    counts = ((gain, "gain"), (lose, "lose"))
    parts = [f"{n} {word}{'s' * (n == 1)}" for n, word in counts if n]
    if not parts:
        return f"For none of the {len(rows)} tasks alone is a difference seen."
    rest = len(rows) - gain - lose
    if max(gain, lose) == len(rows):
        return f"All {len(rows)} tasks {'gain' if gain else 'lose'}."
    said = f"Of {len(rows)} tasks {listed(parts)}"
    return f"{said}; for {rest} no difference is seen." if rest else f"{said}."


def of_front(info: ParetoInfo) -> str:
    """Return how many merges are scored, and how many of them no other beats."""
    count, best = len(info.cloud.digests), int(info.cloud.on_front.sum())
    axes = f"“{info.x.title}” and “{info.y.title}”"
    if not count:
        return f"No merge is scored here yet. The axes are {axes}."
    scored = "1 merge is scored" if count == 1 else f"{count:,} merges are scored"
    beaten = "1 is" if best == 1 else f"{best:,} are"
    return f"{scored} here so far; {beaten} beaten by no other on both {axes}: the front."


def best_of_front(info: ParetoInfo) -> int | None:
    """Return which merge of the cloud is best on the second axis; None without one."""
    values = info.cloud.y[:, 0] * (1.0 if info.y.higher_is_better else -1.0)
    return int(np.argmax(values)) if len(values) else None


def of_knee(info: ParetoInfo) -> str:
    """Return where the knee of the front lies, and what its best end gives beyond it."""
    cloud, best = info.cloud, best_of_front(info)
    count = int(cloud.on_front.sum())
    if best is None:
        return "No merge is scored here yet, so there is no front to have a knee."
    at = info.knee
    if at is None:
        return (
            f"The front has {count} merge{'s' * (count != 1)} and no knee yet: explore more. This "
            f"is its best end: {_place(info, best)}."
        )
    more = _amount(abs(float(cloud.y[best, 0] - cloud.y[at, 0])), info.y)
    there = number(float(cloud.x[best, 0]), info.x)
    return (
        f"Of {count} merges on the front this one bulges out most: {_place(info, at)}. The best "
        f"of them on “{info.y.title}” is {more} better, at {there}."
    )


def of_output(words: str, size_bytes: int) -> str:
    """Return what a real merge would write.

    Args:
        words: The recipe in words.
        size_bytes: Bytes of the weights.
    """
    return (
        f"On the page is {words}. Pressed, the button writes it as a model folder of "
        f"{in_bytes(size_bytes)} of weights, in the background; until then nothing is written."
    )


def of_link(words: str) -> str:
    """Return what the link of the page holds."""
    return f"The link holds what is on the page: {words}. Whoever opens it sees these numbers."


def _place(info: ParetoInfo, at: int) -> str:
    cloud = info.cloud
    said = []
    for axis, rows in ((info.y, cloud.y), (info.x, cloud.x)):
        value, low, high = map(float, rows[at])
        said.append(f"{_low(axis.title)} {interval(Measured(value, low, high, 0), axis)}")
    about = f" (n {cloud.n[at]:,}, {info.split})" if cloud.n[at] else ""
    return " at ".join(said) + about


def _low(title: str) -> str:
    return title[:1].lower() + title[1:]


def _amount(more: float, objective: Objective) -> str:
    if objective.unit == "share":
        return f"{100 * more:.1f} points"
    return number(more, objective)


def _rows(value: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[Interval]:
    return [Interval(*map(float, row)) for row in zip(value, low, high, strict=True)]


def _sure(found: Interval) -> str:
    return f"{percent(found.value)} (95%: {percent(found.low)} to {percent(found.high)})"


def _about(bars: TaskBars) -> str:
    estimate = "" if bars.measured else "preview, "
    return f"{estimate}n {int(bars.n.sum()):,}, {bars.split}"


def _points(change: float) -> str:
    return signed(100 * change, 1)
