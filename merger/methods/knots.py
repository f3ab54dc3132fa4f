"""KnOTS: put all experts into one frame, then merge their coordinates there."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from merger.algebra import combine_agreeing, drop, elect_sign, mean, total
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
    Uniform,
    merge_method,
    of,
)
from merger.spectral import eigen, gram, is_matrix, widen
from merger.threads import one_thread

# Directions of the common frame below this share of the strongest one are rounding.
FAINT = 1e-7
Concat = Literal["input", "output"]


def coordinates(tau: RawDeltas, key: Key, *, concat: Concat = "input") -> Deltas:
    """Return each expert's coordinates in the common frame; rows that it lacks are 0."""
    if not is_matrix(key, tau) or not tau.any():
        return tau
    with one_thread():
        taus = widen(tau)
        frame = eigen(_products(taus, concat), FAINT)[1].to(taus[0]).T
        found = torch.zeros_like(tau)
        for each, out in zip(taus, found, strict=True):
            _turned(out, concat)[: len(frame)] = frame @ _turned(each, concat)
        return found


def _drops(knobs: Mapping[str, Any]) -> bool:
    return knobs["drawn"] < 1.0


def thinned(
    own: Annotated[Costly, of(on=coordinates)],
    draws: Annotated[Uniform, of(when=_drops)],
    *,
    drawn: Share = 1.0,
) -> Deltas:
    """Return each expert's coordinates, some of them dropped at random, the rest enlarged."""
    return own if draws is None else drop(own, draws, drawn, "inverse")


def _trims(knobs: Mapping[str, Any]) -> bool:
    return knobs["inner"] == "ties"


@merge_method(
    "KnOTS",
    family="adapters",
    paper="arXiv:2410.19735",
    evidence="code run",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift"),
    neutral={"density": 1.0, "scale": 1.0},
    scope="tensor",
    memory=(1.0, 11.8),
)
def knots(
    tau: RawDeltas,
    own: Annotated[Costly, of(on=coordinates)],
    cut: Annotated[Cut, of("density", scope="trim", on=thinned, when=_trims, nonzero=True)],
    draws: Annotated[Uniform, of(when=_drops)],
    weights: Coefficients,
    key: Key,
    *,
    inner: Literal["ties", "linear"] = "ties",
    density: Annotated[
        float, Knob(0.0, 1.0, slider=(0.05, 1.0), step=0.01, symbol="k", per_expert=True)
    ] = 0.2,
    drawn: Share = 1.0,
    trim: Literal["global", "tensor"] = "global",
    combine: Literal["mean", "sum"] = "mean",
    concat: Concat = "input",
    scale: Annotated[float, Knob(slider=(0.0, 2.0), step=0.05, symbol="λ")] = 0.6,
) -> Delta:
    """Turn all experts into one common frame and merge their coordinates there.

    [τ₁ | … | τ_T] = U S [V₁ | … | V_T]; Zₜ = S Vₜ; θ* = θ₀ + λ · U · merge(Z₁ … Z_T)

    Args:
        tau: Task vectors before any coefficient.
        own: Each expert's coordinates.
        cut: Which coordinates survive the trim.
        draws: Uniform random numbers.
        weights: One coefficient per expert, for its coordinates.
        key: The tensor's name.
        inner: How coordinates are merged: by TIES, or just added up or averaged.
        density: Share of its coordinates each expert keeps, the largest ones.
        drawn: Share of its coordinates that each expert keeps at random before that, as DARE does;
            the rest is enlarged to match.
        trim: Rank coordinates over the whole model (the paper) or within each tensor.
        combine: Average or add up the coordinates that agree.
        concat: Whether the common frame is that of the outputs or of the inputs.
        scale: Multiplies the whole update.
    Words: LoRA, SVD, alignment.
    Fails: Added up it is task arithmetic, exactly: the frame matters to the trim alone. At a
        density of 0.2 a single expert does not come back (measured: an error of 0.48 of its
        change).
    Cost: One eigendecomposition per matrix.
    Reference: Stoica et al., Model merging with SVD to tie the KnOTS, 2025, arXiv:2410.19735.
        Differs: each expert has a coefficient of its own (the authors' code uses the first one for
        all); what is no matrix is merged entry by entry. Added up it is task arithmetic.
    """
    shares = torch.tensor(weights, dtype=own.dtype, device=own.device)
    kept = own.clone() if draws is None else thinned(own, draws, drawn=drawn)
    if inner == "ties":
        kept.mul_(cut)
    kept.mul_(shares.reshape(-1, *[1] * (own.dim() - 1)))
    if inner == "ties":
        merged = combine_agreeing(kept, elect_sign(kept, tie="drop"), combine, reuse=True)
    else:
        merged = mean(kept) if combine == "mean" else total(kept)
    if is_matrix(key, tau):
        merged = _back(tau, own, merged, concat)
    return merged * scale


def _back(tau: Tensor, own: Tensor, merged: Tensor, concat: Concat) -> Tensor:
    """Return coordinates as a change of the weights again."""
    with one_thread():
        taus, frames = widen(tau), widen(own)
        room = taus.shape[0 if concat == "input" else 1]
        size, frame = taus[0].new_zeros(room), taus[0].new_zeros(room, room)
        # U follows from τ = U Z, whose rows are orthogonal: no second decomposition is needed.
        for each, place in zip(taus, frames, strict=True):
            rows = _turned(place, concat)
            size += rows.square().sum(dim=1)
            frame += _turned(each, concat) @ rows.T
        frame /= torch.where(size > 0, size, 1.0)
        return _turned(frame @ _turned(widen(merged[None])[0], concat), concat).to(merged)


def _products(taus: Sequence[Tensor], concat: Concat) -> Tensor:
    """Return the inner products of the rows of all matrices side by side."""
    found = gram(_turned(taus[0], concat).T)
    for tau in taus[1:]:
        found += gram(_turned(tau, concat).T)
    return found


def _turned(matrix: Tensor, concat: Concat) -> Tensor:
    return matrix if concat == "input" else matrix.T
