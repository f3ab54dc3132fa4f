"""Which examples are validation and which are test: decided by their content alone.

What is the same, or nearly so, lands on one side, whatever the order of the rows: a merge that
was chosen on validation never meets an example of it again on test.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

ALIKE = 0.8  # share of common word runs from which two texts count as one
RUN = 3
FEWEST_WORDS = 6  # texts below this are the same, or they are not
BANDS, ROWS = 16, 4
COMPARED = 8  # texts of one bucket that each further one is compared with


def plain_key(text: str) -> str:
    """Return a text's letters and digits: case, spaces and punctuation make no other text.

    Example:
        >>> plain_key("It's  GOOD!") == plain_key("its good")
        True
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if c.isalnum()) or folded.strip()


def group_texts(texts: Sequence[str]) -> np.ndarray:
    """Return a group number per text; those that are the same or nearly so share one.

    Two texts are nearly the same when, of the runs of three words in either, at least four in
    five are in both.
    """
    keys = [plain_key(text) for text in texts]
    first: dict[str, int] = {}
    for i, key in enumerate(keys):
        first.setdefault(key, i)
    # Sorted by content, so that no group depends on the order of the rows.
    unique = sorted(first.values(), key=lambda i: _hash(keys[i]))
    join = _Joined(len(texts))
    for i, key in enumerate(keys):
        join.unite(first[key], i)
    runs = {i: _runs(texts[i]) for i in unique}
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for i in unique:
        if not len(runs[i]):
            continue
        for band, mark in enumerate(_bands(runs[i])):
            others = buckets[band, mark]
            for other in others:
                if join.root(other) != join.root(i) and _alike(runs[other], runs[i]):
                    join.unite(other, i)
            if len(others) < COMPARED:
                others.append(i)
    return np.array([join.root(i) for i in range(len(texts))], np.int64)


def divide(keys: Sequence[str], groups: np.ndarray) -> np.ndarray:
    """Return a number per example: below 0.5 it is validation, else test.

    All examples of a group get the same number, and one content always gets the same one.

    Args:
        keys: What stands for the content of each example.
        groups: Which examples belong together.
    """
    least: dict[int, str] = {}
    for key, group in zip(map(_hash, keys), groups.tolist(), strict=True):
        least[group] = min(key, least.get(group, key))
    return np.array([int(least[g][:12], 16) / 16**12 for g in groups.tolist()])


def unite(count: int, pairs: Iterable[tuple[int, int]]) -> np.ndarray:
    """Return a group number for each of `count` things, of which these pairs belong together."""
    join = _Joined(count)
    for a, b in pairs:
        join.unite(a, b)
    return np.array([join.root(i) for i in range(count)], np.int64)


def _hash(key: str) -> str:
    return hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _runs(text: str) -> np.ndarray:
    """Return hashes of the runs of three words, sorted and unique; empty for a short text."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = re.findall(r"\w+", folded)
    if len(words) < FEWEST_WORDS:
        return np.empty(0, np.uint64)
    runs = [" ".join(words[i : i + RUN]) for i in range(len(words) - RUN + 1)]
    return np.unique(np.array([zlib.crc32(run.encode()) for run in runs], np.uint64))


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both >= ALIKE * (len(a) + len(b) - both)


def _bands(runs: np.ndarray) -> list[bytes]:
    """Return MinHash marks: texts that are alike share one of 16 with near certainty."""
    # Products wrap at 2⁶⁴; only their upper half is well mixed.
    mixed = ((runs[None] ^ _SHIFTS[:, None]) * _FACTORS[:, None]) >> np.uint64(32)
    least = mixed.min(1).reshape(BANDS, ROWS)
    return [row.tobytes() for row in least]


def _numbers(salt: str) -> np.ndarray:
    marks = [_hash(f"{salt}{i}") for i in range(BANDS * ROWS)]
    return np.array([int(mark[:16], 16) | 1 for mark in marks], np.uint64)


_FACTORS, _SHIFTS = _numbers("factor"), _numbers("shift")


class _Joined:
    """Sets that are united; the root of a set is its smallest member."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i

    def unite(self, a: int, b: int) -> None:
        low, high = sorted((self.root(a), self.root(b)))
        self._parent[high] = low
