"""Entries of one tensor as they are stored."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Block(NamedTuple):
    """Some entries of one tensor, in every model.

    Args:
        experts: The experts' entries.
        base: The base's.
        start: The place of the first one in the tensor.
    """

    experts: Sequence[np.ndarray]
    base: np.ndarray
    start: int = 0
