"""Linear: a weighted mean of the experts' weights."""

from merger.algebra import divisor, weighted_total
from merger.notices import SAME_FACTOR, only
from merger.spec import (
    Coefficients,
    Combination,
    Combined,
    Weight,
    Weights,
    merge_method,
)


def combined(weights: Coefficients, *, normalize: bool = True) -> Combined:
    """Return what it comes down to."""
    return Combination(weights, divisor(weights) if normalize else 1.0)


@merge_method(
    "Linear",
    family="averaging",
    paper="arXiv:2203.05482",
    evidence="code run",
    laws=("single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    notices=(only("normalize", True, SAME_FACTOR),),
    linear=combined,
)
def linear(theta: Weights, weights: Coefficients, *, normalize: bool = True) -> Weight:
    """Average the experts' weights, each counting as much as its coefficient says.

    θ* = Σ wₜ θₜ / Σ wₜ

    Args:
        theta: The experts' weights.
        weights: One coefficient per expert; negative ones are valid.
        normalize: Divide by the sum of the coefficients, so that they act as shares.
    Raises: an error when the coefficients add up to 0 and are to be normalised.
    Words: weighted average, soup, mergekit.
    Fails: Coefficients that add up to 0 are refused, and where they almost do the weights explode.
        Without a base, no expert's change can be told from what all share.
    Reference: Wortsman et al., Model soups: averaging weights of multiple fine-tuned models
        improves accuracy without increasing inference time, 2022, arXiv:2203.05482; mergekit's
        `linear`.
    """
    result = weighted_total(theta, weights)
    return result / divisor(weights) if normalize else result
