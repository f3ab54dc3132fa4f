"""How far the tensors of a merge are from those of its base, and which of them stand out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, sqrt
from threading import Event

import numpy as np

from merger.checkpoint import Checkpoint
from merger.lazy import torch
from merger.places import LAYER, layer_of
from merger.progress import Progress, Report, check_cancel
from merger.tied import same_bits

CHUNK = 1 << 20
# Median absolute deviation of normal numbers, as a share of their standard deviation.
MAD = 0.6745
# A tensor stands out from so many robust standard deviations on, and these are at least one per
# cent, because layers that all keep their norms would otherwise differ by rounding alone.
FAR = 6.0
LEAST_SPREAD = 0.01
FEWEST_LAYERS = 5


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """The norm of one layer's tensors against the same layer of the reference.

    Args:
        layer: Its number; None for everything outside the layers.
        ratio: ‖merged‖ / ‖reference‖; None where the reference is zero.
    """

    layer: int | None
    ratio: float | None


@dataclass(frozen=True, slots=True)
class Outlier:
    """A tensor whose norm changed otherwise than in the other layers.

    Args:
        key: Its name on disk.
        ratio: ‖merged‖ / ‖reference‖.
        usual: The median of this ratio over the same tensor of all layers.
        z: How far it is from that, in robust standard deviations of the logarithm.
    """

    key: str
    ratio: float
    usual: float
    z: float


@dataclass(frozen=True, slots=True)
class Drift:
    """How the tensors of a model differ from a reference, in sizes alone.

    Args:
        reference: What it is compared with; "" where there is nothing to compare with.
        layers: Every layer, and what lies outside them.
        outliers: Tensors that stand out, furthest first.
        compared: How many tensors had enough layers beside them to be judged.
        broken: Tensors with a number that is not finite.
        zero: Tensors that are nothing but zero, and are not so in the reference.
        twins: Pairs of matrices with the same numbers, which differ in the reference.
    """

    reference: str
    layers: tuple[LayerNorm, ...]
    outliers: tuple[Outlier, ...]
    compared: int
    broken: tuple[str, ...]
    zero: tuple[str, ...]
    twins: tuple[tuple[str, str], ...]


def measure_drift(
    model: Checkpoint,
    reference: Checkpoint | None,
    *,
    report: Report | None = None,
    cancel: Event | None = None,
) -> Drift:
    """Compare the norms of a model's tensors with a reference; reads block by block.

    Args:
        model: The model.
        reference: What it was made from; None finds broken, zero and twin tensors only.
        report: Told of bytes read.
        cancel: Stops the reading.
    """
    keys = [key for key, info in model.tensors.items() if info.is_float and info.numel]
    both = [] if reference is None else [key for key in keys if _is_same(model, reference, key)]
    total = sum(model.tensors[key].nbytes for key in keys)
    if reference is not None:
        total += sum(reference.tensors[key].nbytes for key in both)
    done = 0

    def squares(source: Checkpoint, names: Sequence[str]) -> dict[str, float]:
        nonlocal done
        found = {}
        for key in names:
            found[key] = _square(source, key, cancel)
            done += source.tensors[key].nbytes
            if report is not None:
                report(Progress(done, total, "bytes", f"checking {key}"))
        return found

    here = squares(model, keys)
    there = {} if reference is None else squares(reference, both)
    outliers, compared = find_outliers(_ratios(here, there))
    return Drift(
        "" if reference is None else reference.label,
        _layers(here, there),
        outliers,
        compared,
        tuple(key for key in keys if not isfinite(here[key])),
        tuple(key for key in keys if here[key] == 0 and _should_be_more(model, there, key)),
        _twins(model, reference, here, there),
    )


def find_outliers(ratios: Mapping[str, float]) -> tuple[tuple[Outlier, ...], int]:
    """Return the tensors whose norm changed otherwise than in other layers, furthest first.

    z = 0.6745 · (log r − median) / max(MAD, 0.6745 · 0.01), over the layers of one role; a role
    is a name without the number of its layer, and needs five layers.

    Args:
        ratios: ‖merged‖ / ‖reference‖ by name on disk, above zero.

    Returns: the outliers, and how many tensors were judged.
    """
    roles: dict[str, list[str]] = {}
    for key in ratios:
        if layer_of(key) is not None:
            roles.setdefault(role_of(key), []).append(key)
    found: list[Outlier] = []
    judged = 0
    for keys in roles.values():
        if len(keys) < FEWEST_LAYERS:
            continue
        judged += len(keys)
        logs = np.log([ratios[key] for key in keys])
        middle = float(np.median(logs))
        spread = max(float(np.median(np.abs(logs - middle))) / MAD, LEAST_SPREAD)
        for key, value in zip(keys, logs, strict=True):
            z = (float(value) - middle) / spread
            if abs(z) > FAR:
                found.append(Outlier(key, ratios[key], float(np.exp(middle)), z))
    return tuple(sorted(found, key=lambda one: (-abs(one.z), one.key))), judged


def role_of(key: str) -> str:
    """Return a tensor's name with a star for the number of its layer."""
    hit = LAYER.search(key)
    return key if hit is None else f"{key[: hit.start(1)]}*{key[hit.end(1) :]}"


