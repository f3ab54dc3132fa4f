"""What devices are called, and which of them this machine has."""

import re

from merger.errors import MergeError
from merger.lazy import torch

NAME = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


def is_device_name(text: str) -> bool:
    """Return whether a text names a device, here or elsewhere; torch is not needed to tell."""
    return NAME.fullmatch(text) is not None


def pick_device(device: str) -> str:
    """Return where to compute: a GPU that is there for "auto", else what was asked for.

    Raises:
        MergeError: no device is called so, or this machine does not have it.
    """
    if not is_device_name(device):
        raise MergeError(
            f"device must be auto, cpu, cuda, cuda:N or mps, got {device!r}.", "Use auto."
        )
    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if device == "auto":
        return next((name for name, is_there in there.items() if is_there()), "cpu")
    kind, _, number = device.partition(":")
    if kind in there and not there[kind]():
        raise MergeError(f"This machine has no {kind} device.", "Use --device auto.")
    if number and int(number) >= torch.cuda.device_count():
        listed = ", ".join(f"cuda:{i}" for i in range(torch.cuda.device_count()))
        raise MergeError(f"This machine has no {device}; it has {listed}.", "Use one of these.")
    return device
