"""What a method gives for a piece, or for the whole model, in float32."""

from merger.algebra import add_update, mean
from merger.errors import RecipeError
from merger.feeds import Serving
from merger.inputs import Inputs
from merger.lazy import Tensor
from merger.pieces import Piece
from merger.plan import Plan
from merger.survey import Survey


def averaged(plan: Plan, inputs: Inputs, piece: Piece) -> Tensor:
    """Return the experts' mean, or with one model per expert their own numbers, in float32."""
    theta = inputs.theta(piece)
    return theta if plan.method.output == "per_task" else mean(theta)


def merged(serving: Serving) -> Tensor:
    """Return the merged entries of a piece in float32: (length,), or (n, length) per task."""
    plan = serving.plan
    verbs = sum(stage.label == "after" for stage in plan.stages)
    if plan.method.output != "delta" and not verbs:
        return serving.result()
    return add_update(serving.base(), serving.update(verbs))


def merged_model(plan: Plan, inputs: Inputs, survey: Survey) -> dict[str, Tensor]:
    """Return all merged tensors, flat in float32, for methods that need the whole model at once.

    Such a method is handed mappings from tensor names where others are handed tensors.
    """
    pieces = {t.key: Piece((t,), 0, t.numel) for t in plan.merged if t.numel}
    servings = {k: Serving(plan, inputs, survey, p) for k, p in pieces.items()}
    stage = next(stage for stage in plan.stages if stage.label == "merge")
    signature = stage.method.signature
    if not servings:
        return {}
    first = next(iter(servings.values()))
    if any(stage.knobs(t.settings) != stage.knobs(first.settings) for t in plan.merged):
        raise RecipeError(
            f"{stage.method.title} works on the whole model, so its settings cannot differ "
            "between tensors.",
            "Take params out of the rules, and depth out of params.",
        )
    feeds = [{k: s.feed(use, stage) for k, s in servings.items()} for use in signature.feeds]
    results = signature.fn(*feeds, **first.knobs(stage, signature))
    stacked = signature.output == "per_task"
    found = {}
    for key, piece in pieces.items():
        flat = results[key].reshape((plan.n, -1) if stacked else (-1,))
        found[key] = merged(Serving(plan, inputs, survey, piece, flat))
    return found
