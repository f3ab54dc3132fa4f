"""SVC: weaken directions of the merged update in which experts have piled up."""

from collections.abc import Sequence
from typing import Annotated

from merger.lazy import Tensor, torch
from merger.spec import Delta, Deltas, Key, Knob, Update, merge_method
from merger.spectral import FAINT, Svd, is_matrix, svd, widen
from merger.threads import one_thread


@merge_method(
    "SVC",
    family="spectral",
    paper="arXiv:2602.05536",
    evidence="code run",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    scope="tensor",
    memory=(0.0, 7.9),
    stage="after",
)
def svc(
    update: Update,
    tau: Deltas,
    key: Key,
    *,
    alpha: Annotated[float, Knob(0.001, None, slider=(0.05, 2.0), step=0.05, symbol="α")] = 0.1,
) -> Delta:
    """Rescale each direction of the merged update to what the experts themselves put there.

    Δ = U S Vᵀ; sᵣᵗ = ⟨uᵣᵀΔ, uᵣᵀτₜ⟩ / ‖uᵣᵀτₜ‖²; γᵣ = T / Σₜ max(α, sᵣᵗ); Δ ← U diag(γ S) Vᵀ

    Args:
        update: The merged update.
        tau: Task vectors.
        key: The tensor's name.
        alpha: The least an expert counts; 0.1 fits sums and means, 1 fits TSV-Merge and WUDI.
    Words: SVD, spectrum.
    Fails: Changes matrices only. Directions in which experts oppose each other are bounded by α
        alone, and a small α enlarges them up to 1/α times.
    Cost: One SVD per matrix.
    Reference: Li et al., When Shared Knowledge Hurts: Spectral Over-Accumulation in Model Merging,
        2026, arXiv:2602.05536. Changes matrices only.
    """
    if not is_matrix(key, tau) or not update.any():
        return update
    with one_thread():
        return _calibrate(svd(widen(update.unsqueeze(0))[0]), widen(tau), alpha).to(update)


def _calibrate(found: Svd, taus: Sequence[Tensor], alpha: float) -> Tensor:
    rows = found.right.mul_(found.strength.unsqueeze(1))
    counted = torch.zeros_like(found.strength)
    for tau in taus:
        counted += _share(rows, found.left.T @ tau, FAINT * tau.norm()).clamp_(min=alpha)
    return found._replace(strength=len(taus) / counted).matrix()


def _share(merged: Tensor, own: Tensor, faint: Tensor) -> Tensor:
    """Return how often an expert's own row fits into the merged one; 0 where it has none."""
    size = torch.linalg.vector_norm(own, dim=1)
    none = size <= faint
    along = own.mul_(merged).sum(dim=1).div_(torch.where(none, 1.0, size))
    return torch.where(none, 0.0, along / torch.where(none, 1.0, size))
