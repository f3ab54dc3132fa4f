"""Scored rows of the library as trials, with everything they can be compared by."""

from collections.abc import Mapping, Sequence
from typing import Any

from merger.intervals import Interval, mean_interval
from merger.parts import is_owned
from merger.scored import ScoredRecipe
from merger.search.objective import Measured, TaskScale
from merger.search.trial import Trial

Values = dict[str, Measured]


def trials_of(rows: Sequence[ScoredRecipe], scales: Sequence[TaskScale]) -> tuple[Trial, ...]:
    """Return one trial per merge, in the order of its first row.

    Args:
        rows: Rows of one anchor; a merge may have one for validation and one for test, and a
            shipped one beside the visitor's own, which is preferred.
        scales: The tasks that they are compared on; rows that were scored on others are left out.
    """
    merges: dict[str, dict[str, ScoredRecipe]] = {}
    for row in rows:
        if _fits(row, scales):
            splits = merges.setdefault(row.digest, {})
            mine = splits.get(row.split)
            if mine is None or (not mine.owner and row.owner):
                splits[row.split] = row
    return tuple(_trial(splits, scales) for splits in merges.values() if "validation" in splits)


def values_of(
    scores: Mapping[str, Any],
    scales: Sequence[TaskScale],
    experts: Sequence[str],
    base: Mapping[str, float],
    *,
    norm: float | None = None,
    size_bytes: int | None = None,
) -> Values:
    """Return what a merge reached, by name of the objective; what is not known is left out.

    A mean and a worst task need a score on every task: over fewer, they would say something else.

    Args:
        scores: The JSON shape of a score.
        scales: The tasks, and what their scores are compared with.
        experts: Names of the merged experts.
        base: The base's own score by task on the same split.
        norm: ‖update‖ / ‖base‖.
        size_bytes: What the merge takes to store.
    """
    rows = {row["task"]: row for row in scores.get("tasks", ())}
    split = str(scores.get("split"))
    values: Values = {}
    shares: list[Measured] = []
    kept: list[Measured] = []
    for scale in scales:
        row = rows.get(scale.name)
        if row is None:
            continue
        score = Measured(row["value"], row["low"], row["high"], row["n"])
        values[f"task:{scale.name}"] = score
        share = scale.share(score, _best(row, scale, split))
        shares += [] if share is None else [share]
        own = base.get(scale.name, scale.base.get(split))
        rest = None if is_owned(scale.name, experts) else scale.share(score, own)
        kept += [] if rest is None else [rest]
    if scales and len(shares) == len(scales):
        values["mean"] = _mean(shares)
        values["worst"] = min(shares, key=lambda share: share.value)
    if kept:
        values["retention"] = _mean(kept)
    for name, exact in (("norm", norm), ("bytes", size_bytes)):
        if exact is not None:
            values[name] = Measured(float(exact), float(exact), float(exact), 0)
    return values


def _trial(splits: Mapping[str, ScoredRecipe], scales: Sequence[TaskScale]) -> Trial:
    row, test = splits["validation"], splits.get("test")
    about = row.facts.about
    return Trial(
        digest=row.digest,
        recipe=row.recipe,
        method=str(about.get("method", "")),
        words=str(about.get("words", "")),
        values=_row_values(row, scales),
        test={} if test is None else _row_values(test, scales),
        created=row.created,
        origin=str(about.get("origin", "studio")),
        note=row.note,
        pinned=row.pinned,
        shipped=not row.owner,
        seconds=about.get("seconds"),
    )


def _row_values(row: ScoredRecipe, scales: Sequence[TaskScale]) -> Values:
    facts = row.facts
    base, experts = facts.about.get("base", {}), facts.about.get("experts", ())
    return values_of(
        row.scores, scales, experts, base, norm=facts.norm, size_bytes=facts.size_bytes
    )


def _fits(row: ScoredRecipe, scales: Sequence[TaskScale]) -> bool:
    names = {scale.name for scale in scales}
    return bool(names) and all(task["task"] in names for task in row.scores.get("tasks", ()))


def _best(row: Mapping[str, Any], scale: TaskScale, split: str) -> float | None:
    known = scale.best.get(split)
    if known is not None or not row.get("normalised"):
        return known
    value, share = row["value"], row["normalised"]
    return value / share if scale.higher_is_better else value * share


def _mean(shares: Sequence[Measured]) -> Measured:
    at = mean_interval([Interval(s.value, s.low, s.high) for s in shares])
    return Measured(at.value, at.low, at.high, sum(s.n for s in shares))
