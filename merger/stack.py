"""Task vectors of several experts side by side, whole or as a seeded sample."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, prod
from threading import Event
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from merger.adapted import change_of
from merger.errors import AlignmentError, FeedError
from merger.places import count_layers, depth_of, layer_of, module_of
from merger.progress import Progress, Report, check_cancel

if TYPE_CHECKING:
    from torch import Tensor

    from merger.checkpoint import Checkpoint

FLOATS = ("F16", "BF16", "F32", "F64")
RUN = 64  # contiguous coordinates a sample takes at once; longer runs bias the overlap
MAX_BYTES = 4 << 30


class Slot(NamedTuple):
    """Where one tensor lies in a stack, and where it sits in the model.

    Args:
        key: The tensor's name on disk.
        shape: Its shape in the model.
        start: First coordinate in the stack.
        stop: One past its last coordinate in the stack.
        layer: The layer's number, None outside the layers.
        depth: Relative depth in [0, 1].
        module: Short kind of module, such as "q" or "norm".
        dtype: The base's stored dtype, in safetensors' words.
    """

    key: str
    shape: tuple[int, ...]
    start: int
    stop: int
    layer: int | None
    depth: float
    module: str
    dtype: str

    @property
    def numel(self) -> int:
        """Return how many entries the tensor has in the model."""
        return prod(self.shape)


@dataclass(frozen=True, eq=False)
class Stack:
    """The base and each expert's task vector, flat in float32, tensor after tensor.

    Args:
        base: Base weights, shape (P,); zeros where there is no base.
        tau: Task vectors, shape (n, P); the experts' weights where there is no base.
        names: The experts' names.
        slots: The tensors, in the order in which they lie.
        sample: Share of the coordinates that was drawn; None when all are here.
        runs: First coordinate of each drawn run; empty when all are here.
    """

    base: np.ndarray
    tau: np.ndarray
    names: tuple[str, ...]
    slots: tuple[Slot, ...]
    sample: float | None = None
    runs: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def n(self) -> int:
        """Return the number of experts."""
        return len(self.names)

    @property
    def parameters(self) -> int:
        """Return how many entries the model has, drawn or not."""
        return sum(slot.numel for slot in self.slots)

    @cached_property
    def expand(self) -> np.ndarray:
        """Return how many entries of the model one drawn coordinate stands for, per slot."""
        return np.array([s.numel / max(1, s.stop - s.start) for s in self.slots])

    @cached_property
    def starts(self) -> np.ndarray:
        """Return the first coordinate of each slot."""
        return np.array([s.start for s in self.slots], np.int64)

    def only(self, key: str) -> Stack:
        """Return the stack of one tensor; the numbers are shared, not copied."""
        slot = self.slot(key)
        part = slice(slot.start, slot.stop)
        inside = (self.runs >= slot.start) & (self.runs < slot.stop)
        moved = slot._replace(start=0, stop=slot.stop - slot.start)
        runs = self.runs[inside] - slot.start
        return Stack(self.base[part], self.tau[:, part], self.names, (moved,), self.sample, runs)

    def slot(self, key: str) -> Slot:
        """Return the slot of a tensor."""
        for slot in self.slots:
            if slot.key == key:
                return slot
        raise FeedError(f"{key} is not among the tensors that are compared.", "Pick another one.")


def stack_experts(
    base: Checkpoint | None,
    experts: Sequence[Checkpoint],
    names: Sequence[str],
    *,
    keys: Sequence[str] | None = None,
    sample: float | None = None,
    seed: int = 0,
    max_bytes: int = MAX_BYTES,
    report: Report | None = None,
    cancel: Event | None = None,
) -> Stack:
    """Read the base and the experts' task vectors into one float32 array.

    Args:
        base: The checkpoint the experts were fine-tuned from; None puts zeros in its place.
        experts: The fine-tuned checkpoints.
        names: One name per expert.
        keys: Tensors to read; all floating-point tensors that every checkpoint has, when None.
        sample: Share of the coordinates to draw, in runs of 64 per tensor; all, when None.
        seed: Which sample. The draw depends on each tensor's name, never on their order.
        max_bytes: The most memory the stack may take.
    Raises:
        AlignmentError: shapes differ. FeedError: it would not fit, or is not finite.
    """
    if sample is not None and not 0 < sample <= 1:
        raise FeedError(f"sample must be a share above 0 and at most 1, got {sample}.")
    first = experts[0] if base is None else base
    wanted = _shared_keys(first, experts) if keys is None else sorted(keys)
    wanted = [key for key in wanted if prod(first.tensors[key].shape)]
    _check_shapes(first, experts, wanted)
    sample = None if sample == 1 else sample
    draws = {key: draw_runs(first.tensors[key].numel, sample, seed, key) for key in wanted}
    slots = _lay_out(first, wanted, draws)
    total = slots[-1].stop if slots else 0
    _check_budget(total, len(experts), max_bytes)
    flat = np.zeros(total, np.float32)
    tau = np.empty((len(experts), total), np.float32)
    for slot in slots:
        check_cancel(cancel)
        part = slice(slot.start, slot.stop)
        if base is not None:
            _fill(flat[part], base, slot.key, draws[slot.key])
        for row, expert in enumerate(experts):
            change = change_of(expert, base, slot.key)
            _fill(tau[row, part], expert, slot.key, draws[slot.key], change)
            if base is not None and change is None:
                tau[row, part] -= flat[part]
        if report:
            report(Progress(slot.stop, total, "parameters", slot.key))
    runs = _run_starts(slots) if sample is not None else np.zeros(0, np.int64)
    return Stack(flat, tau, tuple(names), tuple(slots), sample, runs)


def keyed(seed: int, *words: str) -> np.random.Generator:
    """Return random numbers that depend on a seed and names alone, never on order."""
    text = "\0".join((str(seed), *words)).encode("utf-8", "surrogatepass")
    return np.random.Generator(
        np.random.Philox(key=int.from_bytes(hashlib.sha256(text).digest()[:16]))
    )


def draw_runs(numel: int, sample: float | None, seed: int, key: str) -> np.ndarray | None:
    """Return which runs of 64 a sample takes from one tensor, sorted; None takes all of it."""
    runs = ceil(numel / RUN)
    if sample is None or runs <= 2:
        return None
    # Two runs at least, so that their spread says how far off the sample may be.
    take = min(runs, max(2, ceil(sample * runs)))
    return np.sort(keyed(seed, "sample", key).choice(runs, take, replace=False))


def _shared_keys(base: Checkpoint, experts: Sequence[Checkpoint]) -> list[str]:
    models = (base, *experts)
    return [
        key
        for key in sorted(base.tensors)
        if all(key in m.tensors and m.tensors[key].dtype in FLOATS for m in models)
    ]


def _check_shapes(base: Checkpoint, experts: Sequence[Checkpoint], keys: Sequence[str]) -> None:
    if not keys:
        raise AlignmentError(
            f"{base.label} and the experts share no floating-point tensor.",
            "Choose experts that were fine-tuned from this base.",
        )
    for expert in experts:
        for key in keys:
            here, there = base.tensors[key].shape, expert.tensors[key].shape
            if here != there:
                raise AlignmentError(
                    f"{expert.label} doesn't fit {base.label}: {key} is {tuple(here)} there "
                    f"and {tuple(there)} here.",
                    "Choose experts of the same architecture.",
                )


def _check_budget(total: int, n: int, max_bytes: int) -> None:
    need = 4 * total * (n + 1)
    if need > max_bytes:
        raise FeedError(
            f"Comparing these experts takes {need / 2**30:.1f} GiB of memory, and "
            f"{max_bytes / 2**30:.1f} GiB are allowed.",
            f"Measure a sample instead, such as {max_bytes / need / 2:.1g} of the parameters.",
        )


def _lay_out(base: Checkpoint, keys: Sequence[str], draws: dict) -> list[Slot]:
    layers = count_layers(keys)
    slots, at = [], 0
    for key in keys:
        info = base.tensors[key]
        count = info.numel if draws[key] is None else _drawn(info.numel, draws[key])
        layer = layer_of(key)
        depth = depth_of(layer, layers)
        slots.append(
            Slot(key, tuple(info.shape), at, at + count, layer, depth, module_of(key), info.dtype)
        )
        at += count
    return slots


def _drawn(numel: int, runs: np.ndarray) -> int:
    return int(np.minimum(RUN, numel - runs * RUN).sum())


def _fill(
    out: np.ndarray,
    model: Checkpoint,
    key: str,
    runs: np.ndarray | None,
    known: Tensor | None = None,
) -> None:
    flat = model.read(key) if known is None else known
    out[:] = (flat if runs is None else _take(flat, runs)).float().numpy()
    if not np.isfinite(out.sum(dtype=np.float64)):
        raise FeedError(
            f"{model.label}: {key} holds NaN or infinity.",
            "Choose a checkpoint whose numbers are finite.",
        )


def _take(flat: Tensor, runs: np.ndarray) -> Tensor:
    whole = len(flat) // RUN
    body = flat[: whole * RUN].view(-1, RUN)[runs[runs < whole]].reshape(-1)
    if runs[-1] < whole:
        return body
    tail = flat[whole * RUN :]
    joined = flat.new_empty(len(body) + len(tail))
    joined[: len(body)] = body
    joined[len(body) :] = tail
    return joined


def _run_starts(slots: Sequence[Slot]) -> np.ndarray:
    # Runs are sorted and only a tensor's last run is short, so that steps of 64 find each start.
    parts = [np.arange(slot.start, slot.stop, RUN, dtype=np.int64) for slot in slots]
    return np.concatenate(parts)
