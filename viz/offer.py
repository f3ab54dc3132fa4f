"""A family as the page offers it: what can be picked, the draft it opens with, its colours."""

from typing import Any

from viz.catalog import Catalog, Family, first_recipe
from viz.scene import colours_of
from viz.session import draft_of


def family_view(family: Family) -> dict[str, Any]:
    """Return what the page needs to offer a family."""
    return family.to_json() | {
        "first": draft_of(first_recipe(family), Catalog((family,))),
        "colours": [c.replace("@", "var(--ms-") + ")" for c in colours_of(family).values()],
    }
