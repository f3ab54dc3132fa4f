"""The one rule about devices without double precision: what needs it is computed elsewhere."""

from merger.lazy import Tensor

# Apple's GPUs.
WITHOUT = frozenset({"mps"})


def with_double(values: Tensor) -> Tensor:
    """Return values where there is double precision: themselves, or a copy in main memory."""
    return values.cpu() if values.device.type in WITHOUT else values
