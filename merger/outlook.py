"""What an adapter of a merge would keep and take, before any is written."""

from collections.abc import Iterable
from threading import Event
from typing import NamedTuple

import numpy as np
import torch

from merger.checkpoint import Checkpoint
from merger.compute import Prepared
from merger.diagnostics.energy import Change, EnergyInfo, Stored, adapter_bytes, measure_energy
from merger.factors import is_factored, is_of_module, whole_modules
from merger.matched import plain
from merger.plan import Plan
from merger.progress import check_cancel
from merger.refactor import changes_of
from merger.spectral import rank, widen
from merger.threads import one_thread


class Outlook(NamedTuple):
    """The change of a merge, taken apart.

    Args:
        changes: The matrices that factors can stand for.
        whole: Numbers of the tensors that are stored whole.
        kept_whole: How many such tensors there are.
        impossible: Tensors that no adapter can hold.
        full_bytes: What the weights of the base take.
    """

    changes: tuple[Change, ...]
    whole: int
    kept_whole: int
    impossible: tuple[str, ...]
    full_bytes: int

    def at(self, wanted: int) -> EnergyInfo:
        """Return what an adapter of this rank would keep and take."""
        size = adapter_bytes(self.changes, wanted, self.whole)
        stored = Stored(size, self.full_bytes, self.kept_whole, self.impossible)
        return measure_energy(self.changes, wanted, stored)


def look_ahead(
    prepared: Prepared,
    base: Checkpoint,
    experts: Iterable[Checkpoint],
    cancel: Event | None = None,
) -> Outlook:
    """Take the change of a merge apart, as an adapter of it would.

    Args:
        prepared: The merge.
        base: What the adapter would stand on.
        experts: The models that are merged.
        cancel: Stops it.
    """
    held = whole_modules(experts)
    found: list[Change] = []
    impossible: list[str] = []
    whole = count = 0
    for tensor, change in changes_of(prepared, cancel=cancel):
        check_cancel(cancel)
        key = tensor.key
        if is_factored(key, change) and key.rpartition(".")[0] not in held:
            found.append(Change(key, _squares(change), sum(change.shape)))
        elif is_of_module(key):
            whole, count = whole + change.numel(), count + 1
        else:
            impossible.append(key)
    full = sum(info.nbytes for info in plain(base).tensors.values())
    return Outlook(tuple(found), whole, count, tuple(impossible), full)


def work_of(planned: Plan) -> int:
    """Return about how many multiplications taking the matrices apart needs."""
    return sum(t.numel * min(t.shape) for t in planned.tensors if len(t.shape) == 2 and t.numel)


def _squares(change: torch.Tensor) -> np.ndarray:
    with one_thread():
        strength = torch.linalg.svdvals(widen(change.unsqueeze(0))[0]).double()
    return strength[: rank(strength)].square().cumsum(0).numpy()
