"""KnOTS: put all experts into one frame, then merge their coordinates there."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from merger.algebra import combine_agreeing, drop, elect_sign, mean, total
from merger.grams import crossed, eigen_, gram, pieces
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
from merger.spectral import Widened, is_matrix, widen
from merger.threads import one_thread

# Directions of the common frame below this share of the strongest one are rounding.
FAINT = 1e-7
Concat = Literal["input", "output"]


def coordinates(tau: RawDeltas, key: Key, *, concat: Concat = "input") -> Deltas:
    """Return each expert's coordinates in the common frame; rows that it lacks are 0."""
    if not is_matrix(key, tau) or not tau.any():
        return tau
    with one_thread():
        taus = _faced(widen(tau), concat)
        rows, columns = taus.shape
        if rows > len(taus) * columns:
            # So high that the inner products of all columns are fewer: S Vₜ at once.
            values, vectors = eigen_(crossed(taus), FAINT)
            blocks = vectors.mul_(values.sqrt()).split(columns)

            def place(i: int) -> Tensor:
                return blocks[i].T
        else:
            frame = eigen_(_products(taus), FAINT)[1].to(taus[0]).T

            def place(i: int) -> Tensor:
                return frame @ taus[i]

        found = torch.zeros_like(tau)
        places = found if concat == "input" else found.transpose(1, 2)
        for i, out in enumerate(places):
            _fill(out, place(i))
        return found


def _fill(out: Tensor, rows: Tensor) -> None:
    out[: len(rows)] = rows


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
    memory=lambda n, rows, columns: max(n + 8.2, pieces(n, rows, columns)),
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
    del kept
    if is_matrix(key, tau):
        merged = _back(tau, own, merged, concat)
    return merged * scale


def _back(tau: Tensor, own: Tensor, merged: Tensor, concat: Concat) -> Tensor:
    """Return coordinates as a change of the weights again."""
    with one_thread():
        taus, frames = _faced(widen(tau), concat), _faced(widen(own), concat)
        rows, columns = taus.shape
        size = torch.zeros_like(taus[0][:, 0])
        for i in range(len(taus)):
            size += torch.linalg.vector_norm(frames[i], dim=1).square_()
        size = torch.where(size > 0, size, 1.0)
        place = _faced(widen(merged.unsqueeze(0)), concat)[0]
        place = place / size.unsqueeze(1)
        # U follows from τ = U Z, whose rows are orthogonal: no second decomposition is needed.
        if rows <= columns:
            frame = taus[0].new_zeros(rows, rows)
            for i in range(len(taus)):
                frame.addmm_(taus[i], frames[i].T)
            found = frame @ place
        else:
            found = taus[0].new_zeros(rows, columns)
            for i in range(len(taus)):
                inside = frames[i].T @ place
                found.addmm_(taus[i], inside)
        return (found if concat == "input" else found.T).to(merged)


def _products(taus: Widened) -> Tensor:
    """Return the inner products of the rows of all matrices side by side."""
    found = gram(taus[0].T)
    for i in range(1, len(taus)):
        gram(taus[i].T, found)
    return found


def _faced(matrices: Widened, concat: Concat) -> Widened:
    """Return matrices whose rows the common frame is for."""
    return matrices if concat == "input" else matrices.turned
