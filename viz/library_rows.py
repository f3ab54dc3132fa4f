"""Full scores enter the library, where later screens find them."""

import logging

from merger.errors import MergeError
from merger.library import Library
from merger.scorer import SCORER_VERSION
from viz.desk import Merge
from viz.scores import Scores

log = logging.getLogger("mergescope")


def remember(library: Library, made: Merge, scores: Scores, owner: str) -> None:
    """Add a fully scored recipe to its visitor's rows; a full disk must not stop the page."""
    if scores.full is None:
        return
    report = made.live.report(scores.full)
    try:
        library.add(
            report.digest,
            made.recipe.to_yaml(),
            report.to_json(),
            scorer=str(SCORER_VERSION),
            owner=owner,
        )
    except MergeError as error:
        log.warning("not remembered: %s", error)
