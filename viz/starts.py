"""What the menu of good starts asks of the server: what there is, going there, and the dice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from merger.errors import MergeError, RecipeError
from merger.places import count_layers
from merger.recipe import Recipe
from merger.search.best import GOAL, best_of, like
from merger.search.dice import roll
from merger.search.space import space_of
from merger.search.trial import Trial
from merger.spec import METHODS
from merger.starts import Start, equal, lines, norm_equalised
from merger.words import recipe_in_words
from viz.answers import answers
from viz.catalog import Family
from viz.desk import Merge
from viz.requests import visitor_of
from viz.session import draft_of
from viz.trials import DRAWN, LARGE, Trials

if TYPE_CHECKING:
    from viz.studio import Studio

BEST = "best"
BEST_TITLE = f"Best of {DRAWN} on validation"


@dataclass(eq=False)
class Starts:
    """The server half of the menu of good starts."""

    studio: Studio

    def functions(self) -> tuple[Callable[..., Any], ...]:
        """Return what assets/studio/starts.js calls, by name."""
        return (self.starts, self.start, self.dice)

    @answers
    def starts(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return every start with its sentence, whether it can be had, and whether it is on."""
        _, _, made = self._whole(request)
        computed = [_view(s, made.recipe, s.recipe is None) for s in self._computed(made)]
        best = self._best(made, visitor_of(request))
        return {"starts": [*computed, best], "dice": _why_no_dice(made.recipe)}

    @answers
    def start(self, request: dict[str, Any]) -> dict[str, Any]:
        """Go to a start; for the best of many this may take a job first.

        With `explored`, what is there is chosen from, however little a job brought.
        """
        _, family, made = self._whole(request)
        name, owner = request.get("name"), visitor_of(request)
        if name != BEST:
            return self._go(
                request, next((s for s in self._computed(made) if s.name == name), None)
            )
        self._check_best(made)
        alike = like(made.recipe, self._trials(made, owner))
        if len(alike) < DRAWN and request.get("explored") is not True:
            return {"job": Trials(self.studio).begin(request, family, made)}
        return self._go(request, _best_start(made.recipe, alike))

    @answers
    def dice(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the draft that a seed throws."""
        recipe, _ = self.studio.asking.recipe(request, solo=None)
        seed = request.get("seed")
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise RecipeError("A seed is a whole number.", "Type one, such as 1.")
        thrown = roll(recipe, seed)
        draft = draft_of(thrown, self.studio.catalog_of(request), request["draft"])
        return {"draft": draft, "words": recipe_in_words(thrown)}

    def _go(self, request: Mapping[str, Any], start: Start | None) -> dict[str, Any]:
        if start is None:
            raise RecipeError("There is no such start.", "Pick one of the list.")
        if start.recipe is None:
            raise RecipeError(f"{start.title} cannot be had here.", start.words)
        draft = draft_of(start.recipe, self.studio.catalog_of(request), request["draft"])
        return {"draft": draft, "words": start.words}

    def _whole(self, request: Mapping[str, Any]) -> tuple[Recipe, Family, Merge]:
        # Starts are for the whole merge, also while one expert is looked at alone.
        return self.studio.asking.merge(request, solo=None)

    def _computed(self, made: Merge) -> list[Start]:
        """Return the starts that follow from the models alone."""
        recipe, stack = made.recipe, made.live.stack
        measures = self.studio.desk.measures(made)
        norms = None
        if measures is not None:
            info = measures.moved()
            norms = dict(zip(info.experts, info.norms.tolist(), strict=True))
        layers = count_layers(slot.key for slot in stack.slots)
        return [equal(recipe), norm_equalised(recipe, norms, stack.sample), lines(recipe, layers)]

    def _best(self, made: Merge, owner: str) -> dict[str, Any]:
        """Say what the best scored merge with this method is, or what it takes to find one."""
        try:
            self._check_best(made)
        except MergeError as error:
            return _view(_no_best(f"{error.message} {error.hint}".strip()), made.recipe, True)
        alike = like(made.recipe, self._trials(made, owner))
        if len(alike) >= DRAWN:
            return _view(_best_start(made.recipe, alike), made.recipe, False)
        words = (
            f"Draws {DRAWN} settings of {METHODS[made.recipe.method].title}, scores each and goes "
            f"to the best mean normalised score on validation; {len(alike)} are scored so far."
        )
        if made.live.sample is not None:
            words = f"{words} {LARGE}"
        return _view(_no_best(words), made.recipe, False)

    def _trials(self, made: Merge, owner: str) -> tuple[Trial, ...]:
        return self.studio.archive.history(owner, made.live).trials

    def _check_best(self, made: Merge) -> None:
        """Raise what stands in the way of scoring many settings by their mean."""
        space_of(made.recipe)
        live = made.live
        if not live.tasks:
            raise RecipeError("There is no task to score merges on.", live.why_no_scores())
        if len(live.tasks_of(made.recipe)) < len(live.tasks):
            raise RecipeError(
                "A mean normalised score needs a score on every task, and some task belongs to "
                "none of these experts."
            )


def _view(start: Start, recipe: Recipe, off: bool) -> dict[str, Any]:
    return {
        "name": start.name,
        "title": start.title,
        "words": start.words,
        "off": off,
        "on": start.is_on(recipe),
    }


def _no_best(words: str) -> Start:
    return Start(BEST, BEST_TITLE, words)


def _best_start(recipe: Recipe, alike: Sequence[Trial]) -> Start:
    best = best_of(alike)
    if best is None:
        return _no_best("No merge with this method has a mean normalised score yet.")
    found = best.values[GOAL]
    words = (
        f"Of {len(alike)} scored merges with {METHODS[recipe.method].title} the best reaches "
        f"{found.value:.1%} of the experts' own scores in the mean "
        f"[{found.low:.1%}, {found.high:.1%}], n {found.n:,}. It is chosen on validation, so test "
        "may be lower."
    )
    return Start(BEST, BEST_TITLE, words, Recipe.from_yaml(best.recipe))


def _why_no_dice(recipe: Recipe) -> str:
    try:
        roll(recipe, 0)
    except MergeError as error:
        return f"{error.message} {error.hint}".strip()
    return ""