def _is_same(model: Checkpoint, reference: Checkpoint, key: str) -> bool:
    other = reference.tensors.get(key)
    return other is not None and other.is_float and other.shape == model.tensors[key].shape


def _square(model: Checkpoint, key: str, cancel: Event | None) -> float:
    """Return the sum of squares of a tensor; infinite where a number is not finite."""
    total = 0.0
    for start in range(0, model.tensors[key].numel, CHUNK):
        check_cancel(cancel)
        part = model.read(key, start, start + CHUNK).to(torch.float32)
        square = float(torch.dot(part, part))
        if not isfinite(square):
            # Large numbers may overflow their squares and be finite all the same.
            wide = part.double()
            square = float(torch.dot(wide, wide))
        if not isfinite(square):
            return inf
        total += square
    return total


def _should_be_more(model: Checkpoint, there: Mapping[str, float], key: str) -> bool:
    """Return whether a tensor of zeros is none in the reference, or is a matrix without one."""
    return there[key] > 0 if key in there else not there and len(model.tensors[key].shape) > 1


def _ratios(here: Mapping[str, float], there: Mapping[str, float]) -> dict[str, float]:
    return {
        key: sqrt(here[key] / there[key])
        for key in there
        if 0 < there[key] < inf and 0 < here[key] < inf
    }


def _layers(here: Mapping[str, float], there: Mapping[str, float]) -> tuple[LayerNorm, ...]:
    sums: dict[int | None, tuple[float, float]] = {}
    for key in there:
        layer = layer_of(key)
        ours, theirs = sums.get(layer, (0.0, 0.0))
        sums[layer] = (ours + here[key], theirs + there[key])
    order = sorted(sums, key=lambda layer: -1 if layer is None else layer)
    return tuple(
        LayerNorm(
            layer, sqrt(sums[layer][0] / sums[layer][1]) if 0 < sums[layer][1] < inf else None
        )
        for layer in order
    )


def _twins(
    model: Checkpoint,
    reference: Checkpoint | None,
    here: Mapping[str, float],
    there: Mapping[str, float],
) -> tuple[tuple[str, str], ...]:
    """Return pairs of matrices with the same numbers; those of the reference are meant so."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for key, square in here.items():
        info = model.tensors[key]
        if len(info.shape) > 1 and 0 < square < inf:
            groups.setdefault((info.shape, info.dtype, square), []).append(key)
    pairs = [(first, key) for first, *rest in groups.values() for key in rest]
    return tuple(
        (first, key)
        for first, key in pairs
        if (reference is None or there.get(first) != there.get(key) or first not in there)
        and same_bits(model, first, key)
    )
