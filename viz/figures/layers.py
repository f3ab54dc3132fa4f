"""Lines along the layers of a model: where each layer stands, with a gap after the outside."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from merger.diagnostics.grid import OUTSIDE
from viz.figures.figure import axis

TICKS = 9


def layer_places(layers: Sequence[str]) -> list[float | None]:
    """Return where each layer stands; a gap keeps the outside apart from the first layer."""
    if OUTSIDE not in layers:
        return [float(i) for i in range(len(layers))]
    return [0.0, None, *(float(i) for i in range(1, len(layers)))]


def gapped(
    values: np.ndarray | Sequence[Any], layers: Sequence[str], gap: Any = None
) -> list[Any]:
    """Return values by layer with the gap that `layer_places` has."""
    found = [v.item() if isinstance(v, np.generic) else v for v in values]
    return [found[0], gap, *found[1:]] if OUTSIDE in layers else found


def layer_axis(layers: Sequence[str]) -> dict[str, Any]:
    """Return an axis of layers, with as many numbers as can be read."""
    places = [p for p in layer_places(layers) if p is not None]
    real = list(zip(places, layers, strict=True))
    step = max(1, -(-len(real) // TICKS))
    kept = real[:1] + real[1 if step == 1 else step :: step]
    return axis(
        "layer (out: outside the layers)" if OUTSIDE in layers else "layer",
        tickmode="array", tickvals=[p for p, _ in kept], ticktext=[t for _, t in kept],
        showgrid=False, range=[min(places) - 0.4, len(layers) - 0.1],
    )  # fmt: skip


def layer_words(layer: str) -> str:
    """Return a layer in words."""
    return "outside" if layer == OUTSIDE else f"layer {layer}"
