"""EMA: a moving average over checkpoints in the order they were saved."""

from typing import Annotated

from merger.algebra import weighted_total
from merger.spec import Knob, Notice, Weight, Weights, merge_method


@merge_method(
    "EMA",
    family="averaging",
    paper="arXiv:2305.16834",
    evidence="standard formula",
    laws=("single", "idempotent", "homogeneous", "odd", "shift", "local"),
    notices=(
        Notice(
            lambda case: case.n > 1 and case.knobs["decay"] in (0.0, 1.0),
            "At decay 0 only the last checkpoint counts, at 1 only the first.",
            "Choose a decay in between.",
        ),
    ),
)
def ema(
    theta: Weights,
    *,
    decay: Annotated[float, Knob(0.0, 1.0, slider=(0.0, 1.0), step=0.01, symbol="β")] = 0.5,
) -> Weight:
    """Average checkpoints in order, each one fading as later ones come in.

    θ ← β θ + (1 − β) θₜ for t = 2, 3, …, starting from θ₁

    Args:
        theta: The checkpoints' weights, the oldest first.
        decay: How much of what is there already stays; 0 is the last checkpoint, 1 the first.
    Fails: The order of the list is the order of training: the same checkpoints in another order
        are another model. A decay near 1 stays with the first checkpoint.
    Reference: a variant of checkpoint averaging; Schmidt et al., Free Lunch: Robust Cross-Lingual
        Transfer via Model Checkpoint Averaging, 2023, arXiv:2305.16834.
    """
    last = len(theta) - 1
    first = [decay**last]
    return weighted_total(
        theta, first + [(1.0 - decay) * decay ** (last - i) for i in range(1, last + 1)]
    )
