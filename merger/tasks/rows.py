"""Labelled texts of a table, divided into validation and test by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from merger.errors import TaskError
from merger.tasks.base import check_split
from merger.tasks.splitting import divide, group_texts, plain_key
from merger.tasks.tables import check_table, read_columns

MOST = 2000


@dataclass(frozen=True)
class Rows:
    """Some rows: their texts, their labels, and which of them are nearly the same."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    groups: np.ndarray


@dataclass(frozen=True)
class LabelledRows:
    """A table with a column of texts and one of labels.

    Rows that repeat a text with its label count once. Of a long table each split keeps the same
    `most` rows, those with the smallest hash.

    Args:
        path: The file.
        text: Name of the column with the texts.
        label: Name of the column with the labels.
        most: Rows per split at most.
    """

    path: Path
    text: str
    label: str
    most: int = MOST

    def split(self, split: str) -> Rows:
        """Return the rows of a split."""
        check_split(split)
        return self._splits[split]

    @property
    def sizes(self) -> Mapping[str, int]:
        """Number of rows by split."""
        return {split: len(rows.texts) for split, rows in self._splits.items()}

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Every label that occurs in the file, sorted."""
        return tuple(sorted(set(self._columns[self.label])))

    @property
    def about(self) -> str:
        """How many rows the file has, and how many of them count."""
        kept = sum(self.sizes.values())
        return (
            f"{len(self._columns[self.text]):,} rows, of which {kept:,} count (repeated ones "
            f"once, {self.most:,} a split at most), divided by a hash of their text"
        )

    @cached_property
    def content(self) -> str:
        """Digest of the file and of what is read in it."""
        check_table(self.path)
        mark = hashlib.blake2b(digest_size=16)
        mark.update(repr((self.text, self.label, self.most)).encode())
        with self.path.open("rb") as file:
            while block := file.read(1 << 20):
                mark.update(block)
        return mark.hexdigest()

    @cached_property
    def _columns(self) -> dict[str, list[str]]:
        return read_columns(self.path, (self.text, self.label))

    @cached_property
    def _splits(self) -> dict[str, Rows]:
        pairs = list(zip(self._columns[self.text], self._columns[self.label], strict=True))
        keys = [plain_key(text) for text, _ in pairs]
        once = {
            (key, label): i for i, (key, (_, label)) in enumerate(zip(keys, pairs, strict=True))
        }
        chosen = sorted(once.values())
        groups = group_texts([pairs[i][0] for i in chosen])
        place = divide([keys[i] for i in chosen], groups)
        found = {}
        for split, mine in (("validation", place < 0.5), ("test", place >= 0.5)):
            inside = np.flatnonzero(mine)
            inside = np.sort(inside[np.argsort(place[inside], kind="stable")][: self.most])
            found[split] = Rows(
                tuple(pairs[chosen[i]][0] for i in inside),
                tuple(pairs[chosen[i]][1] for i in inside),
                groups[inside],
            )
        short = [split for split, rows in found.items() if not rows.texts]
        if short:
            raise TaskError(
                f"{self.path.name}: no row falls to {short[0]}; it has "
                f"{len(np.unique(groups)):,} different texts.",
                "Use a longer table: each text goes to one side by a hash.",
            )
        return found
