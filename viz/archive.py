"""A visitor's scored merges as a scene sees them: rows of the library, read once a change."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from merger.errors import MergeError
from merger.keeping import anchor_of
from merger.library import Library
from merger.live import LiveSet
from merger.lru import Lru
from merger.recipe import Recipe
from merger.scorer import SCORER_VERSION
from merger.scoring import known_best
from merger.search.history import trials_of
from merger.search.objective import TaskScale
from merger.search.trial import Trial
from merger.words import recipe_in_words

KEPT = 32
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class History:
    """The scored merges that one visitor may compare with what is on screen.

    Args:
        archive: Where they are read from.
        owner: Token of the visitor.
        live: The models that are on screen.
    """

    archive: "Archive"
    owner: str
    live: LiveSet

    @cached_property
    def scales(self) -> tuple[TaskScale, ...]:
        """The tasks, and what scores on them are compared with."""
        return scales_of(self.live)

    @cached_property
    def anchor(self) -> str:
        """Names the base, the examples and the scorer: what scores can be compared by."""
        return anchor_of(self.live)

    @cached_property
    def key(self) -> Hashable:
        """Changes whenever a merge does, or what it is compared with."""
        known = [(s.name, *s.best.items(), *s.base.items()) for s in self.scales]
        version = self.archive.library.version(self.owner)
        return (self.owner, self.anchor, version, tuple(known))

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """The merges, newest first."""
        return self.once("trials", self._read)

    def once(self, name: Hashable, make: Callable[[], T]) -> T:
        """Return what follows from these merges; made where it is not kept."""
        return self.archive.kept.get_or_make((self.key, name), make)

    def _read(self) -> tuple[Trial, ...]:
        """Make trials of the rows that changed; the others are kept from before."""
        index = self.archive.library.index(self.owner, self.anchor)
        place = (self.owner, self.anchor, str(self.scales))
        known = self.archive.trials.get_or_make(place, dict)
        news = [digest for digest, rows in index.items() if known.get(digest, ((),))[0] != rows]
        fresh = set(news)
        rows = self.archive.library.rows_of(news, self.owner)
        same = [row for row in rows if row.scorer == str(SCORER_VERSION)]
        made = {trial.digest: _told(trial) for trial in trials_of(same, self.scales)}
        # A new mapping: who reads the old one at this moment is not disturbed.
        kept = {d: known[d] for d in index if d not in fresh and d in known}
        kept |= {d: (index[d], made.get(d)) for d in news}
        self.archive.trials.put(place, kept)
        found = (kept[digest][1] for digest in index if digest in kept)
        return tuple(trial for trial in found if trial is not None)


class Archive:
    """Reads the library for scenes.

    Args:
        library: Where scored merges are kept.
    """

    def __init__(self, library: Library) -> None:
        self.library = library
        self.kept: Lru[Any] = Lru(KEPT)
        self.trials: Lru[dict[str, Any]] = Lru(KEPT)

    def history(self, owner: str, live: LiveSet) -> History:
        """Return what a visitor has scored with these models."""
        return History(self, owner, live)


def scales_of(live: LiveSet) -> tuple[TaskScale, ...]:
    """Return what scores of a set's merges are compared with, as far as it is known."""
    scorer = live.scores().scorer
    if scorer is None:
        return ()
    best = known_best(scorer, tuple(live.models.ids.values()))
    base: dict[str, Mapping[str, Any]] = {}
    if live.models.base is not None:
        for split in ("validation", "test"):
            full = live.known_of(None, split)
            base[split] = {} if full is None else full.outcomes
    return tuple(
        TaskScale(
            name=task.name,
            title=task.title,
            metric=task.metric,
            best={s: b for s in ("validation", "test") if (b := best(task, s)) is not None},
            base={s: told[task.name].value for s, told in base.items() if task.name in told},
        )
        for task in live.tasks
    )


def _told(trial: Trial) -> Trial:
    """Fill in what rows of an older version do not say."""
    if trial.words:
        return trial
    try:
        recipe = Recipe.from_yaml(trial.recipe)
    except MergeError:
        return replace(trial, words="A recipe that this version cannot read")
    return replace(trial, method=recipe.method, words=recipe_in_words(recipe))
