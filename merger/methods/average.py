"""Average: the plain mean of the experts' weights."""

from merger.algebra import mean
from merger.spec import Weight, Weights, merge_method


@merge_method(
    "Average",
    family="averaging",
    paper="arXiv:2203.05482",
    laws=("single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
)
def average(theta: Weights) -> Weight:
    """Average the experts' weights, each counting the same.

    θ* = (1/T) Σ θₜ

    Args:
        theta: The experts' weights.
    Reference: Wortsman et al., Model soups, 2022, arXiv:2203.05482.
    """
    return mean(theta)
