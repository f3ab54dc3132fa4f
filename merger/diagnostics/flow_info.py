"""What is known of where each expert's change goes, step by step and layer by layer."""

from dataclasses import dataclass, replace

import numpy as np

from merger.diagnostics.pipeline import Step, Unit
from merger.info import Info


@dataclass(frozen=True, eq=False)
class Parts(Info):
    """What becomes of every expert's change, counted in one way.

    Args:
        merged: What reaches the merged model, shape (n,), or (n, layers).
        opposed: What is outvoted, or cancels.
        left_out: What is trimmed, dropped or cut.
    """

    merged: np.ndarray
    opposed: np.ndarray
    left_out: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """All of each expert's change."""
        return self.merged + self.opposed + self.left_out

    def of_layer(self, at: int | None) -> "Parts":
        """Return what there is in one layer, or in all where none is named, shape (n,)."""
        rows = (self.merged, self.opposed, self.left_out)
        return Parts(*(row.sum(1) if at is None else row[:, at] for row in rows))

    def of_expert(self, at: int) -> "Parts":
        """Return what there is of one expert, shape (1, …)."""
        return Parts(*(row[at : at + 1] for row in (self.merged, self.opposed, self.left_out)))


@dataclass(frozen=True, eq=False)
class FlowInfo(Info):
    """Where each expert's change goes on its way into a merge.

    Args:
        experts: The experts' names.
        method: The method's title.
        elects: Whether values are taken away for their sign; otherwise opposites cancel.
        word: What being left out is called, such as "trimmed"; empty where nothing can be.
        mass: By size: sums of the magnitudes of the weighted changes, or of their squares where
            directions are counted.
        entries: By number of changed entries, or of directions; for sums, those that point
            against the sum count as opposed.
        sample: Share of the coordinates this was estimated from; None when exact.
        unit: What is counted.
        layer: Which layer this is about; empty for all.
        adds: Whether what experts are left with is added up, so that opposites cancel.
    """

    experts: tuple[str, ...]
    method: str
    elects: bool
    word: str
    mass: Parts
    entries: Parts
    sample: float | None
    unit: Unit = "weights"
    layer: str = ""
    adds: bool = True

    @property
    def conflicts(self) -> bool:
        """Whether anything can be lost to disagreement."""
        return self.elects or (self.adds and self.unit != "directions")


@dataclass(frozen=True, eq=False)
class StepsInfo(Info):
    """What every expert has after each step of a method, by layer.

    Args:
        experts: The experts' names.
        method: The method's title.
        steps: The steps.
        unit: What is counted.
        layers: "out", then the layers' numbers.
        counts: How many entries, coordinates or directions there are before the first step and
            after each, (1 + steps, n, layers); where all are one, the first row holds that; NaN
            where they cannot be counted.
        sizes: The same in sums of magnitudes, or of squares where directions are counted.
        mass: What becomes of the change by size, with arrays of (n, layers).
        entries: The same by number.
        elects: Whether values are taken away for their sign; otherwise opposites cancel.
        word: What being left out is called; empty where nothing can be.
        note: What cannot be counted, and why; empty where everything can.
        sample: Share of the coordinates this was estimated from; None when exact.
        cuts: Whether `mass` and `entries` are energy and directions: a step takes some of them.
        adds: Whether what experts are left with is added up, so that opposites cancel.
    """

    experts: tuple[str, ...]
    method: str
    steps: tuple[Step, ...]
    unit: Unit
    layers: tuple[str, ...]
    counts: np.ndarray
    sizes: np.ndarray
    mass: Parts
    entries: Parts
    elects: bool
    word: str
    note: str
    sample: float | None
    cuts: bool = False
    adds: bool = True

    def flow(self, layer: str = "") -> FlowInfo:
        """Return where the change goes in one layer, or in all."""
        at = self.layers.index(layer) if layer in self.layers else None
        return FlowInfo(
            self.experts, self.method, self.elects, self.word, self.mass.of_layer(at),
            self.entries.of_layer(at), self.sample, self.flow_unit, "" if at is None else layer,
            self.adds,
        )  # fmt: skip

    @property
    def flow_unit(self) -> Unit:
        """What is followed: directions only where a step takes some of them."""
        return "weights" if self.unit == "directions" and not self.cuts else self.unit

    def scaled(self, factor: float, steps: int) -> "StepsInfo":
        """Return the same merge with its last steps multiplied by a factor."""
        counts, sizes = self.counts.copy(), self.sizes.copy()
        last = slice(len(sizes) - steps, None)
        sizes[last] *= factor * factor if self.unit == "directions" else abs(factor)
        counts[last] *= factor != 0.0
        return replace(self, counts=counts, sizes=sizes)
