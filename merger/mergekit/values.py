"""mergekit's parameter values: numbers, gradients over depth, and filters on tensor names."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from merger.errors import RecipeError
from merger.mergekit.findings import Findings
from merger.mergekit.table import REQUIRED, Setting
from merger.recipe import Depth
from merger.recipe_schema import kind_of

WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
Holds = Callable[[str], bool]


class Condition(NamedTuple):
    """A value for the tensors whose name contains a text; for all others where it is None."""

    filter: str | None
    value: Any


class Place(NamedTuple):
    """A layer of a slice: the step-th of `steps` steps from its first layer to its last."""

    step: int
    steps: int


# What is outside the layers, and the only layer of a slice.
OUTSIDE = Place(0, 1)
ONLY = Place(1, 1)


def conditions(setting: Any, where: str, findings: Findings) -> list[Condition]:
    """Return what a parameter says, in the order in which it is tried."""
    if isinstance(setting, Mapping):
        return [_condition(setting, where, findings)]
    if isinstance(setting, list) and any(isinstance(item, Mapping) for item in setting):
        found = [_condition(item, where, findings) for item in setting]
        if any(condition.filter is None for condition in found[:-1]):
            findings.trap(
                "What stands after an entry for all tensors is never reached.",
                where,
                "Put the entry without a filter last.",
            )
        return found
    if isinstance(setting, list) and not setting:
        return []
    return [Condition(None, setting)]


def _condition(item: Any, where: str, findings: Findings) -> Condition:
    if not isinstance(item, Mapping) or "value" not in item:
        raise RecipeError(
            f"{where} must list values, or mappings with 'value' and 'filter', "
            f"got {kind_of(item)}.",
            "Write {filter: mlp, value: 0.5}.",
        )
    for key in item:
        if key not in ("filter", "value"):
            findings.unknown(key, where, ("filter", "value"))
    found = item.get("filter")
    if found is not None and not isinstance(found, str):
        raise RecipeError(f"{where}: filter must be a text, got {kind_of(found)}.", "")
    if item["value"] == []:
        raise RecipeError(f"{where}: value must not be an empty list.", "Write a number.")
    if found is not None and found != "*" and re.search(r"[*?^$|\\]", found):
        findings.trap(
            f"The filter {found[:60]!r} is a part of a name as it stands, no pattern.",
            where,
            "Write a part of the names, such as mlp.",
        )
    return Condition(None if found == "*" else found, item["value"])


def merged(levels: Iterable[list[Condition]]) -> list[Condition]:
    """Return the conditions of several levels as one list, up to the first that always holds."""
    found: list[Condition] = []
    for condition in (c for level in levels for c in level):
        found.append(condition)
        if condition.filter is None:
            break
    return found


def pick(
    tried: Iterable[Condition],
    holds: Holds,
    setting: Setting,
    where: str,
    place: Place | None = None,
) -> Any:
    """Return what holds for tensors that match these filters, as a recipe writes it.

    Args:
        tried: Conditions in their order.
        holds: Says of a filter whether it matches.
        setting: Which parameter.
        where: For messages.
        place: Where a change with depth is looked up; None keeps the change.
    Raises:
        RecipeError: nothing holds and something must, or the value is of the wrong kind.
    """
    for condition in tried:
        if condition.filter is None or holds(condition.filter):
            return convert(condition.value, setting, where, place)
    if setting.default is REQUIRED:
        raise RecipeError(
            f"{where} is missing for some tensors, and mergekit has no default for it.",
            f"Add a last entry without a filter: {{value: 1.0}} to {setting.name}.",
        )
    return setting.default


def convert(value: Any, setting: Setting, where: str, place: Place | None = None) -> Any:
    """Return a number or word as a recipe writes it; a list becomes a change with depth."""
    if not isinstance(value, list):
        return _scalar(value, setting, where)
    values = [_scalar(v, setting, where) for v in value]
    if len(set(values)) == 1:
        return values[0]
    if place is not None:
        return _at(values, place)
    if setting.kind is not float:
        raise RecipeError(
            f"{where} changes with depth, which only numbers can here.",
            "Give it one value.",
        )
    return Depth(tuple(values))


def _at(values: list[Any], place: Place) -> Any:
    """Return a gradient's value at a layer: on lines between numbers, in steps of anything else.

    In whole numbers, so that as many values as layers are these values.
    """
    i, rest = divmod(place.step * (len(values) - 1), place.steps)
    if rest == 0 or isinstance(values[0], bool):
        return values[i]
    share = rest / place.steps
    return (1.0 - share) * values[i] + share * values[i + 1]


def _scalar(value: Any, setting: Setting, where: str) -> Any:
    if setting.kind is bool:
        found = WORDS.get(value.lower()) if isinstance(value, str) else value
        if found in (0, 1):
            return bool(found)
        raise RecipeError(f"{where} must be true or false, got {kind_of(value)}.", "")
    try:
        number = setting.kind(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if isinstance(value, bool) or number is None or float(number) != float(value):
        raise RecipeError(f"{where} must be a number, got {kind_of(value)}.", "")
    return number
