"""Models that lie flat in memory, as a plan sees them."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np

from merger.checkpoint import Checkpoint
from merger.errors import FeedError
from merger.inputs import is_finite
from merger.lazy import Tensor, torch
from merger.pieces import Piece
from merger.plan import BASE, Plan, TensorPlan
from merger.randomness import key_of, uniforms
from merger.survey import SurveyCache

# Small enough that a stack of eight experts stays in the cache of one core.
FLAT_BLOCK = 1 << 16
# Feeds that differ from tensor to tensor.
ALONE = {"gram", "weight_gram", "l1", "depth", "ranks", "costly", "key", "norms"}


class SlotLike(Protocol):
    """Where one tensor lies in the flat order."""

    @property
    def key(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def stop(self) -> int: ...


class StackLike(Protocol):
    """A base and task vectors, flat in float32; see merger/stack.py."""

    @property
    def base(self) -> np.ndarray: ...
    @property
    def tau(self) -> np.ndarray: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def slots(self) -> Sequence[Any]: ...


class FlatInputs:
    """A base and experts that lie flat in memory, tensor after tensor.

    Args:
        stack: Base, shape (P,), and task vectors, shape (n, P), with names and slots.
        experts: The experts themselves, one per row. Where adding a task vector to the base does
            not give an entry back exactly, its own number is kept too; without `experts`
            methods that work on weights may differ from a saved merge in the last bit.
    """

    def __init__(self, stack: StackLike, experts: Sequence[Checkpoint] | None = None) -> None:
        self.names = tuple(stack.names)
        self.slots = tuple(stack.slots)
        self.base = torch.from_numpy(_writable(stack.base))
        self.tau = torch.from_numpy(_writable(stack.tau))
        if not (is_finite(self.base) and is_finite(self.tau)):
            raise FeedError(
                "The models hold NaN or infinity.", "Choose checkpoints whose numbers are finite."
            )
        # By row: places in order, and the numbers that stand there.
        self.exact: dict[int, tuple[np.ndarray, Tensor]] = {}
        for row, expert in enumerate(experts or ()):
            odd = self._odd(row, expert)
            if odd is not None:
                self.exact[row] = odd

    def _odd(self, row: int, expert: Checkpoint) -> tuple[np.ndarray, Tensor] | None:
        """Return where base plus task vector is not the expert to the bit, and what is there."""
        places, numbers = [], []
        for slot in self.slots:
            own = expert.read(slot.key).to(torch.float32)
            part = slice(slot.start, slot.stop)
            # Bits, not values: -0 and 0 are equal, and are not the same bytes.
            same = (self.base[part] + self.tau[row, part]).view(torch.int32) == own.view(
                torch.int32
            )
            if not bool(same.all()):
                at = torch.nonzero(~same).flatten()
                places.append(at.numpy() + slot.start)
                numbers.append(own[at])
        return (np.concatenate(places), torch.cat(numbers)) if places else None

    @cached_property
    def nbytes(self) -> int:
        """Bytes of all tensors held."""
        odd = sum(12 * len(places) for places, _ in self.exact.values())
        return sum(t.numel() * t.element_size() for t in (self.base, self.tau)) + odd

    def theta(self, row: int, start: int, stop: int) -> Tensor:
        """Return an expert's own entries."""
        out = self.base[start:stop] + self.tau[row, start:stop]
        if row in self.exact:
            places, numbers = self.exact[row]
            first, last = np.searchsorted(places, (start, stop))
            out[torch.from_numpy(places[first:last] - start)] = numbers[first:last]
        return out


def _writable(array: np.ndarray) -> np.ndarray:
    # Nothing here writes, but torch warns about arrays that are marked read-only.
    return array if array.flags.writeable else array.copy()


class Run(NamedTuple):
    """Neighbouring tensors for which the same happens.

    Args:
        tensors: The tensors, side by side.
        start: Where the first one begins in the flat order.
        stop: Where the last one ends.
    """

    tensors: tuple[TensorPlan, ...]
    start: int
    stop: int

    @property
    def action(self) -> str:
        """What happens to them."""
        return self.tensors[0].action

    def pieces(self, plan: Plan) -> Iterator[tuple[Piece, slice]]:
        """Yield its pieces and where they lie."""
        size = self.stop - self.start
        step = FLAT_BLOCK
        if self.action == "merge" and plan.scope_at(self.tensors[0].settings) != "element":
            step = size
        for at in range(0, size, max(1, step)):
            end = min(size, at + step)
            yield Piece(self.tensors, at, end), slice(self.start + at, self.start + end)


