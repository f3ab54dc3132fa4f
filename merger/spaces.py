"""In which space a method works: among the experts' weights, or among their task vectors."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from merger.algebra import add_update, weighted_total
from merger.lazy import Tensor
from merger.spec import Deltas, Feed, Weights, of

Space = Literal["weights", "task_vectors"]


def _among_task_vectors(knobs: Mapping[str, Any]) -> bool:
    return knobs["space"] == "task_vectors"


Origin = Annotated[Tensor | None, Feed("base", ("base",)), of(when=_among_task_vectors)]
"""The base where the setting `space` says "task_vectors", else None."""


def vectors(theta: Weights, origin: Origin, *, space: Space = "weights") -> Deltas:
    """Return what a method works on, for a survey: weights or unweighted task vectors."""
    return theta if origin is None else theta - origin


def walk(theta: Tensor, origin: Tensor | None, coefficients: Sequence[float]) -> Tensor:
    """Return the weighted sum of the experts' vectors, as weights again.

    Args:
        theta: The experts' weights.
        origin: Where the vectors start; None for the weights themselves.
        coefficients: One per expert.
    """
    if origin is None:
        return weighted_total(theta, coefficients)
    update = (theta[0] - origin) * coefficients[0]
    for row, coefficient in zip(theta[1:], coefficients[1:], strict=True):
        update += (row - origin) * coefficient
    return add_update(origin, update)
