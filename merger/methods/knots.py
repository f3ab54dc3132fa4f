"""KnOTS: put all experts into one frame, then merge their coordinates there."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from merger.algebra import combine_agreeing, elect_sign, keep, mean, total
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
        taus = _turned(torch.stack(widen(tau)), concat)
        frame = eigen(_products(taus), FAINT)[1].to(taus)
        found = torch.zeros_like(taus)
        found[:, : frame.shape[1]] = frame.T @ taus
        return _turned(found, concat).to(tau)


def _trims(knobs: Mapping[str, Any]) -> bool:
    return knobs["inner"] == "ties"


@merge_method(
    "KnOTS",
    family="adapters",
    paper="arXiv:2410.19735",
    evidence="code read",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift"),
    neutral={"density": 1.0, "scale": 1.0},
    scope="tensor",
)
def knots(
    tau: RawDeltas,
    own: Annotated[Costly, of(on=coordinates)],
    cut: Annotated[Cut, of("density", scope="trim", on=coordinates, when=_trims, nonzero=True)],
    weights: Coefficients,
    key: Key,
    *,
    inner: Literal["ties", "linear"] = "ties",
    density: Annotated[
        float, Knob(0.0, 1.0, slider=(0.05, 1.0), step=0.01, symbol="k", per_expert=True)
    ] = 0.2,
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
        weights: One coefficient per expert, for its coordinates.
        key: The tensor's name.
        inner: How coordinates are merged: by TIES, or just added up or averaged.
        density: Share of its coordinates each expert keeps, the largest ones.
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
    kept = keep(own, cut) if inner == "ties" else own
    shares = torch.tensor(weights, dtype=own.dtype, device=own.device)
    kept = kept * shares.reshape(-1, *[1] * (own.dim() - 1))
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
        taus, frames, rows = (
            _turned(torch.stack(widen(stack)), concat) for stack in (tau, own, merged[None])
        )
        # U follows from τ = U Z, whose rows are orthogonal: no second decomposition is needed.
        size = total(frames.square().sum(dim=2))
        frame = total(taus @ frames.transpose(1, 2)) / torch.where(size > 0, size, 1.0)
        return _turned(frame @ rows, concat)[0].to(merged)


def _products(taus: Tensor) -> Tensor:
    """Return the inner products of the rows of all matrices side by side."""
    found = gram(taus[0].T)
    for tau in taus[1:]:
        found += gram(tau.T)
    return found


def _turned(stack: Tensor, concat: Concat) -> Tensor:
    return stack if concat == "input" else stack.transpose(1, 2)
