"""Labels of a user's data and the classes that a model's head knows: which is which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from merger.errors import TaskError

SHOWN = 8


def classes_of(config: Mapping[str, Any] | None, label: str) -> tuple[str, ...]:
    """Return the names of a head's classes in order, from `id2label` in config.json.

    Args:
        config: The parsed config.json.
        label: How to call the model in messages.
    Raises:
        TaskError: the head is no classifier of one class out of several.
    """
    config = config or {}
    kind = config.get("problem_type")
    if kind not in (None, "single_label_classification"):
        raise TaskError(
            f"{label}: accuracy needs a head that chooses one class, this one is for {kind}.",
            "Score it with a tool for such heads.",
        )
    names = config.get("id2label")
    if not isinstance(names, Mapping):
        count = config.get("num_labels", 2)
        return tuple(f"LABEL_{i}" for i in range(count if isinstance(count, int) else 2))
    found = {int(k): str(v) for k, v in names.items() if str(k).isdigit()}
    if sorted(found) != list(range(len(names))) or len(found) < 2:
        raise TaskError(
            f"{label}: id2label in config.json must number two or more classes from 0, "
            f"got {', '.join(str(key) for key in list(names)[:SHOWN])}.",
            "Correct the file.",
        )
    return tuple(found[i] for i in range(len(found)))


def match_labels(
    labels: Sequence[str], classes: Sequence[str], data: str, model: str
) -> dict[str, int]:
    """Return which class each label of the data means.

    Labels are names of classes, in any case, or all of them are numbers of classes.

    Args:
        labels: The labels that occur in the data.
        classes: The names that the head knows, in order.
        data: How to call the data in messages.
        model: How to call the model.
    Raises:
        TaskError: a label that is neither, or two classes of one name.
    """
    for fold in (str, lambda name: _folded(name)):
        by_name = {fold(name): i for i, name in enumerate(classes)}
        if len(by_name) == len(classes) and all(fold(label) in by_name for label in labels):
            return {label: by_name[fold(label)] for label in labels}
    if all(label.isascii() and label.isdigit() for label in labels):
        numbers = {label: int(label) for label in labels}
        if max(numbers.values()) < len(classes):
            return numbers
    known = {_folded(name) for name in classes}
    strange = [label for label in labels if _folded(label) not in known]
    raise TaskError(
        f"{data}: its labels must be classes of {model}. Not among them: {_listed(strange)}; "
        f"{model} knows {_listed(classes)}.",
        "Rename the labels, or correct id2label in the model's config.json.",
    )


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def _listed(words: Sequence[str]) -> str:
    shown = ", ".join(repr(word[:60]) for word in words[:SHOWN])
    return shown + (f" and {len(words) - SHOWN} more" if len(words) > SHOWN else "")
