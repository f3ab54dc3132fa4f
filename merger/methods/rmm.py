"""RMM: a few basis models from which every expert is recovered."""

from typing import Annotated

from merger.algebra import add_update, weighted_total
from merger.lazy import Tensor, torch
from merger.spec import Base, Deltas, Gram, Knob, Notice, PerTask, merge_method
from merger.threads import one_thread


@merge_method(
    "RMM",
    family="adapters",
    paper="arXiv:2510.14163",
    evidence="reconstructed",
    laws=(
        "zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local",
    ),
    notices=(
        Notice(
            lambda case: case.knobs["basis"] >= case.n,
            "As many basis models are kept as there are experts, so that nothing is saved.",
            "Lower basis.",
        ),
    ),
)  # fmt: skip
def rmm(
    tau: Deltas,
    gram: Gram,
    base: Base,
    *,
    basis: Annotated[int, Knob(1, None, slider=(1, 8), step=1, symbol="p")] = 2,
) -> PerTask:
    """Keep a few basis models instead of all experts, and recover each expert from them.

    G = ⟨τᵢ, τⱼ⟩; C = its p leading eigenvectors; basis M = [τ₁ … τ_T] Cᵀ; θₜ* = θ₀ + (M C)ₜ

    Args:
        tau: Task vectors.
        gram: Their inner products over the tensor.
        base: The base's weights.
        basis: How many basis models are kept; as many as there are experts loses nothing.
    Words: LoRA, compression, low rank.
    Fails: Gives one model per expert, so the task of an input must be known. With fewer basis
        models than experts each comes back with an error; with one basis model all become
        multiples of it. Whether the paper shares coefficients as here is not known.
    Cost: One eigendecomposition of T × T numbers per tensor.
    Reference: Alipour and Amiri, Towards Reversible Model Merging For Low-rank Weights, 2025,
        arXiv:2510.14163. Reconstructed from the text of the paper: one set of coefficients per
        tensor, which is optimal in the sum of squares; the error is the sum of the other
        eigenvalues.
    """
    shares = _shares(gram, min(basis, len(tau)))
    found = torch.empty_like(tau)
    for row, out in zip(shares, found, strict=True):
        out.copy_(add_update(base, weighted_total(tau, row)))
    return found


def _shares(gram: Tensor, basis: int) -> list[list[float]]:
    """Return how much of each expert goes into each recovered one."""
    if basis == len(gram):
        return torch.eye(basis).tolist()
    with one_thread():
        vectors = torch.linalg.eigh(gram)[1][:, -basis:]
        return (vectors @ vectors.T).tolist()
