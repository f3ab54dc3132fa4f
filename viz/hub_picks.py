"""Models of the hub that a visitor put together: a base and experts, each at its commit."""

from collections.abc import Iterable
from dataclasses import dataclass

from merger.errors import SourceError
from merger.hub.pinned import Pinned
from merger.recipe import Recipe
from merger.sources import is_hub
from viz.catalog import MAX_EXPERTS

PREFIX = "hub~"
NO_BASE = "-"
LONGEST = 4000


@dataclass(frozen=True, slots=True)
class Picks:
    """What makes a family of models of the hub; the page keeps its id, and the server nothing.

    Args:
        base: The model that the experts were tuned from, where somebody says which.
        experts: The experts.
    """

    base: Pinned | None
    experts: tuple[Pinned, ...]

    @property
    def all(self) -> tuple[Pinned, ...]:
        """The base, then the experts."""
        return self.experts if self.base is None else (self.base, *self.experts)

    @property
    def id(self) -> str:
        """Names the family, such as "hub~org/base@…~org/one@…"; "~" is in no repository's name."""
        base = NO_BASE if self.base is None else self.base.source
        return PREFIX + "~".join((base, *(e.source for e in self.experts)))

    def names(self) -> tuple[str, ...]:
        """Return what each expert is called: the last part of its name, where that is its own."""
        last = [e.name.rpartition("/")[2] for e in self.experts]
        names: list[str] = []
        for expert, short in zip(self.experts, last, strict=True):
            name = short if last.count(short) == 1 else expert.name.replace("/", "-")
            names.append(name if name not in names else f"{name}-{expert.commit[:7]}")
        return tuple(names)

    def offers(self, recipe: Recipe) -> bool:
        """Return whether every source of a recipe is one of these."""
        base = None if self.base is None else self.base.source
        own = {expert.source for expert in self.experts}
        return recipe.base in (base, None) and all(e.source in own for e in recipe.experts)

    @classmethod
    def of_id(cls, id: str) -> "Picks":
        """Return what an id names.

        Raises:
            SourceError: It names no such models.
        """
        base, *experts = id.removeprefix(PREFIX).split("~") if len(id) <= LONGEST else ("", "")
        found = [Pinned.of_source(source) for source in experts]
        pinned = tuple(one for one in found if one is not None)
        first = None if base == NO_BASE else Pinned.of_source(base)
        whole = len(pinned) == len(found) and (first is not None or base == NO_BASE)
        if not id.startswith(PREFIX) or not whole:
            raise SourceError(f"There is no family {id[:80]!r}.", "Pick one from the list.")
        return checked(first, pinned)

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> "Picks":
        """Return the models of the hub that a recipe names.

        Raises:
            SourceError: Some are not of the hub, or named without a commit.
        """
        sources = [*([recipe.base] if recipe.base else []), *(e.source for e in recipe.experts)]
        if strange := [source for source in sources if not is_hub(source)]:
            raise SourceError(
                f"{strange[0][:120]!r} is not of the hub, and other models of this recipe are.",
                "This page merges models of the hub with each other. The command line has no "
                "such limit.",
            )
        found = {source: Pinned.of_source(source) for source in sources}
        if loose := [source for source, one in found.items() if one is None]:
            raise SourceError(
                f"{loose[0][:120]!r} has no commit, and may be another model tomorrow.",
                "Look it up under Models of the hub.",
            )
        experts = dict.fromkeys(one for e in recipe.experts if (one := found[e.source]))
        return checked(found[recipe.base] if recipe.base else None, tuple(experts))


def checked(base: Pinned | None, experts: Iterable[Pinned]) -> Picks:
    """Return picks that make a family.

    Raises:
        SourceError: There are too few, too many, or one of them is twice there.
    """
    picked = tuple(experts)
    if not 1 <= len(picked) <= MAX_EXPERTS:
        raise SourceError(
            f"A family has 1 to {MAX_EXPERTS} experts, got {len(picked)}.",
            "Name one model a line.",
        )
    if len(set(picked)) < len(picked) or base in picked:
        raise SourceError("One model is named twice.", "Name each model once.")
    if base is not None and base.is_adapter:
        raise SourceError(
            f"{base.name} is an adapter, and a base must be a whole model.",
            "Name the model that it was trained on as the base, and this one as an expert.",
        )
    return Picks(base, picked)
