"""MWA: average checkpoints, each weighted by its training loss or step."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from merger.algebra import weighted_total
from merger.errors import RecipeError
from merger.spec import Knob, Weight, Weights, merge_method


@merge_method(
    "MWA (reconstructed weighting)",
    family="averaging",
    paper="arXiv:2504.18580",
    evidence="reconstructed",
    laws=("single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
)
def mwa(
    theta: Weights,
    *,
    metric: Annotated[float, Knob(slider=(0.0, 10.0), step=0.01, per_expert=True)] = 1.0,
    by: Literal["loss", "step"] = "loss",
    penalty: Annotated[float, Knob(0.0, slider=(0.0, 10.0), step=0.1, symbol="p")] = 1.0,
) -> Weight:
    """Average checkpoints of a run, those with a lower loss or a later step counting more.

    θ* = Σ wₜ θₜ, with wₜ ∝ Lₜ⁻ᵖ for losses and wₜ ∝ (stepₜ / step_max)ᵖ for steps

    Args:
        theta: The checkpoints' weights.
        metric: Training loss or training step of each checkpoint, one value per expert.
        by: What the metric is: a loss (lower is better) or a step (later is better).
        penalty: How much the metric counts; 0 is the plain average.
    Raises: an error when a step is negative.
    Words: LoRA, checkpoints.
    Fails: The formula of the paper is not published, so the weights may differ from the authors'.
        Training losses compare checkpoints of one run, not experts of different tasks.
    Reference: Wang et al., Parameter-Efficient Checkpoint Merging via Metrics-Weighted Averaging,
        2025, arXiv:2504.18580. Reconstructed from the text of the paper, whose exact formula is
        not published. Losses of 0 or less are all moved up until the lowest is a hundredth of
        their range.
    """
    values = _values(metric, len(theta))
    return weighted_total(theta, _shares(values, by, penalty))


def _values(metric: Any, n: int) -> list[float]:
    if isinstance(metric, float):
        return [metric] * n
    return metric.flatten().tolist()


def _shares(values: Sequence[float], by: str, penalty: float) -> list[float]:
    """Return the weight of each checkpoint; they add up to 1."""
    low, high = min(values), max(values)
    if low == high or penalty == 0.0:
        return [1.0 / len(values)] * len(values)
    if by == "step":
        if low < 0.0:
            raise RecipeError(
                f"mwa: metric must hold steps of 0 or more, got {low:g}.", "Or set by: loss."
            )
        scores = [(value / high) ** penalty for value in values]
    else:
        # A smaller shift would leave everything to one checkpoint.
        shift = 0.01 * (high - low) - low if low <= 0.0 else 0.0
        best = math.log(low + shift)
        scores = [math.exp(penalty * (best - math.log(value + shift))) for value in values]
    return [score / sum(scores) for score in scores]
