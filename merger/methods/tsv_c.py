"""TSV-Compress: one model per expert, each kept as a few directions of its change."""

from typing import Annotated

from merger.lazy import Tensor, torch
from merger.masks import add_updates
from merger.spec import Base, Deltas, Key, Knob, PerTask, merge_method
from merger.spectral import is_matrix, svd, widen
from merger.threads import one_thread


@merge_method(
    "TSV-Compress",
    family="spectral",
    paper="arXiv:2412.00081",
    evidence="code run",
    laws=(
        "zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local",
    ),
    neutral={"density": 1.0},
    scope="tensor",
    memory=(1.0, 7.8),
)  # fmt: skip
def tsv_c(
    tau: Deltas,
    base: Base,
    key: Key,
    *,
    density: Annotated[
        float | None, Knob(0.0, 1.0, slider=(0.01, 1.0), step=0.01, symbol="ρ", none="1/T")
    ] = 0.1,
    conv_as_matrix: bool = False,
) -> PerTask:
    """Give every expert back from the strongest directions of its change alone.

    θₜ* = θ₀ + first ⌊ρ r⌋ directions of τₜ, r the number of directions of the matrix

    Args:
        tau: Task vectors.
        base: The base's weights.
        key: The tensor's name.
        density: Share of the directions each expert keeps, at least one; 1/T shares them out.
        conv_as_matrix: Compress kernels too, as matrices of one row per output channel.
    Words: TSV, TSVC, SVD, compression, low rank.
    Fails: Gives one model per expert, so the task of an input must be known. What an expert
        changed in many directions is lost at a small share.
    Cost: One SVD per expert and matrix.
    Reference: Gargiulo et al., Task Singular Vectors: Reducing Task Interference in Model Merging,
        2025, arXiv:2412.00081. What is no matrix is kept whole.
    """
    stack = tau.flatten(2) if conv_as_matrix and tau.dim() == 5 else tau
    share = 1.0 / len(tau) if density is None else density
    found = torch.empty_like(tau)
    with one_thread():
        for i, out in enumerate(found):
            if is_matrix(key, stack) and stack[i].any():
                _compress(widen(stack[i : i + 1])[0], share, out.reshape(stack.shape[1:]))
            else:
                out.copy_(tau[i])
    return add_updates(base, found)


def _compress(matrix: Tensor, density: float, out: Tensor) -> None:
    count = max(1, int(density * min(matrix.shape))) if density > 0.0 else 0
    svd(matrix).first(count).matrix(out)
