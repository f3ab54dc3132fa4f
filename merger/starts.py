"""Good starts: settings to begin from, computed for the experts at hand."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from merger.recipe import Recipe, Step, plain_value
from merger.spec import METHODS, Method
from merger.words import listed

SHARE_DIGITS = 2
"""As a slider gives it, and as the page opens."""
WEIGHT_DIGITS = 4
HALF = 0.5


@dataclass(frozen=True, slots=True)
class Start:
    """One place to begin.

    Args:
        name: Its id.
        title: How it is called on screen.
        words: What it does, or why it cannot be had, in a sentence or two.
        recipe: The recipe there; None where it cannot be had.
    """

    name: str
    title: str
    words: str
    recipe: Recipe | None = None

    def is_on(self, recipe: Recipe) -> bool:
        """Return whether a recipe stands there already."""
        return self.recipe is not None and self.recipe.digest() == recipe.digest()


def equal(recipe: Recipe) -> Start:
    """Return the start where every expert counts the same.

    Where the method adds task vectors up, its `scale` becomes 1/n too, so that the sum is their
    average.
    """
    method = METHODS.find(recipe.method, "merge")
    name, title = "equal", "Equal"
    if method.weights_note:
        return Start(name, title, f"{method.weights_note} All experts have the same say already.")
    found = _checked(_evened(recipe, method))
    scale = _average_scale(recipe, method)
    if scale is None:
        return Start(name, title, f"All {_used(recipe)} coefficients 1.", found)
    words = f"All {_used(recipe)} coefficients 1, scale {scale:g}: the sum becomes the average."
    return Start(name, title, words, found)


def norm_equalised(
    recipe: Recipe, norms: Mapping[str, float] | None, sample: float | None = None
) -> Start:
    """Return the start where coefficient × length is the same for every task vector.

    wₜ = m / ‖τₜ‖, with m the mean of ‖τ₁‖ … ‖τₙ‖ over the experts in use; else as `equal`.

    Args:
        recipe: What is on the page.
        norms: ‖τ‖ by the expert's name; None where there is no base.
        sample: Share of the parameters that the norms were estimated from; None when exact.
    """
    method = METHODS.find(recipe.method, "merge")
    name, title = "norm", "Norm-equalised"
    why = _why_no_norms(recipe, method, norms)
    if why or norms is None:
        return Start(name, title, why)
    names = [e.name for e in recipe.experts]
    used = names[: _used(recipe)]
    mean = sum(norms[n] for n in used) / len(used)
    weights = tuple(
        float(f"{mean / norms[n]:.{WEIGHT_DIGITS}g}") if n in used else 1.0 for n in names
    )
    found = _checked(replace(_evened(recipe, method), weights=weights))
    first, last = min(used, key=norms.__getitem__), max(used, key=norms.__getitem__)
    own = weights[: len(used)]
    words = (
        f"Changes are {norms[first]:.3g} ({first}) to {norms[last]:.3g} ({last}) long; "
        f"coefficients {min(own):.3g} to {max(own):.3g} bring each to their mean, {mean:.3g}."
    )
    if sample is not None:
        words += f" Lengths are estimated from {sample:.2g} of the parameters."
    return Start(name, title, words, found)


def lines(recipe: Recipe, layers: int) -> Start:
    """Return the start with LiNeS after the method: late layers change more than early ones.

    Several experts: α auto, β 0.5. One expert: α = β = 0.5, so that the last layer is changed in
    full and the first by half.

    Args:
        recipe: What is on the page.
        layers: How many layers the names of the tensors number.

    Reference: Wang et al., LiNeS, 2025, arXiv:2410.17146.
    """
    method = METHODS.find(recipe.method, "merge")
    name, title = "lines", "LiNeS"
    if recipe.base is None:
        return Start(name, title, "LiNeS scales what changes from a base, and there is none.")
    if method.output == "per_task":
        return Start(name, title, f"{method.title} gives one model per expert; LiNeS needs one.")
    if layers < 2:
        return Start(name, title, "LiNeS scales by layer, and no names of tensors number layers.")
    params = {"alpha": HALF, "beta": 1.0 - HALF} if _used(recipe) == 1 else {}
    step = Step("lines", params)
    others = tuple(s for s in recipe.after if s.verb != "lines")
    found = _checked(replace(recipe, after=(*others, step)))
    beta = METHODS["lines"].resolve(params)["beta"]
    if params:
        words = f"Of {layers} layers the first changes by {HALF:g}, the last in full."
    else:
        words = (
            f"Of {layers} layers the first is scaled by α, the last by α + {beta:g}; "
            "α brings the merge to the size of the experts' average."
        )
    return Start(name, title, words, found)


def _evened(recipe: Recipe, method: Method) -> Recipe:
    scale = _average_scale(recipe, method)
    params = dict(recipe.params) | ({} if scale is None else {"scale": scale})
    return replace(recipe, weights=None, params=params)


def _average_scale(recipe: Recipe, method: Method) -> float | None:
    """Return the scale that makes a sum an average; None where the method divides by itself."""
    n = _used(recipe)
    neutral = method.neutral_for(n)
    if neutral.get("scale") == method.neutral_for(n + 1).get("scale"):
        return None
    now, then = method.resolve(recipe.params, n), method.resolve(neutral, n)
    modes = [p.name for p in method.params if not p.is_number and p.name != "dialect"]
    # What a method declares of its sum holds only in the modes in which it declares it.
    if any(now[m] != then[m] for m in modes):
        return None
    return round(float(neutral["scale"]), SHARE_DIGITS)


def _why_no_norms(recipe: Recipe, method: Method, norms: Mapping[str, float] | None) -> str:
    if method.weights_note:
        return f"{method.weights_note} There is nothing to equalise with."
    if norms is None:
        return "Lengths of changes need a base, and none of these models is named as it."
    used = [e.name for e in recipe.experts][: _used(recipe)]
    if len(used) < 2:
        return "One expert alone has nothing to be equal to."
    still = [n for n in used if not norms[n] > 0.0]
    if still:
        verb = "is" if len(still) == 1 else "are"
        return f"{listed(still)} {verb} the same as the base, and no coefficient changes that."
    return ""


def _used(recipe: Recipe) -> int:
    most = METHODS.find(recipe.method, "merge").experts[1]
    n = len(recipe.experts)
    return n if most is None else min(n, most)


def _checked(recipe: Recipe) -> Recipe:
    """Return the recipe through plain data, as everything that is typed: checked, canonical."""
    plain: Any = plain_value(recipe.to_json())
    return Recipe.from_json(plain)
