"""Method: what it does to each expert's change, and what its name leaves open."""

from dataclasses import replace
from typing import Any

import numpy as np

from merger.diagnostics.dialects import DialectsInfo, measure_dialects
from merger.errors import FeedError, MergeError
from merger.live import LiveSet
from merger.recipe import Recipe
from merger.spec import METHODS
from viz.figures.dialects import draw_dialects, frame_dialects, patch_dialects
from viz.figures.flow import draw_flow, frame_flow, patch_flow
from viz.figures.layer_flow import draw_layer_flow, frame_layer_flow, patch_layer_flow
from viz.figures.steps import draw_steps, frame_steps, patch_steps
from viz.figures.toy import draw_toy, frame_toy, patch_toy
from viz.microscope import flow_of, layers_of, steps_of, toy_of
from viz.scene import Scene
from viz.spec import PanelSpec, Screen


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


def _steps(scene: Scene) -> tuple[Any, dict[str, str]]:
    return steps_of(scene), scene.colours


SCREEN = Screen(
    id="method",
    title="Method",
    order=4,
    panels=(
        PanelSpec(
            id="toy",
            title="What it does, on a toy",
            height=260,
            measure=toy_of,
            draw=draw_toy,
            patch=patch_toy,
            frame=lambda scene, info: frame_toy(info),
            why="Not a drawing: the toy goes through the same code as models do, with the method, "
            "settings and first coefficients of the recipe. Settings that count shares of a model "
            "are coarse on so few weights.",
            wide=True,
        ),
        PanelSpec(
            id="steps",
            title="Step by step",
            height=430,
            measure=_steps,
            draw=lambda info: draw_steps(*info),
            patch=lambda info: patch_steps(info[0]),
            frame=lambda scene, info: frame_steps(info[0]),
            why="Per expert: how many weights (or directions) are not 0 after each step, and "
            "Σ|·| over them (Σ(·)² for directions), as shares of the weighted change. The last "
            "step's rows add up to the merged update.",
        ),
        PanelSpec(
            id="flow",
            title="Where does the change go?",
            height=520,
            measure=flow_of,
            draw=lambda info: draw_flow(*info),
            patch=lambda info: patch_flow(info[0]),
            frame=lambda scene, info: frame_flow(info[0]),
            why="Sums of |wᵢτᵢ| by what the method's own trim, drop and election do to each "
            "entry. Where changes are only added up, |Σ| reaches the merge and the rest of Σ|·| "
            "cancels.",
        ),
        PanelSpec(
            id="layer-flow",
            title="Layer by layer",
            height=320,
            measure=layers_of,
            draw=lambda info: draw_layer_flow(*info),
            patch=lambda info: patch_layer_flow(*info),
            frame=lambda scene, info: frame_layer_flow(info[0]),
            caption="Click a layer to see its river.",
            why="The same sums as in the river, layer by layer; for methods that work on "
            "directions, the energy (Σ of squares) that is kept.",
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
