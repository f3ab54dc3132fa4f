"""A scored recipe as a row: what it reached, and what else is known of it."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SHIPPED = ""
"""The owner of rows that come with the program; everybody sees them, nobody deletes them."""


@dataclass(frozen=True, slots=True)
class MergeFacts:
    """What is known of a merge besides its scores.

    Args:
        anchor: Names the base, the tasks' examples and the scorer: rows with the same anchor can
            be compared. Empty for rows of before this was recorded.
        norm: ‖update‖ / ‖base‖; None without a base, or with one model per expert.
        size_bytes: What it takes to store.
        about: Plain data: `method`, `words`, `experts`, `origin`, `base` (the base's own scores by
            task), `key` and `index` of an exploration, `seconds` that scoring took.
    """

    anchor: str = ""
    norm: float | None = None
    size_bytes: int | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScoredRecipe:
    """A recipe and what it scored on one split.

    Args:
        digest: Identity of the merge: the canonical recipe over the content of its models.
        recipe: Canonical YAML.
        scores: The JSON shape of a score.
        split: validation or test.
        scorer: Version of the scoring code; rows of different versions are not compared.
        owner: Token of the visitor, or SHIPPED.
    """

    digest: str
    recipe: str
    scores: Mapping[str, Any]
    split: str
    scorer: str
    owner: str
    created: float
    note: str = ""
    pinned: bool = False
    facts: MergeFacts = field(default_factory=MergeFacts)

    def to_json(self) -> dict[str, Any]:
        """Return the row without its owner."""
        return {
            "digest": self.digest,
            "recipe": self.recipe,
            "scores": dict(self.scores),
            "split": self.split,
            "scorer": self.scorer,
            "created": self.created,
            "note": self.note,
            "pinned": self.pinned,
            "shipped": self.owner == SHIPPED,
            "norm": self.facts.norm,
            "bytes": self.facts.size_bytes,
        }


def scored_row(row: sqlite3.Row) -> ScoredRecipe:
    """Return a row of the table `library` as what it means."""
    return ScoredRecipe(
        digest=row["digest"],
        recipe=row["recipe"],
        scores=json.loads(row["scores"]),
        split=row["split"],
        scorer=row["scorer"],
        owner=row["owner"],
        created=row["created"],
        note=row["note"],
        pinned=bool(row["pinned"]),
        facts=MergeFacts(row["anchor"], row["norm"], row["bytes"], json.loads(row["about"])),
    )
