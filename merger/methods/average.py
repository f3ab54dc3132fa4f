"""Average: the plain mean of the experts' weights."""

from merger.algebra import mean
from merger.spec import Coefficients, Combination, Combined, Weight, Weights, merge_method


def combined(weights: Coefficients) -> Combined:
    """Return what it comes down to."""
    return Combination((1.0,) * len(weights), len(weights))


@merge_method(
    "Average",
    family="averaging",
    paper="arXiv:2203.05482",
    evidence="code run",
    laws=("single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    linear=combined,
)
def average(theta: Weights) -> Weight:
    """Average the experts' weights, each counting the same.

    θ* = (1/T) Σ θₜ

    Args:
        theta: The experts' weights.
    Words: soup, uniform, mean.
    Fails: Every change counts 1/T only, so what one expert alone learned fades as experts are
        added. Heads that started from different numbers average to nothing of use.
    Reference: Wortsman et al., Model soups: averaging weights of multiple fine-tuned models
        improves accuracy without increasing inference time, 2022, arXiv:2203.05482.
    """
    return mean(theta)
