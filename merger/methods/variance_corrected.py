"""Variance-corrected average: the mean, spread out as far as the experts are."""

import math
from typing import Annotated, Literal

from merger.algebra import add_update, mean
from merger.spaces import Origin, Space
from merger.spec import Key, Knob, Share, Weight, Weights, merge_method
from merger.sums import moments

# A variance that is spread out could turn negative.
RUNNING = ("running_mean", "running_var")


@merge_method(
    "Variance-corrected average",
    family="averaging",
    paper="arXiv:2404.04616",
    evidence="code read",
    laws=("single", "idempotent", "symmetric", "homogeneous", "odd", "local"),
    scope="tensor",
    order=lambda knobs, _: knobs["follow"] != "others",
)
def variance_corrected(
    theta: Weights,
    origin: Origin,
    key: Key,
    *,
    follow: Literal["others", "self", "both"] = "others",
    own: Share = 0.5,
    epsilon: Annotated[float, Knob(0.0, slider=(0.0, 0.0001), step=1e-6, symbol="ε")] = 1e-12,
    space: Space = "weights",
) -> Weight:
    """Average the experts, then restore the spread that averaging takes away.

    θ* = (a − ā) √((v + ε) / (Var(a) + ε)) + ā, with a = mean θₜ and v = mean Var(θₜ) by tensor

    Args:
        theta: The experts' weights.
        origin: The base, where task vectors are averaged.
        key: The tensor's name.
        follow: Whose spread to restore: the experts' mean one, the first expert's, or a mix.
        own: Share of the first expert's spread in the mix of "both".
        epsilon: Added to both variances; the paper's 1e-4 undoes most of it for transformers.
        space: Average the experts' weights, or their task vectors (which needs a base).
    Fails: Experts of one base hardly lose spread when averaged, so it changes little unless
        `space: task_vectors`. Adding the same to base and experts does not add it to the result.
    Reference: Tian et al., Vanishing Variance Problem in Fully Decentralized Neural-Network
        Systems, 2024, arXiv:2404.04616. Differs: ε is 1e-12. Running statistics are averaged. One
        number has no spread: it is averaged too, or the first expert's where that one is followed.
    """
    if key.endswith(RUNNING) or (theta[0].numel() == 1 and follow == "others"):
        return mean(theta)
    if theta[0].numel() == 1:
        return theta[0]
    average = mean(theta) if origin is None else mean(theta) - origin
    spreads = [moments(row if origin is None else row - origin)[1] for row in theta]
    share = {"others": 0.0, "self": 1.0, "both": own}[follow]
    wanted = share * spreads[0] + (1.0 - share) * sum(spreads) / len(spreads)
    middle, spread = moments(average)
    factor = math.sqrt((wanted + epsilon) / (spread + epsilon)) if spread + epsilon else 1.0
    found = (average - middle) * factor + middle
    return found if origin is None else add_update(origin, found)
