"""The steps of every method: one declaration, which measures, charts and words are made from."""

from collections.abc import Mapping

from merger.diagnostics.pipeline import Held, Pipeline, Step, Work
from merger.diagnostics.pipelines import masks, mixes, picks, shifts, signs, spectral
from merger.lazy import Tensor
from merger.plan import Plan
from merger.spec import Method

__all__ = ["PIPELINES", "Held", "Pipeline", "Step", "Work", "pipeline_of", "whole_pipeline"]

PIPELINES: Mapping[str, Pipeline] = {
    name: pipeline
    for family in (signs, picks, mixes, masks, spectral, shifts)
    for name, pipeline in sorted(family.PIPELINES.items())
}


def pipeline_of(method: Method) -> Pipeline:
    """Return the steps of a method; of one that declares none, what goes in and what comes out."""
    if method.name in PIPELINES:
        return PIPELINES[method.name]
    per_task = method.output == "per_task"
    merge = Step("merge", "The method does what its formula says", together=not per_task)
    return Pipeline(
        (merge,),
        lambda work: [work.tau, work.update],
        adds=False,
        scaled=0,
        note=f"{method.title} does not say which steps it takes.",
    )


def whole_pipeline(plan: Plan) -> Pipeline:
    """Return the steps of a recipe: those of its method, then one for each verb after it."""
    own = pipeline_of(plan.method)
    verbs = [stage.method for stage in plan.stages if stage.label == "after"]
    if not verbs:
        return own

    def follow(work: Work) -> list[Held | Tensor]:
        return [*own.follow(work), *(work.after(i) for i in range(1, len(verbs) + 1))]

    added = (Step(verb.title, verb.summary.rstrip("."), together=True) for verb in verbs)
    # A verb need not be proportional to what it is given.
    return own._replace(steps=(*own.steps, *added), follow=follow, scaled=0)
