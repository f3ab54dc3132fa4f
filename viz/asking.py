"""From what the page sends to checked recipes and merges: drafts, and the texts of pins."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from merger.errors import MergeError, RecipeError
from merger.recipe import Recipe
from viz.catalog import Catalog, Family
from viz.desk import Desk, Merge
from viz.session import recipe_from_text, recipe_of


@dataclass(frozen=True, eq=False)
class Asking:
    """Reads requests of one studio; nothing of them is kept.

    Args:
        catalog_of: Returns what the visitor who sent a request can pick.
        desk: Merges.
    """

    catalog_of: Callable[[Mapping[str, Any]], Catalog]
    desk: Desk

    def recipe(self, request: Mapping[str, Any], **instead: Any) -> tuple[Recipe, Family]:
        """Return the recipe of the draft that was sent, and its models.

        Args:
            request: What the page sent.
            instead: Entries that stand in place of the draft's own.

        Raises:
            RecipeError, SourceError: it sent none, or one that is not valid.
        """
        draft = request.get("draft")
        if not isinstance(draft, dict):
            raise RecipeError("The page sent no recipe.", "Reload it.")
        catalog = self.catalog_of(request)
        recipe = recipe_of(draft | instead, catalog)
        return recipe, catalog.family(draft["family"])

    def merge(self, request: Mapping[str, Any], **instead: Any) -> tuple[Recipe, Family, Merge]:
        """Return the recipe of the draft that was sent, its models, and its merge."""
        recipe, family = self.recipe(request, **instead)
        return recipe, family, self.desk.merge(recipe, family)

    def pin(self, text: object, family: Family) -> Recipe | None:
        """Return a pinned recipe; None for one of other models, or that no longer works."""
        if not isinstance(text, str):
            return None
        try:
            return recipe_from_text(text, Catalog((family,)))
        except MergeError:
            return None

    def pinned(
        self, request: Mapping[str, Any], family: Family, which: str = "pin"
    ) -> Merge | None:
        """Return a pinned merge; None for one of other models, or that no longer works."""
        recipe = self.pin(request.get(which), family)
        try:
            return None if recipe is None else self.desk.merge(recipe, family)
        except MergeError:
            return None
