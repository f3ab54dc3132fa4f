"""What one visitor can pick: what the host offers, and models of the hub they may read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from merger.adapted import AdaptedCheckpoint
from merger.errors import MergeError
from merger.hub.asking import Wish
from merger.hub.kept import granted_folder
from merger.hub.pinned import at_commit
from merger.hub.words import without_cache
from merger.live_scores import tasks_to_show
from merger.places import count_layers
from merger.recipe import Recipe
from merger.sources import SourceRules, is_hub, open_source
from viz.catalog import NO_BASE, Catalog, Choice, Family
from viz.hub_picks import PREFIX, Picks

NO_TEXTS = (
    "Models of the hub are scored on the texts (*.txt) of folders given with --models; none fits."
)


@dataclass(frozen=True, slots=True)
class HubCatalog(Catalog):
    """The catalog of one request.

    Args:
        families: What the host offers to all.
        shelf: What the visitor's page keeps, the one on screen first.
        read: Returns the family of some picks, once the hub said that this visitor may read all.
    """

    shelf: tuple[Picks, ...]
    read: Callable[[Picks], Family]

    def family(self, id: str) -> Family:
        """Return the family with this id."""
        return self.read(Picks.of_id(id)) if id.startswith(PREFIX) else Catalog.family(self, id)

    def family_of(self, recipe: Recipe) -> Family:
        """Return the family that offers every source a recipe names."""
        if not names_hub(recipe):
            return Catalog.family_of(self, recipe)
        known = next((picks for picks in self.shelf if picks.offers(recipe)), None)
        return self.read(known or Picks.of_recipe(recipe))


def names_hub(recipe: Recipe) -> bool:
    """Return whether a recipe names any model of the hub."""
    return any(
        is_hub(source) for source in (recipe.base or "", *(e.source for e in recipe.experts))
    )


def hub_family(picks: Picks, texts: Sequence[Path] = ()) -> Family:
    """Return the family of models that lie in the cache; nobody's rights are asked about here.

    Args:
        picks: The models.
        texts: Folders whose texts they are scored on.

    Raises:
        SourceError: One has not been fetched yet, or none can be used.
    """
    for pinned in picks.all:
        granted_folder(at_commit(Wish(pinned.name), pinned))
    granted = tuple(dict.fromkeys(pinned.key for pinned in picks.all))
    rules = SourceRules(granted=granted)
    base = None if picks.base is None else open_source(picks.base.source, roots=rules)
    choices: list[Choice] = []
    refused: list[tuple[str, str]] = []
    trouble: MergeError | None = None
    shown = base
    for name, pinned in zip(picks.names(), picks.experts, strict=True):
        try:
            opened = open_source(pinned.source, roots=rules, base=base)
        except MergeError as error:
            refused.append((name, without_cache(f"{error.message} {error.hint}".strip())))
            trouble = error
            continue
        rank = opened.rank if isinstance(opened, AdaptedCheckpoint) else None
        choices.append(Choice(pinned.source, name, None, (), (None,), None, rank))
        shown = shown or opened
    if trouble is not None and not choices:
        raise trouble
    assert shown is not None
    tasks, missing = tasks_to_show(shown, texts)
    base_name = "" if picks.base is None else picks.base.name.rpartition("/")[2]
    return Family(
        id=picks.id,
        title="Hub: " + ", ".join(c.name for c in choices),
        base=None if picks.base is None else picks.base.source,
        choices=tuple(choices),
        tasks=tuple(task.name for task in tasks),
        note="" if base is not None else NO_BASE,
        missing=missing if tasks else NO_TEXTS,
        group=picks.id,
        base_name=base_name,
        refused=tuple(refused),
        layers=count_layers(shown.tensors),
        granted=granted,
        texts=tuple(texts),
    )
