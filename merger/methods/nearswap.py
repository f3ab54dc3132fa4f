"""NearSwap: every entry moves towards the expert, by a little at most."""

from typing import Annotated

from merger.spec import Base, Delta, Knob, Weights, merge_method


@merge_method(
    "NearSwap",
    family="selection",
    paper="mergekit",
    evidence="code run",
    laws=("zero", "single", "odd", "shift", "local"),
    neutral={"t": 1e6},
    experts=(1, 1),
)
def nearswap(
    theta: Weights,
    base: Base,
    *,
    t: Annotated[float, Knob(0.0, slider=(0.0, 0.05), step=0.0005, symbol="t")] = 0.001,
) -> Delta:
    """Move every entry of the base towards the expert, by no more than a given amount.

    θ* = θ₀ + sgn(τ) min(|τ|, t)

    Args:
        theta: The expert's weights.
        base: The base's weights.
        t: The furthest an entry moves, in units of the weights; 0 is the base.
    Fails: The bound has the units of the weights: the same number is much for one model and
        nothing for another. Takes one expert only.
    Reference: mergekit's `nearswap`, after an idea of alchemonaut. Differs: for t below 1e-6 the
        bound holds for changes below 1e-6 too.
    """
    return (theta[0] - base).clamp(-t, t)
