"""The scored merges as a table: one page of it, sorted, with every number in words."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from merger.search.front import front
from merger.search.objective import Objective
from merger.search.trial import Trial, points_of
from viz.figures.pareto_words import interval
from viz.scene import Scene
from viz.screens.pareto import axes_of, shown_trials, split_of, wanted

PAGE = 25
OTHERS = ("mean", "worst")


def table_of(scene: Scene, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return one page of the visitor's merges.

    Args:
        scene: What is on screen, with the visitor's history.
        asked: `sort` (a column), `descending` and `page`; untrusted.
    """
    trials, split = shown_trials(scene), split_of(scene)
    columns = _columns(scene)
    best = _front(trials, axes_of(scene))
    order = _sorted(trials, columns, split, asked)
    pages = max(1, -(-len(order) // PAGE))
    page = asked.get("page")
    at = min(max(page, 0), pages - 1) if isinstance(page, int) else 0
    return {
        "columns": [{"key": o.name, "title": o.title} for o in columns],
        "rows": [
            _row(trials[i], columns, split, best[i]) for i in order[at * PAGE : (at + 1) * PAGE]
        ],
        "page": at,
        "pages": pages,
        "total": len(trials),
        "split": split,
        "tested": sum(bool(t.test) for t in trials),
        "untested": sum(best[i] and not t.test for i, t in enumerate(trials)),
    }


def _columns(scene: Scene) -> list[Objective]:
    x, y = axes_of(scene)
    known = {o.name: o for o in wanted(scene)}
    names = dict.fromkeys([x.name, y.name, *OTHERS])
    return [known[name] for name in names][:4]


def _front(trials: Sequence[Trial], axes: tuple[Objective, Objective]) -> list[bool]:
    senses = [o.higher_is_better for o in axes]
    return front(points_of(trials, axes), senses).tolist()


def _sorted(
    trials: Sequence[Trial], columns: Sequence[Objective], split: str, asked: Mapping[str, Any]
) -> list[int]:
    """Return the places of trials in the order asked for; what is unknown comes last."""
    sort, down = asked.get("sort"), asked.get("descending") is not False
    keys: dict[str, Callable[[Trial], Any]] = {
        "words": lambda t: t.words.casefold(),
        "note": lambda t: t.note.casefold() or None,
        "pinned": lambda t: t.pinned,
    }
    for objective in columns:
        keys[objective.name] = lambda t, o=objective: _value(t, o, split)
    key = keys.get(sort if isinstance(sort, str) else "", lambda t: t.created)
    places = range(len(trials))
    values = [key(t) for t in trials]
    known = sorted((i for i in places if values[i] is not None), key=lambda i: values[i])
    rest = [i for i in places if values[i] is None]
    return [*(reversed(known) if down else known), *rest]


def _value(trial: Trial, objective: Objective, split: str) -> float | None:
    found = trial.on(split).get(objective.name)
    return None if found is None else found.value


def _row(trial: Trial, columns: Sequence[Objective], split: str, on_front: bool) -> dict[str, Any]:
    found = [(o, trial.on(split).get(o.name)) for o in columns]
    return {
        "digest": trial.digest,
        "words": trial.words,
        "cells": ["–" if m is None else interval(m, o) for o, m in found],
        "n": [0 if m is None else m.n for _, m in found],
        "created": trial.created,
        "note": trial.note,
        "pinned": trial.pinned,
        "shipped": trial.shipped,
        "front": on_front,
        "drawn": trial.origin == "explore",
    }
