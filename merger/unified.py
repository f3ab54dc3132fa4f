"""What TALL-masks and Consensus cut their masks from: the sum of task vectors, or TIES's."""

from collections.abc import Mapping
from typing import Annotated, Any

from merger.algebra import keep, votes
from merger.spec import Cut, Delta, Deltas, Share, of


def _is_ties(knobs: Mapping[str, Any]) -> bool:
    return knobs["unified"] == "ties"


Trimmed = Annotated[Cut, of("density", scope="global", when=_is_ties)]


def ballot(tau: Deltas, cut: Trimmed, *, density: Share = 0.2) -> Delta:
    """Return the votes whose sign TIES elects."""
    return votes(keep(tau, cut))
