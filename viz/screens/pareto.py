"""Pareto & history: every scored merge as a point, and which of them no other beats."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from merger.diagnostics.norms import NormsInfo
from merger.errors import TaskError
from merger.live import LiveSet
from merger.search.history import values_of
from merger.search.objective import Objective, TaskScale, objectives_for
from merger.search.pareto import Cloud, Mark, ParetoInfo, mark, measure_cloud
from merger.search.trial import Trial, Values
from merger.sizes import stored_bytes
from merger.spec import METHODS
from merger.words import recipe_in_words
from viz.archive import scales_of
from viz.figures.pareto import draw_pareto, frame_pareto, patch_pareto
from viz.scene import Scene
from viz.scores import Scores
from viz.spec import PanelSpec, Screen

T = TypeVar("T")
AXES = (("norm", "mean"), ("worst", "mean"))


def wanted(scene: Scene) -> tuple[Objective, ...]:
    """Return what merges of these models can be compared by."""
    return objectives_for(scales_in(scene))


def scales_in(scene: Scene) -> tuple[TaskScale, ...]:
    """Return the tasks of a scene, and what scores on them are compared with."""
    if scene.history is not None:
        return scene.history.scales
    return () if scene.live is None else scales_of(scene.live)


def axes_of(scene: Scene) -> tuple[Objective, Objective]:
    """Return the two axes: the chosen ones, else the first that these models can have."""
    known = {o.name: o for o in wanted(scene)}
    has_base = scene.live is not None and scene.live.models.base is not None
    default = AXES[0] if has_base else AXES[1]
    view = scene.view.get("pareto")
    chosen = view if isinstance(view, dict) else {}
    x, y = (chosen.get(name) for name in "xy")
    return (
        known[x if isinstance(x, str) and x in known else default[0]],
        known[y if isinstance(y, str) and y in known else default[1]],
    )


def shown_trials(scene: Scene) -> tuple[Trial, ...]:
    """Return the visitor's merges, of one method where the page filters."""
    trials = scene.history.trials if scene.history is not None else ()
    method = method_of(scene)
    return tuple(t for t in trials if not method or t.method == method)


def method_of(scene: Scene) -> str:
    """Return the id of the only method shown; empty for all."""
    view = scene.view.get("pareto")
    method = view.get("method") if isinstance(view, dict) else None
    return method if isinstance(method, str) and method in METHODS else ""


def split_of(scene: Scene) -> str:
    """Return where the points stand: on validation unless the switch says test."""
    view = scene.view.get("pareto")
    return "test" if isinstance(view, dict) and view.get("split") == "test" else "validation"


def measure(scene: Scene) -> ParetoInfo:
    """Return what the panel shows.

    Raises:
        TaskError: these models have no task, so nothing can be compared.
    """
    live = scene.live
    if live is None or not live.tasks:
        why = scene.missing or "These models have no task."
        raise TaskError(why, "" if why == scene.family.missing else scene.family.missing)
    axes, split = axes_of(scene), split_of(scene)
    base = _model_values(scene, live, None, "validation", 0.0)
    there = base if split == "validation" else _model_values(scene, live, None, split, 0.0)
    method = method_of(scene)
    return ParetoInfo(
        x=axes[0],
        y=axes[1],
        split=split,
        method=METHODS[method].title if method else "",
        cloud=_cloud(scene, axes, split, base),
        base=mark("base", "The base, merged with nothing", there, axes),
        experts=_experts(scene, live, axes, split),
        pin=_pin(scene, axes, split),
        current=_current(scene, live, axes, split),
    )


def _cloud(
    scene: Scene, axes: tuple[Objective, Objective], split: str, base: Values | None
) -> Cloud:
    key = (*axes, split, method_of(scene))
    return _once(scene, key, lambda: measure_cloud(shown_trials(scene), *axes, split, base))


def _once(scene: Scene, key: Hashable, make: Callable[[], T]) -> T:
    """Return what a slider does not change; made once a change of the visitor's merges."""
    return make() if scene.history is None else scene.history.once(key, make)


