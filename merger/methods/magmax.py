"""MagMax: every entry from the expert that changed it most."""

from typing import Annotated

from merger.lazy import torch
from merger.spec import Delta, Deltas, Knob, merge_method


@merge_method(
    "MagMax",
    family="selection",
    paper="arXiv:2407.06322",
    evidence="code run",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    neutral={"scale": 1.0},
)
def magmax(
    tau: Deltas,
    *,
    scale: Annotated[float, Knob(slider=(0.0, 1.5), step=0.05, symbol="λ")] = 0.5,
) -> Delta:
    """Take, entry by entry, the change of the expert that changed it most.

    θ* = θ₀ + λ τₛ with s = argmaxₜ |τₜ|, entry by entry

    Args:
        tau: Task vectors.
        scale: Multiplies the whole update.
    Fails: The largest change wins whether others agree or not, so one expert with long task
        vectors takes most entries. Of equal magnitudes the later expert wins.
    Reference: Marczak et al., MagMax: Leveraging Model Merging for Seamless Continual Learning,
        2024, arXiv:2407.06322. Of changes of one size the later expert's counts, which is the only
        place where the order of the experts does.
    """
    result = tau[0]
    for row in tau[1:]:
        result = torch.where(row.abs() >= result.abs(), row, result)
    return result * scale
