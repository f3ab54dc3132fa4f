"""DOGE: equalise the experts, then shift them together to where they disturb each other least."""

from collections.abc import Sequence
from typing import Annotated, Literal

from merger.lazy import Tensor, torch
from merger.spec import (
    Coefficients,
    Costly,
    Cut,
    Delta,
    Deltas,
    Key,
    Knob,
    RawDeltas,
    Share,
    merge_method,
    of,
)
from merger.spectral import is_linear, mean_square, strongest, widen
from merger.threads import one_thread

# Adam's step: absolute in the paper, or a share of the changes' size.
RATES = {"absolute": 1e-4, "relative": 1e-2}
Units = Literal["relative", "absolute"]
Eta = Annotated[float, Knob(0.0, None, slider=(0.0, 1.0), step=0.01, symbol="η")]
Steps = Annotated[int, Knob(0, 5000, slider=(0, 1000), step=10)]
Subspace = Annotated[int, Knob(1, None, slider=(1, 16), step=1)]


def matrices(tau: RawDeltas, key: Key) -> Deltas:
    """Return the task vectors where they are matrices of linear layers, else zeros."""
    return tau if is_linear(key, tau) else torch.zeros_like(tau)


def shifted(
    tau: RawDeltas,
    weights: Coefficients,
    key: Key,
    *,
    eta: Eta = 0.3,
    units: Units = "relative",
    steps: Steps = 400,
    subspace: Subspace = 6,
    project: bool = True,
) -> Delta:
    """Return the shift that all experts make together."""
    if not is_linear(key, tau) or not tau.any():
        return torch.zeros_like(tau[0])
    with one_thread():
        taus = widen(tau)
        shares = _shares(taus, weights, eta, units)
        size = mean_square(taus) ** 0.5 if units == "relative" else 1.0
        return _shift(taus, shares, steps, RATES[units] * size, subspace, project).to(tau)


@merge_method(
    "DOGE",
    family="optimisation",
    paper="arXiv:2501.01230",
    evidence="other's code read",
    laws=("zero", "symmetric", "homogeneous", "odd", "shift"),
    scope="tensor",
    memory=(0.0, 10.5),
)
def doge(
    tau: RawDeltas,
    shift: Annotated[Costly, of(on=shifted)],
    cut: Annotated[Cut, of("density", scope="global", on=matrices, nonzero=True)],
    weights: Coefficients,
    key: Key,
    *,
    eta: Eta = 0.3,
    units: Units = "relative",
    density: Share = 0.3,
    steps: Steps = 400,
    subspace: Subspace = 6,
    project: bool = True,
) -> Delta:
    """Give experts equal length and shift them together to where they disturb each other least.

    λₜ = η / ‖τₜ‖; Δ = argmin Σⱼ ⟨τⱼ, τⱼ − Σᵢ λᵢ (τᵢ + Δ)⟩² outside the shared directions;
    θ* = θ₀ + Σₜ λₜ mₜ ⊙ (τₜ + Δ)

    Args:
        tau: Task vectors before any coefficient.
        shift: The shift that all experts make together.
        cut: Which entries survive the trim.
        weights: One coefficient per expert, for its length.
        key: The tensor's name.
        eta: Length that each expert's change of a matrix gets.
        units: Whether that length is a share of the experts' mean length, or a number (0.07 in
            the paper, for one size of model).
        density: Share of its changes of matrices that each expert keeps, the largest ones.
        steps: How many steps of Adam.
        subspace: One direction in so many counts as shared and stays as it is.
        project: Keep each step out of the shared directions; the code at hand does so for slopes
            only, after which Adam leaves the space again.
    Words: orthogonal projection, subspace, AdaPGD.
    Fails: By far the slowest method here. Equal experts do not come back. In absolute units the
        length fits one size of model only; the step's own size is ours.
    Cost: One SVD per expert and matrix, one more, and `steps` steps of Adam over each matrix.
    Reference: Wei et al., Modeling Multi-Task Model Merging as Adaptive Projective Gradient
        Descent, 2025, arXiv:2501.01230, after a third party's code. What is no matrix of a linear
        layer stays at the base. A shift that did not help is not made.
    """
    if not is_linear(key, tau):
        return torch.zeros_like(tau[0])
    with one_thread():
        shares = _shares(widen(tau), weights, eta, units)
    result = torch.zeros_like(shift)
    for row, kept, share in zip(tau, cut, shares, strict=True):
        result += (row + shift).mul_(kept).mul_(share)
    return result


