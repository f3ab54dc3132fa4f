"""LiNeS: scale the merged update by depth."""

from collections.abc import Mapping
from typing import Annotated, Any

from merger.algebra import mean
from merger.spec import L1, Delta, Deltas, DepthAt, Knob, Notice, Update, merge_method, of


def averaged(tau: Deltas) -> Delta:
    """Return the experts' mean task vector."""
    return mean(tau)


def changed(update: Update) -> Delta:
    """Return the merged update."""
    return update


def _is_auto(knobs: Mapping[str, Any]) -> bool:
    return knobs["alpha"] is None


@merge_method(
    "LiNeS",
    family="layer scaling",
    paper="arXiv:2410.17146",
    evidence="code read",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift"),
    neutral={"alpha": 1.0, "beta": 0.0},
    stage="after",
    notices=(
        Notice(
            lambda case: case.layers == 0,
            "No name of a tensor numbers a layer, so that all are scaled by alpha alone.",
            "Take LiNeS out, or use models with numbered layers.",
        ),
    ),
)
def lines(
    update: Update,
    depth: DepthAt,
    experts: Annotated[L1, of(scope="global", on=averaged, when=_is_auto)],
    merged: Annotated[L1, of(scope="global", on=changed, when=_is_auto)],
    *,
    alpha: Annotated[
        float | None, Knob(slider=(0.0, 1.0), step=0.01, symbol="α", none="auto")
    ] = None,
    beta: Annotated[float, Knob(slider=(0.0, 2.0), step=0.05, symbol="β")] = 0.5,
) -> Delta:
    """Scale the update up with depth: early layers change little, late ones much.

    Δₗ ← (α + β · l/(L−1)) Δₗ, with α = ‖mean τₜ‖₁ / ‖Δ‖₁ unless given

    Args:
        update: The merged update.
        depth: Depth of the tensor, 0 to 1; 0 for what lies outside the layers.
        experts: Sum of magnitudes of the experts' mean task vector.
        merged: Sum of magnitudes of the merged update.
        alpha: Factor of the first layer; auto matches the size of the experts' average.
        beta: How much the factor grows to the last layer.
    Words: layer scaling, depth.
    Fails: Models whose names show no layers are scaled by α throughout. Embeddings, heads and
        final norms count as first layers, though heads change late.
    Reference: Wang et al., LiNeS: Post-training Layer Scaling Prevents Forgetting and Enhances
        Model Merging, 2025, arXiv:2410.17146. Tensors outside the layers get α; one single layer
        gets α + β.
    """
    if alpha is None:
        alpha = experts / merged if merged > 0.0 else 1.0
    return update * (alpha + beta * depth)
