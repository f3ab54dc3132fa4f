"""Where the models of a family lie, for the page and for its jobs."""

from typing import Any

from merger.jobs.rules import rules_to_json
from merger.live import Place
from merger.sources import SourceRules
from viz.catalog import Family


def place_of(family: Family) -> Place:
    """Return where the sources of a family are looked for."""
    rules = SourceRules(family.folders, granted=family.granted)
    return Place(roots=rules, folders=family.folders)


def job_rules(family: Family) -> dict[str, Any]:
    """Return what a job about a family may open."""
    return rules_to_json(family.folders, family.granted)