def _shares(
    taus: Sequence[Tensor], weights: Sequence[float], eta: float, units: Units
) -> list[float]:
    """Return what each expert is multiplied by; 0 where it changed nothing."""
    lengths = [float(tau.double().norm()) for tau in taus]
    wanted = eta * sum(lengths) / len(lengths) if units == "relative" else eta
    pairs = zip(weights, lengths, strict=True)
    return [weight * wanted / length if length > 0.0 else 0.0 for weight, length in pairs]


def _shift(
    taus: Sequence[Tensor],
    shares: Sequence[float],
    steps: int,
    rate: float,
    subspace: int,
    project: bool,
) -> Tensor:
    """Return where Adam comes to in so many steps, or nothing where that is no better."""
    weight = sum(shares)
    start = _start(taus, shares)
    shared = _shared(taus, subspace)
    found, speed, size, room = (taus[0].new_zeros(taus[0].shape) for _ in range(4))
    for step in range(1, steps + 1):
        left = _left(taus, start, found, weight, room)
        slope = room.zero_()
        for i, rest in enumerate(left):
            slope.addcmul_(taus[i], rest, value=-2.0 * weight)
        slope.addmm_(shared, shared.T @ slope, alpha=-1.0)
        size.mul_(0.999).addcmul_(slope, slope, value=0.001)
        speed.mul_(0.9).add_(slope.mul_(0.1))
        away = torch.div(size, 1.0 - 0.999**step, out=room).sqrt_().add_(1e-30)
        away = torch.div(speed, away, out=room).mul_(rate / (1.0 - 0.9**step))
        if project:
            away.addmm_(shared, shared.T @ away, alpha=-1.0)
        found -= away
    left = _left(taus, start, found, weight, room)
    return found if _loss(left) < _loss(start) else torch.zeros_like(found)


def _start(taus: Sequence[Tensor], shares: Sequence[float]) -> list[Tensor]:
    """Return for each row how much each expert is disturbed by the merge, (m, 1) each."""
    merged = taus[0] * shares[0]
    for i in range(1, len(taus)):
        merged.add_(taus[i] * shares[i])
    return [(tau - merged).mul_(tau).sum(dim=1, keepdim=True) for tau in taus]


def _left(
    taus: Sequence[Tensor],
    start: Sequence[Tensor],
    found: Tensor,
    weight: float,
    room: Tensor,
) -> list[Tensor]:
    """Return for each row how much each expert is still disturbed, (m, 1) each.

    Args:
        taus: One matrix per expert.
        start: How much each was disturbed without the shift.
        found: The shift.
        weight: The sum of what the experts are multiplied by.
        room: Memory for the products of one expert.
    """
    return [
        rest - torch.mul(taus[i], found, out=room).sum(dim=1, keepdim=True) * weight
        for i, rest in enumerate(start)
    ]


def _loss(left: Sequence[Tensor]) -> float:
    return sum(float(rest.square().sum()) for rest in left)


def _shared(taus: Sequence[Tensor], subspace: int) -> Tensor:
    """Return the directions that the experts share most, as orthonormal columns."""
    room = min(taus[0].shape)
    lefts = torch.cat([strongest(tau, room // len(taus)).left for tau in taus], dim=1)
    return strongest(lefts, room // subspace).left
