"""The one rule about devices without double precision: what needs it is computed elsewhere."""

from merger.lazy import Tensor

# Apple's GPUs.
WITHOUT = frozenset({"mps"})


def with_double(values: Tensor) -> Tensor:
    """Return values where there is double precision: themselves, or a copy in main memory."""
    return values.cpu() if values.device.type in WITHOUT else values


def adds_there(values: Tensor) -> bool:
    """Return whether long sums of values are made on their device, and not in main memory."""
    return values.device.type != "cpu" and values.device.type not in WITHOUT
