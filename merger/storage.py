"""What it takes to store a merge that gives every expert a model of its own, in bits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from merger.plan import Plan

FLOAT = 32
# What is stored beside numbers of 32 bits is said where it is not.
WORDS: Mapping[str, str] = {
    "tall_masks": "base and one merged update, and 1 bit per weight and expert",
    "emr": "base and one merged update, 1 bit per weight and expert, and one factor per expert",
    "twin_per_task": "the shared model, and each expert's strongest directions of every matrix",
    "tsv_c": "the base, and each expert's strongest directions of every matrix",
    "rmm": "base and basis models, and each expert's coefficients for every tensor",
    "free_merging": "the shared model, and each expert's largest entries with their places",
}


def separate_bits(trained: int, frozen: int, experts: int) -> int:
    """Return the bits of one full model per expert; what was never trained is stored once.

    Args:
        trained: Number of entries that training changed.
        frozen: Number of entries that it did not.
        experts: Number of experts.
    """
    return FLOAT * (experts * trained + frozen)


def tall_bits(trained: int, frozen: int, experts: int) -> int:
    """Return the bits of TALL-masks: base, one merged update, one bit per entry and expert.

    Example:
        >>> tall_bits(1000, 0, 20), separate_bits(1000, 0, 20)
        (84000, 640000)
    """
    return (2 * FLOAT + experts) * trained + FLOAT * frozen


def emr_bits(trained: int, frozen: int, experts: int) -> int:
    """Return the bits of EMR: those of TALL-masks, and one factor per expert."""
    return tall_bits(trained, frozen, experts) + FLOAT * experts


def twin_bits(shapes: Iterable[Sequence[int]], frozen: int, experts: int, rank: float) -> int:
    """Return the bits of Twin-Merging: the shared model, and each expert's directions.

    Args:
        shapes: Shapes of the tensors that training changed.
        frozen: Number of entries that it did not.
        experts: Number of experts.
        rank: Share of each matrix's directions that an expert keeps.
    """
    shapes = [tuple(shape) for shape in shapes]
    own = sum(_direction_entries(shape, rank) for shape in shapes)
    return FLOAT * (sum(map(prod, shapes)) + frozen + experts * own)


def free_bits(shapes: Iterable[Sequence[int]], frozen: int, experts: int, density: float) -> int:
    """Return the bits of FREE-Merging: the shared model, and each expert's entries with places.

    Args:
        shapes: Shapes of the tensors that training changed; matrices keep entries of their own.
        frozen: Number of entries that it did not.
        experts: Number of experts.
        density: Share of each row that an expert keeps.
    """
    shapes = [tuple(shape) for shape in shapes]
    kept = sum(
        shape[0] * (max(1, int(density * shape[1])) if density > 0.0 else 0)
        for shape in shapes
        if len(shape) == 2 and prod(shape)
    )
    return FLOAT * (sum(map(prod, shapes)) + frozen + 2 * experts * kept)


def rmm_bits(shapes: Iterable[Sequence[int]], frozen: int, experts: int, basis: int) -> int:
    """Return the bits of RMM: the base, the basis models, and coefficients for each tensor.

    Args:
        shapes: Shapes of the tensors that training changed.
        frozen: Number of entries that it did not.
        experts: Number of experts.
        basis: How many basis models are kept.
    """
    sizes = [prod(shape) for shape in shapes]
    kept = min(basis, experts)
    return FLOAT * (sum(sizes) + frozen + kept * (sum(sizes) + experts * len(sizes)))


def stored_bits(
    method: str,
    shapes: Iterable[Sequence[int]],
    frozen: int,
    experts: int,
    params: Mapping[str, Any],
) -> int:
    """Return the bits that a method with one model per expert needs to give each of them back.

    Args:
        method: Id of the method; any other one is taken to store every model in full.
        shapes: Shapes of the tensors that training changed.
        frozen: Number of entries that it did not.
        experts: Number of experts.
        params: Settings of the method.
    """
    shapes = [tuple(shape) for shape in shapes]
    trained = sum(map(prod, shapes))
    if method == "tall_masks":
        return tall_bits(trained, frozen, experts)
    if method == "emr":
        return emr_bits(trained, frozen, experts)
    if method == "twin_per_task":
        return twin_bits(shapes, frozen, experts, float(params["rank"]))
    if method == "tsv_c":
        share = 1.0 / experts if params["density"] is None else float(params["density"])
        flat = [shape if len(shape) == 2 else (prod(shape),) for shape in shapes]
        return twin_bits(flat, frozen, experts, share)
    if method == "rmm":
        return rmm_bits(shapes, frozen, experts, int(params["basis"]))
    if method == "free_merging":
        return free_bits(shapes, frozen, experts, float(params["density"]))
    return separate_bits(trained, frozen, experts)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the models of a merge take to store.

    Args:
        bits: As the method can store them.
        full: As one full model each; what was never trained counts once.
        words: What the method stores, in words.
    """

    bits: int
    full: int
    words: str


def storage_of(planned: Plan) -> Stored:
    """Return what the models of a merge take as the method can store them, and in full."""
    shapes = [tensor.shape for tensor in planned.merged]
    frozen = sum(tensor.numel for tensor in planned.tensors if tensor.action != "merge")
    params = planned.merged[0].params if planned.merged else {}
    small = stored_bits(planned.method.name, shapes, frozen, planned.n, params)
    full = separate_bits(sum(map(prod, shapes)), frozen, planned.n)
    return Stored(small, full, WORDS.get(planned.method.name, "each model in full"))


def storage_sentence(planned: Plan) -> str:
    """Say what the models of a merge take as the method can store them, and in full."""
    stored = storage_of(planned)
    if stored.bits >= stored.full:
        return ""
    return (
        f"Stored as {planned.method.title} can, all {planned.n} models take "
        f"{bits_in_words(stored.bits)} instead of {bits_in_words(stored.full)}."
    )


def bits_in_words(bits: int) -> str:
    """Return a number of bits as people say bytes, such as "1.03 GB"."""
    size = bits / 8e9
    return f"{size:.3g} GB" if size >= 0.1 else f"{size * 1e3:.3g} MB"


def _direction_entries(shape: tuple[int, ...], rank: float) -> int:
    """Return how many numbers the directions of one tensor take; never more than all of it."""
    size = prod(shape)
    if rank <= 0.0 or not size:
        return 0
    if rank >= 1.0 or len(shape) < 2:
        return size
    rows, columns = shape[0], prod(shape[1:])
    return min(size, max(1, int(rank * min(rows, columns))) * (rows + columns))
