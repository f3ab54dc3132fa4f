"""WUDI: the update that disturbs each expert's own directions least."""

from collections.abc import Sequence
from typing import Annotated, Literal

from merger.algebra import mean
from merger.lazy import Tensor, torch
from merger.spec import Costly, Delta, Deltas, Key, Knob, merge_method, of
from merger.spectral import eigen, is_linear, mean_square, summed, widen
from merger.threads import one_thread

# Directions below this share of the strongest one have no inverse (1e-8 of their square).
FAINT = 1e-4
RATE = 1e-2
Rest = Literal["mean", "base"]
Solver = Literal["closed_form", "adam"]
Steps = Annotated[int, Knob(0, 5000, slider=(0, 1000), step=10)]


def settled(
    tau: Deltas,
    key: Key,
    *,
    solver: Solver = "closed_form",
    steps: Steps = 300,
    rest: Rest = "mean",
) -> Delta:
    """Return the update that disturbs each expert least."""
    if not is_linear(key, tau):
        return mean(tau) if rest == "mean" else torch.zeros_like(tau[0])
    if not tau.any():
        return mean(tau)
    with one_thread():
        changed = [i for i, row in enumerate(tau) if row.any()]
        taus = widen(tau if len(changed) == len(tau) else tau[changed])
        problem = _problem(taus)
        if solver == "closed_form":
            return _solve(*problem).to(tau)
        rate = RATE * mean_square(taus) ** 0.5
        return _descend(*problem, steps, rate).to(tau)


@merge_method(
    "WUDI",
    family="optimisation",
    paper="arXiv:2503.08099",
    evidence="code read",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    scope="tensor",
    memory=(0.0, 20.8),
)
def wudi(
    update: Annotated[Costly, of(on=settled)],
    *,
    scale: Annotated[float, Knob(slider=(0.0, 2.0), step=0.05, symbol="λ")] = 1.0,
    solver: Solver = "closed_form",
    steps: Steps = 300,
    rest: Rest = "mean",
) -> Delta:
    """Find the update that disturbs each expert's own directions least, without any data.

    min Σₜ ‖(X − τₜ) τₜᵀ‖² / ‖τₜ‖² from X = Σ τₜ; solved by X = S − (S G − R) G⁺ with
    S = Σ τₜ, G = Σ τₜᵀτₜ / ‖τₜ‖², R = Σ τₜτₜᵀτₜ / ‖τₜ‖²

    Args:
        update: The update that disturbs each expert least.
        scale: Multiplies the whole update; the paper has no such factor.
        solver: Solve at once, or go down step by step as the paper does.
        steps: How many steps adam takes.
        rest: What all but the matrices of linear layers become: the experts' mean, or the base.
    Words: orthogonal, interference, least squares.
    Fails: Only matrices of linear layers are solved for; everything else is averaged or left at
        the base. Adam stops short of what solving at once reaches (measured on its own loss:
        1.26e-4 against 1.20e-4).
    Cost: One eigendecomposition per matrix, or `steps` steps of Adam.
    Reference: Cheng et al., Whoever Started the Interference Should End It: Guiding Data-Free
        Model Merging via Task Vectors, 2025, arXiv:2503.08099. Differs: the problem is quadratic,
        so it is solved exactly by default; adam's step is 1 % of the changes' size instead of
        1e-5, which fits one model only.
    """
    return update * scale


def _problem(taus: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sum of the task vectors, and the two sums that the loss depends on."""
    products = torch.zeros(2 * taus[0].shape[1:], dtype=torch.float64, device=taus[0].device)
    wanted = torch.zeros_like(taus[0], dtype=torch.float64)
    for tau in taus:
        own = tau.double()
        share = (own.T @ own).div_(own.square().sum())
        products += share
        wanted += own @ share
    return summed(taus).double(), products, wanted


def _solve(start: Tensor, products: Tensor, wanted: Tensor) -> Tensor:
    disturbed = (start @ products).sub_(wanted)
    values, vectors = eigen(products, FAINT)
    return start - (disturbed @ vectors).div_(values) @ vectors.T


def _descend(start: Tensor, products: Tensor, wanted: Tensor, steps: int, rate: float) -> Tensor:
    """Return where Adam comes to in so many steps."""
    found, speed, size = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
    for step in range(1, steps + 1):
        slope = (found @ products).sub_(wanted).mul_(2.0)
        speed.mul_(0.9).add_(slope * 0.1)
        size.mul_(0.999).add_(slope.square_().mul_(0.001))
        away = (speed / (1.0 - 0.9**step)).div_((size / (1.0 - 0.999**step)).sqrt_().add_(1e-30))
        found.sub_(away.mul_(rate))
    return found
