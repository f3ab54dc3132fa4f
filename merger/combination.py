"""What many methods come down to: a sum of the experts, each multiplied by a number."""

from typing import NamedTuple


class Combination(NamedTuple):
    """A sum of the experts' weights, or of their changes, each multiplied by its share.

    Args:
        shares: What each expert is multiplied by before they are added up, in order.
        divisor: What the sum is divided by.
        scale: What that is multiplied by.
        on_base: Whether changes are added up and the base is added to the result.
    """

    shares: tuple[float, ...]
    divisor: float = 1.0
    scale: float = 1.0
    on_base: bool = False
