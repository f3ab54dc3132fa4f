"""Rules of a recipe over layers, as mergekit can see them."""

import re
from typing import NamedTuple

from merger.errors import RecipeError
from merger.mergekit.export import filter_of
from merger.mergekit.reverse import Written
from merger.recipe import Rule

LAYER_GLOB = re.compile(r"^[^*?]*\.(\d+)\.\*$")


class Level(NamedTuple):
    """One rule as mergekit sees it: a filter, a layer, or the name of a tensor."""

    rule: Rule
    written: Written
    filter: str | None
    layer: int | None
    name: str | None


def level_of(rule: Rule, written: Written) -> Level:
    """Return what a rule is for mergekit.

    Raises:
        RecipeError: it is nothing that mergekit can look for.
    """
    hit = LAYER_GLOB.match(rule.match)
    if hit is not None:
        return Level(rule, written, None, int(hit[1]), None)
    if not re.search(r"[*?]", re.sub(r"\[[\[*?]\]", "", rule.match)):
        return Level(rule, written, None, None, re.sub(r"\[([\[*?])\]", r"\1", rule.match))
    text = filter_of(rule.match)
    if any(letter.isdigit() for letter in text):
        raise RecipeError(
            f"rules: {rule.match!r} has a number, which mergekit takes for a layer of the models "
            "that layers are taken from.",
            "Write a rule such as 'model.layers.3.*', or whole names.",
        )
    return Level(rule, written, text, None, None)