def _model_values(
    scene: Scene, live: LiveSet, name: str | None, split: str, norm: float | None
) -> Values | None:
    """Return what the base, or an expert, reaches by itself; None while nobody scored it."""
    if name is None and live.models.base is None:
        return None
    full = live.known_of(name, split)
    if full is None:
        return None

    def make() -> Values:
        scales, experts = scales_in(scene), [] if name is None else [name]
        size = sum(info.nbytes for info in live.models.reference.tensors.values())
        base = {s.name: s.base[split] for s in scales if split in s.base}
        scores = live.report(full).to_json()
        return values_of(scores, scales, experts, base, norm=norm, size_bytes=size)

    return _once(scene, ("model", full.digest, name, split, norm), make)


def _experts(
    scene: Scene, live: LiveSet, axes: tuple[Objective, Objective], split: str
) -> tuple[Mark, ...]:
    norms = _norms(scene)
    found = []
    for i, expert in enumerate(scene.recipe.experts):
        norm = None if norms is None else float(norms.relative[i])
        values = _model_values(scene, live, expert.name, split, norm)
        words = f"{expert.name} alone, merged with nothing"
        found.append(mark(expert.name, words, values, axes))
    return tuple(m for m in found if m is not None)


def _norms(scene: Scene) -> NormsInfo | None:
    if scene.measures is None or scene.merged is None or scene.merged.flat is None:
        return None
    return scene.norms


def _current(
    scene: Scene, live: LiveSet, axes: tuple[Objective, Objective], split: str
) -> Mark | None:
    # What moves with the sliders is scored on validation only.
    if scene.scores is None or scene.merged is None or split != "validation":
        return None
    wants_size = "bytes" in (axes[0].name, axes[1].name)
    size = stored_bytes(live.models.plan(scene.recipe)) if wants_size else None
    norms = _norms(scene)
    norm = None if norms is None else norms.merged / norms.base_norm
    names = [e.name for e in scene.recipe.experts]
    values = _scored_values(scene, scene.scores, names, norm, size)
    words = recipe_in_words(scene.recipe)
    return mark("this merge", words, values, axes, scene.scores.measured)


def _pin(scene: Scene, axes: tuple[Objective, Objective], split: str) -> Mark | None:
    pin = scene.pin
    if pin is None or pin.scores is None or scene.history is None:
        return None
    # Its own row knows more than its scores: how far it moved, what it takes, its test values.
    row = next((t for t in scene.history.trials if t.digest == pin.scores.digest), None)
    if row is not None:
        return mark("pinned merge", row.words, row.on(split), axes)
    if split != "validation":
        return None
    values = _scored_values(scene, pin.scores, [], None, None)
    values.pop("retention", None)
    return mark("pinned merge", pin.line, values, axes)


def _scored_values(
    scene: Scene, scores: Scores, experts: list[str], norm: float | None, size: int | None
) -> dict[str, Any]:
    scales = scales_in(scene)
    rows = [
        {
            "task": task.name,
            "value": float(scores.value[i]),
            "low": float(scores.low[i]),
            "high": float(scores.high[i]),
            "n": int(scores.n[i]),
        }
        for i, task in enumerate(scores.tasks)
    ]
    base = {s.name: s.base[scores.split] for s in scales if scores.split in s.base}
    told = {"split": scores.split, "tasks": rows}
    return values_of(told, scales, experts, base, norm=norm, size_bytes=size)


SCREEN = Screen(
    id="pareto",
    title="Pareto & history",
    order=7,
    panels=(
        PanelSpec(
            id="pareto",
            title="Which merges does no other beat?",
            height=480,
            measure=measure,
            draw=draw_pareto,
            patch=patch_pareto,
            frame=lambda scene, info: frame_pareto(info),
            why="A merge is on the front when no other is at least as good on both axes and "
            "better on one, on validation; test values are shown at the place of the same "
            "merges and never choose them. Normalised scores are shares of the best that an "
            "expert reaches on that task. Intervals are 95%, Wilson or bootstrap per task, "
            "joined over tasks that are measured on examples of their own.",
            wide=True,
        ),
    ),
    above="ms-explore-root",
    below="ms-trials-root",
)
