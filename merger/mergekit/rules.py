"""Filters on parts of names, as rules of a recipe: the first that matches holds."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from merger.errors import RecipeError
from merger.mergekit.findings import Findings
from merger.mergekit.table import Translated
from merger.recipe import Rule

At = Callable[[Collection[str]], Translated]


def build_rules(
    filters: Sequence[str], at: At, names: Collection[str] | None, findings: Findings
) -> tuple[Rule, ...]:
    """Return rules that say for every tensor what these filters do.

    Args:
        filters: Parts of names, in the order in which they are first mentioned.
        at: Returns what holds where exactly these filters match.
        names: The tensors' names; None where no model is at hand.
        findings: Told of filters that match nothing.
    Raises:
        RecipeError: filters of several parameters overlap, and no names are there to tell how.
    """
    usual = at(())
    if names is None:
        _refuse_overlaps(filters, at)
        found = [(f"*{literal(f)}*", at((f,))) for f in filters]
    else:
        found = []
        left = set(names)
        for text in filters:
            hits = sorted(name for name in left if text in name)
            left.difference_update(hits)
            found += _of_filter(text, hits, filters, at)
            if not hits:
                findings.trap(f"No tensor is left for the filter {text!r}.", "parameters")
    return tuple(_rule(match, usual, own) for match, own in found)


def _of_filter(
    text: str, hits: Sequence[str], filters: Sequence[str], at: At
) -> list[tuple[str, Translated]]:
    """Return a pattern for most tensors of a filter, and before it the names of the others."""
    if not hits:
        return []
    own = {name: at([f for f in filters if f in name]) for name in hits}
    kinds = list(own.values())
    most = max(kinds, key=lambda kind: (kinds.count(kind), -kinds.index(kind)))
    odd = [(literal(name), kind) for name, kind in own.items() if kind != most]
    return [*odd, (f"*{literal(text)}*", most)]


def _refuse_overlaps(filters: Sequence[str], at: At) -> None:
    for i, first in enumerate(filters):
        for other in filters[i + 1 :]:
            if at((first, other)) != at((first,)):
                raise RecipeError(
                    f"parameters: what holds where both {first!r} and {other!r} are part of a "
                    "name cannot be told without the models.",
                    "Give a base_model that is a local folder, or use the same filters "
                    "everywhere.",
                )


def literal(text: str) -> str:
    """Return a glob that matches this text and nothing else."""
    return re.sub(r"([\[*?])", r"[\1]", text)


def _rule(match: str, usual: Translated, own: Translated) -> Rule:
    params: Mapping[str, Any] = {
        name: value for name, value in own.params.items() if usual.params.get(name) != value
    }
    weights = None
    if own.weights != usual.weights:
        count = len(own.weights or usual.weights or ())
        weights = own.weights or (1.0,) * count
    return Rule(match, weights=weights, params=params)
