"""Method: what it does to each expert's change, and what its name leaves open."""

from dataclasses import replace
from typing import Any

import numpy as np

from merger.diagnostics.dialects import DialectsInfo, measure_dialects
from merger.diagnostics.flow import FlowInfo, measure_flow
from merger.errors import FeedError, MergeError
from merger.live import LiveSet
from merger.model_thread import MODELS
from merger.recipe import Recipe
from merger.sampled import on_sample, works_on_sample
from merger.spec import METHODS
from viz.figures.dialects import draw_dialects, frame_dialects, patch_dialects
from viz.figures.flow import draw_flow, frame_flow, patch_flow
from viz.scene import Scene
from viz.spec import PanelSpec, Screen

LATER = ("scale", "combine", "normalize")  # settings that decide how much, not which


def _flow(scene: Scene) -> tuple[FlowInfo, dict[str, str]]:
    measured, live, merged = scene.measured, scene.live, scene.merged
    assert live is not None and merged is not None

    def follow() -> FlowInfo:
        planned = live.models.plan(scene.recipe)
        if live.sample is not None:
            if not works_on_sample(planned):
                raise FeedError(merged.why, "Merge it for real to see what it does.")
            planned = on_sample(planned, live.stack)
        # The thread that merges: two at once would wait for each other's cores.
        return MODELS.run(
            lambda: measure_flow(planned, live.flat, live.cache, live.sample), urgent=True
        )

    return measured.once(("flow", live.digest(_before(scene.recipe))), follow), scene.colours


def _before(recipe: Recipe) -> Recipe:
    """Return the recipe without what happens once it is settled which entries count."""
    params = {name: value for name, value in recipe.params.items() if name not in LATER}
    return replace(recipe, params=params, after=())


def _dialects(scene: Scene) -> DialectsInfo:
    measured, live, merged = scene.measured, scene.live, scene.merged
    assert live is not None and merged is not None
    method = METHODS[scene.recipe.method]
    if not method.dialects:
        raise FeedError(
            f"{method.title} has no dialects: it is computed in one way here.",
            "Pick a method such as TIES, which papers and tools compute in different ways.",
        )
    if live.sample is not None or merged.flat is None:
        raise FeedError(
            "Models this large are not merged once per dialect in memory.",
            "Merge for real under each dialect to compare them.",
        )
    mine = merged.flat.numpy()

    def compare() -> DialectsInfo:
        given = dict(scene.recipe.params)
        first = method.resolve(given)["dialect"]
        names = [first, *(c for c in method.param("dialect").choices if c != first)]
        tried = {name: given | {"dialect": name} for name in names}
        set_by = list(dict.fromkeys(key for own in method.dialects.values() for key in own))
        found = [method.resolve(params) for params in tried.values()]
        settings = {key: tuple(_word(knobs[key]) for knobs in found) for key in set_by}
        others = {name: _merged(live, scene.recipe, tried[name]) for name in names[1:]}
        chosen = (first, mine)
        return measure_dialects(
            measured.stack, method.title, chosen, others, settings, measured.grid
        )

    return measured.once(("dialects", merged.digest), compare)


def _merged(live: LiveSet, recipe: Recipe, params: dict[str, Any]) -> np.ndarray | str:
    """Return the merge under other settings, or why they do not hold."""
    try:
        flat = live.merge(replace(recipe, params=params)).flat
    except MergeError as error:
        return error.message
    return "there is no preview" if flat is None else flat.numpy()


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _flow_frame(scene: Scene, info: Any) -> list[Any]:
    return frame_flow(info[0])


SCREEN = Screen(
    id="method",
    title="Method",
    order=4,
    panels=(
        PanelSpec(
            id="flow",
            title="Where does the change go?",
            height=520,
            measure=_flow,
            draw=lambda info: draw_flow(*info),
            patch=lambda info: patch_flow(info[0]),
            frame=_flow_frame,
            why="Sums of |wᵢτᵢ| by what the method's own trim, drop and election do to each "
            "entry. Where changes are only added up, |Σ| reaches the merge and the rest of Σ|·| "
            "cancels.",
        ),
        PanelSpec(
            id="dialects",
            title="Same recipe, other dialect",
            height=360,
            measure=_dialects,
            draw=draw_dialects,
            patch=patch_dialects,
            frame=lambda scene, info: frame_dialects(info),
            why="‖Δ − Δ₀‖ / ‖Δ₀‖ with Δ₀ the update under the chosen dialect: what the name of a "
            "method leaves open between the paper, mergekit and PEFT.",
        ),
    ),
)
