"""RWS: what robust training adds, carried over to another model."""

from typing import Annotated, Literal

from merger.algebra import add_update, mean
from merger.errors import RecipeError
from merger.places import layer_of
from merger.spec import (
    Base,
    Coefficients,
    Deltas,
    Gram,
    Key,
    Knob,
    LayerCount,
    Weight,
    Weights,
    merge_method,
    of,
)


def changes(theta: Weights, base: Base) -> Deltas:
    """Return the task vectors before any coefficient."""
    return theta - base


@merge_method(
    "RWS (robust weight signatures)",
    family="task arithmetic",
    paper="arXiv:2302.12480",
    evidence="code read",
    laws=("idempotent", "homogeneous", "odd", "shift", "local"),
    experts=(2, None),
)
def rws(
    theta: Weights,
    base: Base,
    gram: Annotated[Gram, of(on=changes)],
    weights: Coefficients,
    layers: LayerCount,
    key: Key,
    *,
    scale: Annotated[float, Knob(slider=(-1.0, 2.0), step=0.05, symbol="α")] = 1.0,
    first_layers: Annotated[
        int | None, Knob(0, slider=(0, 48), step=1, symbol="K", none="all")
    ] = 7,
    target: Literal["clean", "last"] = "clean",
    batch_norm: Literal["signature", "robust"] = "signature",
) -> Weight:
    """Add to a model what robust experts learned beyond the clean one, in its first layers.

    θ* = θ_target + (α/N) Σ (x_c − a ⟨a, x_c⟩ / ⟨a, a⟩), with a = θ₁ − θ₀ and x_c = θ_c − θ₀

    Args:
        theta: The weights of the clean expert, then of the robust ones.
        base: The weights of the pre-trained model.
        gram: Inner products of the task vectors over the tensor.
        weights: One coefficient per expert, of which those of the robust ones count.
        layers: How many layers the model has; without any, every tensor is changed.
        key: The tensor's name.
        scale: Multiplies the signature; below 0 it is taken away again.
        first_layers: How many layers from the start are changed.
        target: What the signature is added to: the clean expert, or the last one in the list,
            which then is no robust one.
        batch_norm: Treat batch norms like everything else, or give them the robust experts' mean.
    Raises: an error when the last expert is the target and there is no robust one beside it.
    Words: orthogonal, robustness, patching.
    Fails: Needs experts of one data set with and without a corruption; others have no signature to
        speak of. Only the first layers change, so robustness that lies deeper is not carried over.
    Cost: One inner product per robust expert and tensor.
    Reference: Cai et al., Robust Weight Signatures: Gaining Robustness as Easy as Patching
        Weights?, 2023, arXiv:2302.12480. Differs: α/N counts once (the authors' code multiplies by
        it twice); layers are counted, not convolutions; an unchanged clean expert leaves the whole
        change as the signature.
    """
    last = len(theta) - (target == "last")
    if last < 2:
        raise RecipeError(
            "rws: target 'last' needs a clean expert, a robust one and the target, got 2 experts.",
            "Add an expert or set target: clean.",
        )
    goal = theta[0] if target == "clean" else theta[-1]
    if layers and not _is_among(layer_of(key), first_layers):
        return goal
    if batch_norm == "robust" and _is_batch_norm(key):
        return mean(theta[1:last])
    clean = theta[0] - base
    own = float(gram[0, 0])
    along = [float(gram[0, c]) / own if own else 0.0 for c in range(last)]
    signature = (theta[1] - base - clean * along[1]) * weights[1]
    for c in range(2, last):
        signature += (theta[c] - base - clean * along[c]) * weights[c]
    return add_update(goal, signature * (scale / (last - 1)))


def _is_among(layer: int | None, first: int | None) -> bool:
    return layer is not None and (first is None or layer < first)


def _is_batch_norm(key: str) -> bool:
    # Running statistics never come here: the engine averages them.
    names = ("bn", "batchnorm", "batch_norm")
    return any(word.rstrip("0123456789") in names for word in key.split("."))
