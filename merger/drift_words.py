"""What the sizes of a saved model's tensors come to, in words."""

from math import log

from merger.align import Problem, first_names
from merger.drift import Drift, LayerNorm
from merger.header import shown

AGAIN = "Merge again; if it is the same again, report it with the recipe."
LOOK = "Score the merge, or look at this layer in the Studio."
# Fine-tuning changes the length of a layer by some per cent, and a merge by little more.
ODD, WRONG = 2.0, 10.0


def about_drift(drift: Drift) -> list[Problem]:
    """Return what is wrong, or worth a look, in how a model's tensors differ from its base."""
    found = []
    if drift.broken:
        listed = first_names(drift.broken)
        found.append(_error(f"there are numbers that are not finite in {listed}.", AGAIN))
    if drift.zero:
        found.append(_error(f"there is nothing but zeros in {first_names(drift.zero)}.", AGAIN))
    for one, other in drift.twins[:3]:
        what = f"tensors {shown(one)} and {shown(other)} hold the same numbers."
        found.append(_error(what, AGAIN))
    if not drift.broken:
        found += _about_lengths(drift)
    if drift.outliers:
        first = drift.outliers[0]
        what = (
            f"tensor {shown(first.key)} is {first.ratio:.2f} times as long as in "
            f"{drift.reference}, and in other layers this is {first.usual:.2f}."
        )
        found.append(Problem("note", what, "", LOOK))
    return found


def _about_lengths(drift: Drift) -> list[Problem]:
    """Report layers that are many times longer, or shorter, than those of the base."""
    odd = [layer for layer in drift.layers if _off(layer) > log(ODD)]
    if not odd:
        return []
    worst = max(odd, key=_off)
    where = "what lies outside the layers" if worst.layer is None else f"layer {worst.layer}"
    more = f", and {len(odd) - 1} more are off by more than {ODD:g} times" if len(odd) > 1 else ""
    what = f"{where} is {worst.ratio:,.4g} times as long as in {drift.reference}{more}."
    if _off(worst) > log(WRONG):
        return [_error(what, "Lower scale or the weights, and merge again.")]
    return [Problem("note", what, "", LOOK)]


def _off(layer: LayerNorm) -> float:
    """Return how far a layer's length is from the base's, as a logarithm."""
    # A layer of zeros, here or there, has been reported as such.
    return abs(log(layer.ratio)) if layer.ratio else 0.0


def _error(what: str, remedy: str) -> Problem:
    return Problem("error", what, "", remedy)
