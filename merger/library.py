"""Scored recipes that are remembered: what history, compare and the advisor read."""

import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from merger.errors import MergeError
from merger.workspace import Workspace

SHIPPED = ""
"""The owner of rows that come with the program; everybody sees them, nobody deletes them."""

FULL_SPLITS = ("validation", "test")
NOTE_LENGTH = 2000


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
        }


class Library:
    """The scored recipes of a workspace.

    Args:
        workspace: Where they are kept.
        limit: How many one owner may keep; the oldest that are not pinned make room.
    """

    def __init__(self, workspace: Workspace, limit: int = 5000) -> None:
        self._workspace = workspace
        self._limit = limit

    def add(
        self, digest: str, recipe: str, scores: Mapping[str, Any], *, scorer: str, owner: str
    ) -> ScoredRecipe:
        """Remember a full score; one that is there already is brought up to date.

        Raises:
            MergeError: The score is of a subset, a preview or another merge.
        """
        if not owner:
            raise ValueError("A row needs an owner; use ship() for rows that all shall see.")
        return self._add(digest, recipe, scores, scorer, owner)

    def ship(
        self, digest: str, recipe: str, scores: Mapping[str, Any], *, scorer: str
    ) -> ScoredRecipe:
        """Remember a score that comes with the program, for everybody to see."""
        return self._add(digest, recipe, scores, scorer, SHIPPED)

    def get(self, digest: str, owner: str, *, split: str = "validation") -> ScoredRecipe:
        """Return the newest row of a merge that this owner may see.

        Raises:
            MergeError: There is none.
        """
        found = self._workspace.rows(
            "SELECT * FROM library WHERE digest = ? AND split = ? AND owner IN (?, ?) "
            "ORDER BY owner = ? DESC, created DESC, rowid DESC LIMIT 1",
            (digest, split, owner, SHIPPED, owner),
        )
        if not found:
            raise _unknown(digest)
        return _row(found[0])

    def list(self, owner: str, *, split: str | None = None) -> list[ScoredRecipe]:
        """Return one owner's rows and the shipped ones, newest first."""
        found = self._workspace.rows(
            "SELECT * FROM library WHERE owner IN (?, ?) AND (? IS NULL OR split = ?) "
            "ORDER BY created DESC, rowid DESC",
            (owner, SHIPPED, split, split),
        )
        return [_row(row) for row in found]

    def annotate(
        self, digest: str, owner: str, *, note: str | None = None, pinned: bool | None = None
    ) -> None:
        """Write a note on one's own rows of a merge, or pin them."""
        with self._workspace.transaction() as db:
            changed = db.execute(
                "UPDATE library SET note = coalesce(?, note), pinned = coalesce(?, pinned) "
                "WHERE digest = ? AND owner = ?",
                (None if note is None else note[:NOTE_LENGTH], pinned, digest, owner),
            ).rowcount
        if not changed:
            raise _unknown(digest)

    def delete(self, digest: str, owner: str) -> None:
        """Forget one's own rows of a merge; shipped rows stay."""
        with self._workspace.transaction() as db:
            gone = db.execute(
                "DELETE FROM library WHERE digest = ? AND owner = ? AND owner != ?",
                (digest, owner, SHIPPED),
            ).rowcount
        if not gone:
            raise _unknown(digest)

    def _add(
        self, digest: str, recipe: str, scores: Mapping[str, Any], scorer: str, owner: str
    ) -> ScoredRecipe:
        split = str(scores.get("split"))
        if split not in FULL_SPLITS:
            raise MergeError(
                f"The library keeps scores of validation or test, got {split[:40]!r}.",
                "Score the whole split first.",
            )
        if scores.get("digest", digest) != digest:
            raise MergeError("These scores belong to another merge.", "Score this one first.")
        with self._workspace.transaction() as db:
            db.execute(
                "INSERT INTO library (digest, split, scorer, owner, recipe, scores, created) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (owner, digest, split, scorer) "
                "DO UPDATE SET recipe = excluded.recipe, scores = excluded.scores, "
                "created = excluded.created",
                (digest, split, scorer, owner, recipe, json.dumps(dict(scores)), time.time()),
            )
            db.execute(
                "DELETE FROM library WHERE rowid IN (SELECT rowid FROM library "
                "WHERE owner = ? AND NOT pinned ORDER BY created DESC, rowid DESC "
                "LIMIT -1 OFFSET ?)",
                (owner, self._limit),
            )
        return self.get(digest, owner, split=split)


def _unknown(digest: str) -> MergeError:
    return MergeError(
        f"There is no scored recipe {digest[:12]!r} of yours.", "Score the merge to keep it."
    )


def _row(row: sqlite3.Row) -> ScoredRecipe:
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
    )
