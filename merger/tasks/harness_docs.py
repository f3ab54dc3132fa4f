"""Which documents of a task of lm-evaluation-harness are validation and which are test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from merger.tasks.splitting import divide, group_texts


@dataclass(frozen=True, eq=False)
class Dealt:
    """The documents of a task.

    Args:
        docs: Documents by split.
        groups: Which of them are nearly the same, by split.
        words: How they were divided.
    """

    docs: Mapping[str, list[Any]]
    groups: Mapping[str, np.ndarray]
    words: str


def deal(task: Any, *, whole: bool, most: int | None) -> Dealt:
    """Return the documents of both splits.

    Args:
        task: A task of the harness.
        whole: Whether either split is all that the harness evaluates on.
        most: Documents at most, before they are divided; None is all.
    """
    if whole:
        both = _grouped(task.eval_docs, most)
        words = "all documents of its evaluation on either split: for a last report only"
        return _dealt(both, both, words)
    if task.has_validation_docs() and task.has_test_docs():
        validation, test = _grouped(task.validation_docs(), most), _grouped(task.test_docs(), most)
        return _dealt(validation, test, "its own validation and test documents")
    docs, groups = _grouped(task.eval_docs, most)
    place = divide([plain(doc) for doc in docs], groups)
    validation, test = (
        ([docs[i] for i in np.flatnonzero(mine)], groups[mine])
        for mine in (place < 0.5, place >= 0.5)
    )
    words = "its documents divided by a hash: no figure to compare with a whole run"
    return _dealt(validation, test, words)


def plain(doc: Any) -> str:
    """Return a document as text, the same for the same content."""
    return json.dumps(doc, sort_keys=True, default=str, ensure_ascii=False)


Side = tuple[list[Any], np.ndarray]


def _dealt(validation: Side, test: Side, words: str) -> Dealt:
    return Dealt(
        {"validation": validation[0], "test": test[0]},
        {"validation": validation[1], "test": test[1]},
        words,
    )


def _grouped(docs: Iterable[Any], most: int | None) -> Side:
    found = list(docs)
    # The same ones always: those with the smallest hash, in their own order.
    order = sorted(range(len(found)), key=lambda i: _hash(found[i]))[:most]
    found = [found[i] for i in sorted(order)]
    return found, group_texts([plain(doc) for doc in found])


def _hash(doc: Any) -> str:
    return hashlib.blake2b(plain(doc).encode("utf-8", "replace"), digest_size=16).hexdigest()
