"""Model Stock: how far to go from the base towards the mean follows from the angles."""

from math import sqrt

from merger.algebra import mean
from merger.spec import Coefficients, Combination, Combined, Delta, Deltas, Gram, merge_method


def combined(weights: Coefficients, gram: Gram, *, clamp: bool = True) -> Combined:
    """Return what it comes down to."""
    return Combination(weights, len(weights), _ratio(gram.tolist(), clamp), on_base=True)


@merge_method(
    "Model Stock",
    family="averaging",
    paper="arXiv:2403.19522",
    evidence="code run",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    linear=combined,
)
def model_stock(tau: Deltas, gram: Gram, *, clamp: bool = True) -> Delta:
    """Go from the base towards the experts' mean, further the more they agree.

    θ* = t · mean(θₜ) + (1 − t) θ₀, with t = T c / (1 + (T − 1) c), c = mean cos(τᵢ, τⱼ)

    Args:
        tau: Task vectors.
        gram: Their inner products over the tensor.
        clamp: Keep the mean cosine within 0 and 1, so that the step never turns around.
    Words: mergekit, angle.
    Fails: Experts whose changes are at right angles give the base: nothing is merged. Without
        `clamp` opposing experts turn the step around (measured: 6 times backwards for three at a
        mean cosine of −0.4).
    Cost: One inner product per pair of experts and tensor.
    Reference: Jang et al., Model Stock: All we need is just a few fine-tuned models, 2024,
        arXiv:2403.19522. The mean of cosines, per tensor; one expert comes back as it is.
    """
    return mean(tau) * _ratio(gram.tolist(), clamp)


def _ratio(gram: list[list[float]], clamp: bool) -> float:
    n = len(gram)
    if n == 1:
        return 1.0
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    cosine = sum(_cosine(gram, i, j) for i, j in pairs) / len(pairs)
    if clamp:
        cosine = max(0.0, cosine)
    below = 1.0 + (n - 1) * cosine
    return 0.0 if abs(below) < 1e-6 else n * cosine / below


def _cosine(gram: list[list[float]], i: int, j: int) -> float:
    norms = sqrt(gram[i][i]) * sqrt(gram[j][j])
    if norms == 0.0:
        return 0.0
    return max(-1.0, min(1.0, gram[i][j] / norms))
