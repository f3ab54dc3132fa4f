"""Scored recipes that are remembered: what history, compare and the advisor read."""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any

from merger.errors import MergeError
from merger.scored import SHIPPED, MergeFacts, ScoredRecipe, scored_row
from merger.workspace import Workspace

__all__ = ["SHIPPED", "Library", "MergeFacts", "ScoredRecipe"]

FULL_SPLITS = ("validation", "test")
NOTE_LENGTH = 2000
MOST_ROWS = 5000
MOST_PINNED = 500
MANY = 500  # values that one query may name


class Library:
    """The scored recipes of a workspace.

    Args:
        workspace: Where they are kept.
        limit: How many one owner may keep; the oldest that are not pinned make room.
        most_pinned: How many of them one owner may pin.
    """

    def __init__(
        self, workspace: Workspace, limit: int = MOST_ROWS, most_pinned: int = MOST_PINNED
    ) -> None:
        self._workspace = workspace
        self.limit = limit
        self.most_pinned = most_pinned

    def add(
        self,
        digest: str,
        recipe: str,
        scores: Mapping[str, Any],
        *,
        scorer: str,
        owner: str,
        facts: MergeFacts | None = None,
    ) -> ScoredRecipe:
        """Remember a full score; one that is there already is brought up to date.

        Raises:
            MergeError: The score is of a subset, a preview or another merge.
        """
        if not owner:
            raise ValueError("A row needs an owner; use ship() for rows that all shall see.")
        return self._add(digest, recipe, scores, scorer, owner, facts or MergeFacts())

    def ship(
        self,
        digest: str,
        recipe: str,
        scores: Mapping[str, Any],
        *,
        scorer: str,
        facts: MergeFacts | None = None,
    ) -> ScoredRecipe:
        """Remember a score that comes with the program, for everybody to see."""
        return self._add(digest, recipe, scores, scorer, SHIPPED, facts or MergeFacts())

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
        return scored_row(found[0])

    def list(
        self, owner: str, *, split: str | None = None, anchor: str | None = None
    ) -> list[ScoredRecipe]:
        """Return one owner's rows and the shipped ones, newest first.

        Args:
            owner: Token of the visitor.
            split: Rows of this split only.
            anchor: Rows with this anchor only, and older ones that have none.
        """
        found = self._workspace.rows(
            "SELECT * FROM library WHERE owner IN (?, ?) AND (? IS NULL OR split = ?) "
            "AND (? IS NULL OR anchor IN ('', ?)) ORDER BY created DESC, rowid DESC",
            (owner, SHIPPED, split, split, anchor, anchor),
        )
        return [scored_row(row) for row in found]

    def index(self, owner: str, anchor: str) -> dict[str, tuple[tuple[Any, ...], ...]]:
        """Return which rows there are by merge, newest first, and when each last changed.

        Args:
            owner: Token of the visitor.
            anchor: Rows with this anchor only, and older ones that have none.
        """
        found: dict[str, tuple[tuple[Any, ...], ...]] = {}
        query = (
            "SELECT digest, split, scorer, owner, changed FROM library WHERE owner IN (?, ?) "
            "AND anchor IN ('', ?) ORDER BY created DESC, rowid DESC"
        )
        for row in self._workspace.rows(query, (owner, SHIPPED, anchor)):
            digest, *rest = tuple(row)
            found[digest] = (*found.get(digest, ()), tuple(rest))
        return found

    def rows_of(self, digests: Sequence[str], owner: str) -> Sequence[ScoredRecipe]:
        """Return all rows of some merges that this owner may see, newest first."""
        found = []
        for i in range(0, len(digests), MANY):
            part = tuple(digests[i : i + MANY])
            marks = ", ".join("?" * len(part))
            found += map(
                scored_row,
                self._workspace.rows(
                    f"SELECT * FROM library WHERE owner IN (?, ?) AND digest IN ({marks}) "
                    "ORDER BY created DESC, rowid DESC",
                    (owner, SHIPPED, *part),
                ),
            )
        return found

    def version(self, owner: str) -> tuple[int, float]:
        """Return what changes whenever a row does that this owner may see."""
        row = self._workspace.rows(
            "SELECT count(*), coalesce(max(changed), 0) FROM library WHERE owner IN (?, ?)",
            (owner, SHIPPED),
        )[0]
        return int(row[0]), float(row[1])

    def count(self, owner: str) -> int:
        """Return how many rows an owner keeps."""
        rows = self._workspace.rows("SELECT count(*) FROM library WHERE owner = ?", (owner,))
        return int(rows[0][0])

    def next_index(self, owner: str, key: str) -> int:
        """Return the number after the last that an exploration scored; 0 before its first."""
        rows = self._workspace.rows(
            "SELECT max(json_extract(about, '$.index')) FROM library "
            "WHERE owner = ? AND json_extract(about, '$.key') = ?",
            (owner, key),
        )
        last = rows[0][0]
        return 0 if last is None else int(last) + 1

    def annotate(
        self, digest: str, owner: str, *, note: str | None = None, pinned: bool | None = None
    ) -> None:
        """Write a note on one's own rows of a merge, or pin them.

        Raises:
            MergeError: it is not one's own, or too many are pinned already.
        """
        with self._workspace.transaction() as db:
            if pinned:
                others = db.execute(
                    "SELECT count(DISTINCT digest) FROM library "
                    "WHERE owner = ? AND pinned AND digest != ?",
                    (owner, digest),
                ).fetchone()[0]
                self._check_pins(others)
            changed = db.execute(
                "UPDATE library SET note = coalesce(?, note), pinned = coalesce(?, pinned), "
                "changed = ? WHERE digest = ? AND owner = ?",
                (None if note is None else note[:NOTE_LENGTH], pinned, time.time(), digest, owner),
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

    def _check_pins(self, others: int) -> None:
        if others >= self.most_pinned:
            raise MergeError(
                f"You may pin at most {self.most_pinned} merges, and have pinned {others}.",
                "Take a pin from one that you no longer need.",
            )

    def _add(
        self,
        digest: str,
        recipe: str,
        scores: Mapping[str, Any],
        scorer: str,
        owner: str,
        facts: MergeFacts,
    ) -> ScoredRecipe:
        split = str(scores.get("split"))
        if split not in FULL_SPLITS:
            raise MergeError(
                f"The library keeps scores of validation or test, got {split[:40]!r}.",
                "Score the whole split first.",
            )
        if scores.get("digest", digest) != digest:
            raise MergeError("These scores belong to another merge.", "Score this one first.")
        now = time.time()
        known = (facts.anchor, facts.norm, facts.size_bytes, json.dumps(dict(facts.about)))
        with self._workspace.transaction() as db:
            # A merge that was drawn keeps its number when its sliders are set by hand later.
            db.execute(
                "INSERT INTO library (digest, split, scorer, owner, recipe, scores, created, "
                "changed, anchor, norm, bytes, about) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (owner, digest, split, scorer) "
                "DO UPDATE SET recipe = excluded.recipe, scores = excluded.scores, "
                "created = excluded.created, changed = excluded.changed, "
                "anchor = excluded.anchor, norm = excluded.norm, bytes = excluded.bytes, "
                "about = json_patch(about, excluded.about)",
                (digest, split, scorer, owner, recipe, json.dumps(dict(scores)), now, now, *known),
            )
            _share_marks(db, digest, owner)
            db.execute(
                "DELETE FROM library WHERE rowid IN (SELECT rowid FROM library "
                "WHERE owner = ? AND NOT pinned ORDER BY created DESC, rowid DESC "
                "LIMIT -1 OFFSET ?)",
                (owner, self.limit),
            )
        return self.get(digest, owner, split=split)


def _share_marks(db: sqlite3.Connection, digest: str, owner: str) -> None:
    """Let a test row carry the note and the pin of the validation row beside it."""
    db.execute(
        "UPDATE library SET pinned = (SELECT max(pinned) FROM library WHERE owner = ?1 "
        "AND digest = ?2), note = (SELECT max(note) FROM library WHERE owner = ?1 "
        "AND digest = ?2) WHERE owner = ?1 AND digest = ?2",
        (owner, digest),
    )


def _unknown(digest: str) -> MergeError:
    return MergeError(
        f"There is no scored recipe {digest[:12]!r} of yours.", "Score the merge to keep it."
    )