class FlatView:
    """Flat models as a plan sees them: its experts, its order, its runs."""

    def __init__(self, plan: Plan, flat: FlatInputs, cache: SurveyCache) -> None:
        self.plan = plan
        self.flat = flat
        self.cache = cache
        self.at = {slot.key: slot.start for slot in flat.slots}
        missing = [name for name in plan.names if name not in flat.names]
        absent = [t.key for t in plan.merged if t.numel and t.key not in self.at]
        absent += [slot.key for slot in flat.slots if slot.key not in plan.by_key]
        if missing or absent:
            what = (missing or absent)[0]
            raise FeedError(f"{what} is not among the models in memory.", "Open them again.")
        self.rows = [flat.names.index(name) for name in plan.names]
        self._all = self.rows == list(range(len(flat.names)))

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Runs of tensors in flat order."""
        alone = _stands_alone(self.plan)
        runs: list[Run] = []
        last: Any = None
        for slot in self.flat.slots:
            tensor = self.plan.by_key[slot.key]
            kind = (
                (id(tensor.settings), tensor.out_dtype, tensor.key if alone else "")
                if tensor.action == "merge"
                else tensor.key
            )
            if kind == last and runs:
                runs[-1] = Run((*runs[-1].tensors, tensor), runs[-1].start, slot.stop)
            else:
                runs.append(Run((tensor,), slot.start, slot.stop))
            last = kind
        return tuple(runs)

    @cached_property
    def run_of(self) -> dict[str, Run]:
        """The run of each tensor."""
        return {tensor.key: run for run in self.runs for tensor in run.tensors}

    def place(self, piece: Piece) -> slice:
        """Return where a piece lies."""
        start = self.at[piece.first.key] + piece.start
        return slice(start, start + len(piece))

    def copied(self, tensor: TensorPlan, place: slice) -> Tensor:
        """Return entries that are copied."""
        if tensor.source == BASE:
            return self.flat.base[place]
        assert tensor.source is not None
        name = self.plan.recipe.experts[tensor.source].name
        return self.flat.theta(self.flat.names.index(name), place.start, place.stop)

    @property
    def device(self) -> str:
        """Models for the screen are in main memory."""
        return "cpu"

    @property
    def only_differences(self) -> bool:
        """Task vectors are at hand, so that nobody needs to form them anew."""
        return False

    def base(self, piece: Piece) -> Tensor:
        """Return the base's entries, (length,)."""
        return self.flat.base[self.place(piece)]

    def theta(self, piece: Piece) -> Tensor:
        """Return the experts' entries, (n, length)."""
        place = self.place(piece)
        if not self.flat.exact:
            return self.deltas(piece) + self.flat.base[place]
        return torch.stack([self.flat.theta(r, place.start, place.stop) for r in self.rows])

    def deltas(self, piece: Piece) -> Tensor:
        """Return the task vectors before any coefficient, (n, length)."""
        place = self.place(piece)
        if self._all:
            return self.flat.tau[:, place]
        return torch.stack([self.flat.tau[row, place] for row in self.rows])

    def uniform(self, piece: Piece, salt: str) -> Tensor:
        """Return random numbers in [0, 1), (n, length)."""
        place = self.place(piece)
        total = 4 * self.plan.n * len(self.flat.base)
        if total > self.cache.budget // 2:
            return self._draw(piece, salt)
        key = ("draws", self.plan.names, self.plan.seed, salt)
        return self.cache.get_or_make(key, lambda: self._draw_all(salt))[:, place]

    def _draw_all(self, salt: str) -> Tensor:
        whole = np.empty((self.plan.n, len(self.flat.base)), np.float32)
        for slot in self.flat.slots:
            self._draw_into(whole[:, slot.start : slot.stop], slot.key, 0, salt)
        return torch.from_numpy(whole)

    def _draw(self, piece: Piece, salt: str) -> Tensor:
        out = np.empty((self.plan.n, len(piece)), np.float32)
        at = -piece.start
        for tensor in piece.tensors:
            first, last = max(0, -at), min(tensor.numel, len(piece) - at)
            if first < last:
                self._draw_into(out[:, at + first : at + last], tensor.key, first, salt)
            at += tensor.numel
        return torch.from_numpy(out)

    def _draw_into(self, out: np.ndarray, key: str, first: int, salt: str) -> None:
        for row, name in zip(out, self.plan.names, strict=True):
            row[:] = uniforms(key_of(self.plan.seed, name, key, salt), first, first + len(row))

    def data(self, feed: str, piece: Piece) -> Tensor:
        """Return what was computed from calibration data: nothing yet is kept in memory."""
        raise FeedError(f"{self.plan.method.title} has no live preview.", "Merge it for real.")


def _stands_alone(plan: Plan) -> bool:
    """Return whether the method needs each tensor by itself."""
    if any(plan.scope_at(t.settings) != "element" for t in plan.merged):
        return True
    uses = [use for stage in plan.stages for use in stage.method.feeds]
    if any(use.feed.name == "ordered" and use.of.scope != "global" for use in uses):
        return True
    return bool({use.feed.name for use in uses} & ALONE)
