"""Full scores enter the library, where later screens find them."""

import logging
from collections.abc import Mapping
from typing import Any

from merger.errors import MergeError
from merger.keeping import facts_of, keep
from merger.library import Library
from merger.recipe import Recipe
from merger.scorer import SCORER_VERSION, FullScore
from viz.catalog import Family
from viz.desk import Desk, Merge
from viz.scores import Scores

log = logging.getLogger("mergescope")


def remember(library: Library, made: Merge, scores: Scores, owner: str) -> None:
    """Add a fully scored recipe to its visitor's rows; a full disk must not stop the page."""
    if scores.full is None:
        return
    try:
        if not _is_kept(library, made, scores.full, owner):
            keep(library, made.live, made.recipe, made.merged, scores.full, owner)
    except MergeError as error:
        log.warning("not remembered: %s", error)


def kept_scores(
    library: Library, desk: Desk, recipe: Recipe, family: Family, owner: str
) -> Mapping[str, Any] | None:
    """Return what a merge scored, as its visitor's rows have it: on test, else on validation."""
    try:
        recipe, live = desk.open(recipe, family)
        rows = library.rows_of([live.digest(recipe)], owner)
    except MergeError:
        return None
    known = {row.split: row.scores for row in rows if row.scorer == str(SCORER_VERSION)}
    return known.get("test") or known.get("validation")


def _is_kept(library: Library, made: Merge, full: FullScore, owner: str) -> bool:
    """Say whether the very same is kept already: a page that is only looked at writes nothing."""
    there = [row for row in library.rows_of([full.digest], owner) if row.split == full.split]
    mine = [row for row in there if row.owner and row.scorer == str(SCORER_VERSION)]
    if not mine:
        return False
    row, facts = mine[0], facts_of(made.live, made.recipe, made.merged, full.split)
    about = row.facts.about
    same = (row.facts.anchor, row.facts.norm) == (facts.anchor, facts.norm)
    return (
        same
        and all(about.get(name) == value for name, value in facts.about.items())
        and dict(row.scores) == made.live.report(full).to_json()
    )
