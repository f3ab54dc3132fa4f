"""What the method on screen does inside, measured once for all charts that show it."""

from dataclasses import replace
from typing import Any

from merger.diagnostics.flow import FlowInfo, StepsInfo, measure_steps
from merger.diagnostics.steps import pipeline_of
from merger.diagnostics.toy import ToyInfo, measure_toy
from merger.errors import FeedError
from merger.model_thread import MODELS
from merger.recipe import Recipe
from merger.sampled import on_sample, works_on_sample
from merger.spec import METHODS
from viz.scene import Scene


def steps_of(scene: Scene) -> StepsInfo:
    """Return what every expert has after each step of the method on screen.

    Raises:
        FeedError: only a sample of the models is at hand, and the method needs whole tensors.
    """
    measured, live, merged = scene.measured, scene.live, scene.merged
    assert live is not None and merged is not None
    # Of a sample, verbs that need whole tensors cannot be shown; the method often can.
    left = scene.recipe.after if live.sample is not None else ()
    recipe, factor = _unscaled(replace(scene.recipe, after=()) if left else scene.recipe)

    def follow() -> StepsInfo:
        planned = live.models.plan(recipe)
        if live.sample is not None:
            if not works_on_sample(planned):
                raise FeedError(merged.why, "Merge it for real to see what it does.")
            planned = on_sample(planned, live.stack)
        # The thread that merges: two at once would wait for each other's cores.
        return MODELS.run(
            lambda: measure_steps(planned, live.flat, live.cache, live.sample, measured.grid),
            urgent=True,
        )

    info = measured.once(("steps", live.digest(recipe)), follow)
    info = info.scaled(factor, pipeline_of(METHODS[recipe.method]).scaled)
    later = ", ".join(METHODS[step.verb].title for step in left)
    note = f"{info.note} {later} comes afterwards and is not part of this.".strip()
    return replace(info, note=note) if later else info


def flow_of(scene: Scene) -> tuple[FlowInfo, dict[str, str]]:
    """Return where the change goes in the layer that is looked at, and the experts' colours."""
    return steps_of(scene).flow(_text(scene, "layer")), scene.colours


def layers_of(scene: Scene) -> tuple[StepsInfo, str, str]:
    """Return the measure, whose change is looked at, and in which layer; empty for all."""
    return steps_of(scene), _text(scene, "whose"), _text(scene, "layer")


def toy_of(scene: Scene) -> ToyInfo:
    """Return the method at work on a toy, under the settings on screen."""
    recipe = scene.recipe
    kept = replace(recipe, rules=(), after=())
    weights = None if recipe.weights is None else tuple(map(repr, recipe.weights))
    params = tuple(sorted((name, repr(value)) for name, value in recipe.params.items()))
    before = tuple((step.verb, repr(sorted(step.params.items()))) for step in recipe.before)
    left = bool(recipe.rules), tuple(step.verb for step in recipe.after)
    key = ("toy", kept.method, kept.seed, weights, params, before, left)
    return scene.measured.once(
        key, lambda: MODELS.run(lambda: measure_toy(scene.recipe), urgent=True)
    )


def _unscaled(recipe: Recipe) -> tuple[Recipe, float]:
    """Return the recipe without its last factor, which needs no new measure, and that factor."""
    method = METHODS[recipe.method]
    if not pipeline_of(method).scaled or recipe.rules or recipe.after:
        return recipe, 1.0
    scale: Any = method.resolve(recipe.params).get("scale")
    if not isinstance(scale, float):
        return recipe, 1.0
    return replace(recipe, params={**recipe.params, "scale": 1.0}), scale


def _text(scene: Scene, name: str) -> str:
    value = scene.view.get(name)
    return value if isinstance(value, str) else ""
