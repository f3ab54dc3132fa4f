"""How much of a change its strongest directions hold, by rank: what a LoRA adapter of it keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, NamedTuple, Self

import numpy as np

from merger.diagnostics.grid import OUTSIDE
from merger.info import Info
from merger.places import layer_of, module_of, module_order

LEVELS = (0.9, 0.95, 0.99)
# Every rank up to the first number, then so many to a doubling: more is not seen on an axis.
EACH, PER_DOUBLING = 32, 8
ROUNDING = 1e-9


class Change(NamedTuple):
    """The change of one matrix.

    Args:
        key: Its name on disk.
        squares: Squared strengths of its directions, from strong to faint, added up.
        sides: Rows and columns together: the numbers that one direction takes.
    """

    key: str
    squares: np.ndarray
    sides: int


class Stored(NamedTuple):
    """What is written.

    Args:
        adapter_bytes: Weights of the adapter.
        full_bytes: Weights of the merged model.
        kept_whole: Tensors of the adapter that are stored whole.
        impossible: Tensors that change and that no adapter can hold.
    """

    adapter_bytes: int
    full_bytes: int
    kept_whole: int
    impossible: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class EnergyInfo(Info):
    """How much of the change of all matrices so many directions of each hold.

    Args:
        ranks: Numbers of directions, (m,).
        whole: Share of the squared length of all changes that they hold, (m,).
        modules: Kinds of module, in the order data passes them.
        by_module: The same share for each kind, (kinds, m).
        layers: "out" for what lies outside the layers, then their numbers.
        by_layer: The same share for each layer, (layers, m).
        levels: Shares of interest, (k,).
        needed: Fewest directions that hold these, of all matrices, (k,).
        needed_by_module: The same for each kind, (kinds, k).
        needed_by_layer: The same for each layer, (layers, k).
        rank: How many directions are chosen.
        kept: Share that they hold.
        kept_by_module: The same for each kind.
        kept_by_layer: The same for each layer.
        error: Length of what is lost, as a share of the length of the change.
        written: Whether that is the loss of an adapter that was written, rounded as it is stored.
        matrices: How many matrices there are.
        adapter_bytes: What the weights of the adapter take.
        full_bytes: What the weights of the model take.
        kept_whole: Tensors stored whole.
        impossible: Tensors that change and that no adapter can hold.
    """

    ranks: np.ndarray
    whole: np.ndarray
    modules: tuple[str, ...]
    by_module: np.ndarray
    layers: tuple[str, ...]
    by_layer: np.ndarray
    levels: tuple[float, ...]
    needed: np.ndarray
    needed_by_module: np.ndarray
    needed_by_layer: np.ndarray
    rank: int
    kept: float
    kept_by_module: np.ndarray
    kept_by_layer: np.ndarray
    error: float
    written: bool
    matrices: int
    adapter_bytes: int
    full_bytes: int
    kept_whole: int
    impossible: tuple[str, ...]

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """Return the Info that plain data was made of."""
        ranks, levels = len(plain["ranks"]), len(plain["levels"])
        modules, layers = len(plain["modules"]), len(plain["layers"])
        counts = {
            "ranks": (ranks,),
            "needed": (levels,),
            "needed_by_module": (modules, levels),
            "needed_by_layer": (layers, levels),
        }
        shares = {"whole": (ranks,), "by_module": (modules, ranks), "by_layer": (layers, ranks),
                  "kept_by_module": (modules,), "kept_by_layer": (layers,)}  # fmt: skip
        made: dict[str, Any] = {
            name: np.array(plain[name], kind).reshape(shape)
            for kind, shapes in ((np.int64, counts), (np.float64, shares))
            for name, shape in shapes.items()
        }
        made |= {
            name: tuple(plain[name]) for name in ("modules", "layers", "levels", "impossible")
        }
        return cls(**{**plain, **made})


def measure_energy(
    changes: Sequence[Change],
    rank: int,
    stored: Stored,
    *,
    error: float | None = None,
    ranks: Mapping[str, int] | None = None,
) -> EnergyInfo:
    """Return how much of each part of a change its strongest directions hold.

    Args:
        changes: The matrices that change.
        rank: How many directions of each are kept at most.
        stored: What is written.
        error: What an adapter that was written loses; None for what the directions left out hold.
        ranks: Directions kept of each matrix, where these differ.
    """
    most = max((len(change.squares) for change in changes), default=0)
    shown = _shown_ranks(most)
    curves = [_padded(change.squares, most) for change in changes]
    kept = [_at(c.squares, min(rank, (ranks or {}).get(c.key, rank))) for c in changes]
    modules = sorted({module_of(c.key) for c in changes}, key=module_order)
    numbers = {layer_of(c.key) for c in changes}
    layers = [None] * (None in numbers) + sorted(n for n in numbers if n is not None)
    mine = [[module_of(c.key) == module for c in changes] for module in modules]
    there = [[layer_of(c.key) == layer for c in changes] for layer in layers]
    every = [_Part(curves, kept, chosen) for chosen in ([True] * len(changes), *mine, *there)]
    whole, by_module, by_layer = every[0], every[1 : 1 + len(mine)], every[1 + len(mine) :]
    lost = sqrt(max(0.0, 1.0 - whole.kept)) if error is None else error
    return EnergyInfo(
        np.array(shown, np.int64),
        whole.at(shown),
        tuple(modules),
        np.array([part.at(shown) for part in by_module]).reshape(len(modules), len(shown)),
        tuple(OUTSIDE if layer is None else str(layer) for layer in layers),
        np.array([part.at(shown) for part in by_layer]).reshape(len(layers), len(shown)),
        LEVELS,
        whole.needed(),
        _counts([part.needed() for part in by_module]),
        _counts([part.needed() for part in by_layer]),
        rank,
        whole.kept,
        np.array([part.kept for part in by_module]),
        np.array([part.kept for part in by_layer]),
        lost,
        error is not None,
        len(changes),
        *stored,
    )


def adapter_bytes(changes: Sequence[Change], rank: int, whole: int, size: int = 4) -> int:
    """Return what an adapter of so many directions takes, without its header.

    Args:
        changes: The matrices that change.
        rank: Directions of each, at most.
        whole: Numbers that are stored whole.
        size: Bytes of a number.
    """
    factors = sum(min(rank, len(change.squares)) * change.sides for change in changes)
    return size * (factors + whole)


class _Part:
    """Some of the matrices, added up."""

    def __init__(
        self, curves: Sequence[np.ndarray], kept: Sequence[float], chosen: Sequence[bool]
    ) -> None:
        mine = [curve for curve, is_in in zip(curves, chosen, strict=True) if is_in]
        held = np.sum(mine, axis=0) if mine else np.zeros(0)
        self._whole = float(held[-1]) if len(held) else 0.0
        self._shares = held / self._whole if self._whole else held
        inside = sum(k for k, is_in in zip(kept, chosen, strict=True) if is_in)
        self.kept = inside / self._whole if self._whole else 1.0

    def at(self, ranks: Sequence[int]) -> np.ndarray:
        return np.array([self._shares[rank - 1] for rank in ranks])

    def needed(self) -> np.ndarray:
        found = [int((self._shares < level - ROUNDING).sum()) + 1 for level in LEVELS]
        return np.array(found if len(self._shares) else [0] * len(LEVELS), np.int64)


def _counts(rows: Sequence[np.ndarray]) -> np.ndarray:
    return np.array(rows, np.int64).reshape(len(rows), len(LEVELS))


def _shown_ranks(most: int) -> list[int]:
    found = set(range(1, min(most, EACH) + 1)) | ({most} if most else set())
    rank = float(EACH)
    while rank < most:
        found.add(round(rank))
        rank *= 2 ** (1 / PER_DOUBLING)
    return sorted(found)


def _padded(squares: np.ndarray, length: int) -> np.ndarray:
    last = squares[-1:] if len(squares) else np.zeros(1)
    return np.concatenate([squares, np.repeat(last, length - len(squares))])


def _at(squares: np.ndarray, rank: int) -> float:
    return float(squares[min(rank, len(squares)) - 1]) if len(squares) and rank > 0 else 0.0
