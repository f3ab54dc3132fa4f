"""WUDI: the update that disturbs each expert's own directions least."""

from collections.abc import Callable
from typing import Annotated, Literal

from merger.algebra import mean
from merger.grams import crossed, eigen_, pieces
from merger.lazy import Tensor, torch
from merger.spec import Costly, Delta, Deltas, Key, Knob, merge_method, of
from merger.spectral import ROWS, Widened, is_linear, mean_square, summed, widen
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
        if solver == "closed_form":
            return _solve(taus).to(tau)
        return _descend(taus, steps, RATE * mean_square(taus) ** 0.5).to(tau)


@merge_method(
    "WUDI",
    family="optimisation",
    paper="arXiv:2503.08099",
    evidence="code read",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    scope="tensor",
    memory=lambda n, rows, columns: max(8.6, pieces(n, rows, columns)),
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


def _solve(taus: Widened) -> Tensor:
    """Return S − (S G − R) G⁺."""
    rows, columns = taus.shape
    if len(taus) * rows < columns:
        return _solve_by_rows(taus)
    products, disturbed = _products(taus)
    disturbed.neg_().addmm_(summed(taus).double(), products)
    values, vectors = eigen_(products, FAINT)
    del products
    back = (disturbed @ vectors).div_(values)
    del disturbed
    return summed(taus).double().addmm_(back, vectors.T, alpha=-1.0)


def _products(taus: Widened) -> tuple[Tensor, Tensor]:
    """Return G and R, the two sums that the loss depends on."""
    rows, columns = taus.shape
    products = torch.zeros(columns, columns, dtype=torch.float64, device=taus[0].device)
    wanted = torch.zeros(rows, columns, dtype=torch.float64, device=taus[0].device)
    for i in range(len(taus)):
        own = taus[i].double()
        share = (own.T @ own).div_(own.norm().square())
        products += share
        wanted.addmm_(own, share)
        del own, share
    return products, wanted


def _solve_by_rows(taus: Widened) -> Tensor:
    """Return the same for matrices so wide that the inner products of all rows are fewer.

    With W all τₜ / ‖τₜ‖ below each other, G = Wᵀ W and S G − R = D W, D = [(S − τₜ) Wₜᵀ]ₜ; then
    (S G − R) G⁺ = D (W Wᵀ)⁺ W.
    """
    rows, n = taus.shape[0], len(taus)
    places = [slice(i * rows, (i + 1) * rows) for i in range(n)]
    disturbed = torch.empty(rows, n * rows, dtype=torch.float64, device=taus[0].device)
    start = summed(taus).double()
    for i, own in enumerate(places):
        disturbed[:, own] = (start - taus[i]) @ _unit(taus[i]).T
    del start
    products = crossed(taus.turned)
    lengths = torch.cat(
        [products[own, own].diagonal().sum().sqrt().expand(rows) for own in places]
    )
    values, vectors = eigen_(products.div_(lengths).div_(lengths.unsqueeze(1)), FAINT)
    del products
    back = (disturbed @ vectors).div_(values) @ vectors.T
    del vectors
    result = summed(taus).double()
    for i, own in enumerate(places):
        result.addmm_(back[:, own], _unit(taus[i]), alpha=-1.0)
    return result


def _unit(tau: Tensor) -> Tensor:
    """Return a task vector of length 1, in double precision."""
    return tau.double().div(tau.double().norm())


def _descend(taus: Widened, steps: int, rate: float) -> Tensor:
    """Return where Adam comes to in so many steps; rows do not touch each other."""
    slope = _slope(taus)
    result = summed(taus).double()
    for first in range(0, len(result), ROWS):
        rows = slice(first, first + ROWS)
        found = result[rows]
        speed, size = torch.zeros_like(found), torch.zeros_like(found)
        for step in range(1, steps + 1):
            down = slope(found, rows).mul_(2.0)
            size.mul_(0.999).addcmul_(down, down, value=0.001)
            speed.mul_(0.9).add_(down.mul_(0.1))
            away = torch.div(size, 1.0 - 0.999**step, out=down).sqrt_().add_(1e-30)
            found.sub_(torch.div(speed, away, out=away).mul_(rate / (1.0 - 0.9**step)))
    return result


def _slope(taus: Widened) -> Callable[[Tensor, slice], Tensor]:
    """Return what tells half the slope at some rows: X G − R, from rows where these are fewer."""
    rows, columns = taus.shape
    if len(taus) * rows < columns:

        def by_rows(found: Tensor, some: slice) -> Tensor:
            result = torch.zeros_like(found)
            for i in range(len(taus)):
                unit = _unit(taus[i])
                result.addmm_((found - taus[i][some]) @ unit.T, unit)
                del unit
            return result

        return by_rows
    products, wanted = _products(taus)
    return lambda found, some: (found @ products).sub_(wanted[some])
