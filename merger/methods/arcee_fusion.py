"""Arcee Fusion: only the changes of one expert that stand out."""

from collections.abc import Mapping
from typing import Annotated, Any

from merger.algebra import add_update
from merger.lazy import torch
from merger.spec import Base, Deltas, Knob, Ordered, Weight, Weights, merge_method, of
from merger.sums import CHUNK
from merger.threads import one_thread


def importance(theta: Weights, base: Base) -> Deltas:
    """Return each change times how much the distribution of its row changed."""
    columns = base.shape[-1] if base.dim() else 1
    found = torch.empty_like(theta)
    rows = max(1, CHUNK // columns)
    parts = zip(
        theta[0].reshape(-1, columns).split(rows),
        base.reshape(-1, columns).split(rows),
        found[0].reshape(-1, columns).split(rows),
        strict=True,
    )
    # Neither sums nor logarithms of long rows are the same on several threads.
    with one_thread():
        for *pair, out in parts:
            # Not every device knows double precision.
            ours, theirs = (part.cpu() for part in pair)
            p, q = (torch.softmax(part.double(), dim=-1) + 1e-8 for part in (ours, theirs))
            out.copy_((ours - theirs).abs() * (p * (p / q).log()).sum(-1, keepdim=True))
    return found


def quartiles(knobs: Mapping[str, Any], entries: int) -> tuple[int, ...]:
    """Return the places of lower quartile, median and upper quartile (nearest rank)."""
    return tuple(int(share * max(0, entries - 1)) for share in (0.25, 0.5, 0.75))


@merge_method(
    "Arcee Fusion",
    family="selection",
    paper="mergekit",
    evidence="code run",
    laws=("zero", "local"),
    scope="tensor",
    experts=(1, 1),
)
def arcee_fusion(
    theta: Weights,
    base: Base,
    ordered: Annotated[Ordered, of(on=importance, places=quartiles)],
    *,
    scale: Annotated[float, Knob(slider=(0.0, 2.0), step=0.05, symbol="λ")] = 1.0,
) -> Weight:
    """Take over only those changes of one expert that matter far more than most.

    θ* = θ₀ + λ τ where I ≥ median + 1.5 (Q₃ − Q₁), with I = |τ| · KL(softmax θ₁ ‖ softmax θ₀)

    Args:
        theta: The expert's weights.
        base: The base's weights.
        ordered: Quartiles of the importance I over the tensor.
        scale: Multiplies the changes that are taken over.
    Fails: An entry is taken whole or not at all, so weights that belong together are torn apart.
        What most entries changed by the same amount never stands out.
    Cost: Quartiles over each tensor.
    Reference: mergekit's `arcee_fusion`. The softmax runs over the last axis. Differs: computed in
        double precision, over all entries of a tensor instead of a random million.
    """
    low, middle, high = ordered[:, 0].tolist()
    stands_out = importance(theta, base)[0] >= middle + 1.5 * (high - low)
    moved = theta[0] if scale == 1.0 else add_update(base, (theta[0] - base) * scale)
    return torch.where(stands_out, moved, base)
