"""A device that is not there: tensors "far" obey the rules of a GPU, and numbers are exact.

torch lets a backend be written in Python. This one keeps its numbers in main memory and computes
them there, but as with a GPU no operation takes tensors of both sides, numpy sees none of them,
nothing comes over unless it is asked to, and memory may be short. Copies that need not be waited
for are done as late as they may be. So what a merge does on a GPU is run on machines that have
none. One thing differs: the bits are those of the processor.
"""

import weakref
from collections.abc import Sequence
from threading import Lock
from typing import Any

import torch
import torch.utils.backend_registration as backends
from torch.utils._pytree import tree_leaves, tree_map

from merger.devices.drivers import PlainDriver
from tests.devices.late import Mark, Queue, now, waiting_in

NAME = "far"
COPIES = ("_to_copy", "copy_")


class Rules:
    """What the device can and cannot do now; tests change it.

    Args:
        has_double: Whether it knows double precision; Apple's GPUs do not.
        memory: Bytes that it has.
        is_late: Whether work waits in a queue until somebody has to know its result.
    """

    has_double = True
    is_late = False
    memory = 1 << 60
    taken = 0
    peak = 0
    lock = Lock()

    @classmethod
    def take(cls, near: torch.Tensor) -> None:
        """Count the memory of a tensor, and give it back when the tensor is gone."""
        storage = near.untyped_storage()
        size = storage.nbytes()
        with cls.lock:
            if cls.taken + size > cls.memory:
                raise torch.OutOfMemoryError(f"far: tried to allocate {size} bytes")
            cls.taken += size
            cls.peak = max(cls.peak, cls.taken)
        weakref.finalize(storage, cls._give_back, size)

    @classmethod
    def _give_back(cls, size: int) -> None:
        with cls.lock:
            cls.taken -= size


class Far(torch.Tensor):
    """A tensor of the device.

    Args:
        near: Where its numbers really are.
    """

    near: torch.Tensor

    @staticmethod
    def __new__(cls, near: torch.Tensor) -> "Far":
        if not Rules.has_double and near.dtype in (torch.float64, torch.complex128):
            raise TypeError(f"The device knows no {near.dtype}.")
        made = torch.Tensor._make_wrapper_subclass(
            cls, near.shape, strides=near.stride(), storage_offset=near.storage_offset(),
            dtype=near.dtype, device=torch.device(NAME),
        )  # fmt: skip
        made.near = near
        return made

    def tolist(self) -> Any:
        """Bring the numbers over, as every device does for this."""
        return self.near.tolist()

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"Far({self.near})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, dict(kwargs or {}))


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    far = [leaf for leaf in leaves if isinstance(leaf, Far)]
    near = [leaf for leaf in leaves if not isinstance(leaf, Far)]
    name = func.overloadpacket.__name__
    if _may_wait(name, args, kwargs, bool(near)):
        return _put_off(name, func, args, kwargs)
    queue = now()
    if queue is not None:
        queue.flush()
    # A single number of main memory may go with anything, as on every device.
    if far and any(leaf.dim() for leaf in near) and name not in COPIES:
        raise RuntimeError(f"{func} was given tensors of two devices.")
    to_far = bool(far)
    if kwargs.get("device") is not None:
        to_far = torch.device(kwargs["device"]).type == NAME
        kwargs["device"] = "cpu"
    if name == "copy_":
        to_far = isinstance(args[0], Far)
    there = {id(leaf.near): leaf for leaf in far}
    known = {leaf.near.untyped_storage().data_ptr() for leaf in far}
    found = func(*tree_map(_near, args), **tree_map(_near, kwargs))
    if not to_far:
        return found

    def place(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if id(value) in there:
            return there[id(value)]
        if value.untyped_storage().data_ptr() not in known:
            Rules.take(value)
        return Far(value)

    return tree_map(place, found)


def _near(value: Any) -> Any:
    return value.near if isinstance(value, Far) else value


def _may_wait(name: str, args: Any, kwargs: dict[str, Any], crosses: bool) -> bool:
    """Return whether an operation can be done later: copies, and what has a place to go to."""
    if now() is None:
        return False
    if name == "copy_":
        return not crosses or (len(args) > 2 and args[2]) or kwargs.get("non_blocking", False)
    if name == "_to_copy":
        return bool(crosses and kwargs.get("non_blocking"))
    return isinstance(kwargs.get("out"), Far)


def _put_off(name: str, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    queue = now()
    assert queue is not None
    result = kwargs.get("out", args[0])
    if name == "_to_copy":
        assert set(kwargs) <= {"device", "non_blocking"}
        result = _fresh(torch.empty_like(args[0]))
        func, args, kwargs = torch.ops.aten.copy_.default, (result, args[0]), {}
    args, kwargs = tree_map(_near, (args, kwargs))
    queue.waiting.append(lambda: func(*args, **kwargs))
    return result


def _fresh(near: torch.Tensor) -> Far:
    Rules.take(near)
    return Far(near)


def _empty(size: Sequence[int], *, dtype: Any = None, **rest: Any) -> Far:
    return _fresh(torch.empty(size, dtype=dtype))


def _empty_strided(
    size: Sequence[int], stride: Sequence[int], *, dtype: Any = None, **rest: Any
) -> Far:
    return _fresh(torch.empty_strided(size, stride, dtype=dtype))


def _copy_from(source: Any, target: Any, non_blocking: bool = False) -> Any:
    _near(target).copy_(_near(source))
    return target


class _Module:
    """What torch asks about a backend; nobody is to choose it by himself."""

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return False

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 0

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        pass


class _Hook(torch._C._acc.PrivateUse1Hooks):
    def is_available(self) -> bool:
        return False

    def has_primary_context(self, device: int) -> bool:
        return True

    def is_built(self) -> bool:
        return True


backends._setup_privateuseone_for_python_backend(NAME, backend_module=_Module(), hook=_Hook())
_LIBRARY = torch.library.Library("aten", "IMPL")
_LIBRARY.impl("empty.memory_format", _empty, "PrivateUse1")
_LIBRARY.impl("empty_strided", _empty_strided, "PrivateUse1")
_LIBRARY.impl("_copy_from", _copy_from, "PrivateUse1")


class FarDriver(PlainDriver):
    """The driver of this device."""

    def __init__(self) -> None:
        super().__init__(NAME, Rules.memory)
        self.overlaps = Rules.is_late

    def queue(self) -> Any:
        """Return a new queue, where work waits."""
        return Queue() if self.overlaps else None

    def working(self, queue: Any) -> Any:
        """Let the work of this thread wait in a queue."""
        return waiting_in(queue)

    def mark(self) -> Any:
        """Return a mark behind all work of this thread's queue."""
        queue = now()
        return None if queue is None else Mark(queue, queue.done + len(queue.waiting))
