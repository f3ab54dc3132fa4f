"""How many threads torch may use."""

from collections.abc import Iterator
from contextlib import contextmanager

from merger.lazy import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread here: sums over several would change in the last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
