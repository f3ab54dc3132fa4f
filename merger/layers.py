"""A model put together from layers of other models, as plain data and as the text of a source.

A recipe writes `layers: [{source: file:a, from: 0, to: 8}, {source: file:b, from: 4, to: 12}]`.
Everything that passes sources on as texts sees `layers:` and the same list, canonical.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

from merger.errors import RecipeError, did_you_mean

SCHEME = "layers:"
MAX_PIECES = 200
MAX_LAYERS = 1000


class Run(NamedTuple):
    """Some layers of one model, in their order.

    Args:
        source: The model.
        start: The first layer.
        stop: One past the last layer; the same number means no layer at all.
    """

    source: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def is_layers(source: str) -> bool:
    """Return whether a source is put together from layers of other models."""
    return source.startswith(SCHEME)


def layers_source(runs: Sequence[Run]) -> str:
    """Return the text that stands for these layers; equal lists give equal texts."""
    plain = [[run.source, run.start, run.stop] for run in runs]
    return SCHEME + json.dumps(plain, separators=(",", ":"))


def read_layers(source: str) -> tuple[Run, ...]:
    """Return the layers that a source's text stands for.

    Raises:
        RecipeError: it is not such a text, or a range in it is not one.
    """
    try:
        table = json.loads(source.removeprefix(SCHEME))
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, list) or any(
        not isinstance(row, list) or len(row) != 3 for row in table
    ):
        raise RecipeError(
            "layers: a source such as this is written by the app.",
            "Write layers: [{source: …, from: 0, to: 8}, …] in the recipe.",
        )
    rows = [dict(zip(("source", "from", "to"), row, strict=True)) for row in table]
    return build_layers(rows, "layers")


def build_layers(value: Any, where: str) -> tuple[Run, ...]:
    """Return the layers that plain data lists.

    Raises:
        RecipeError: not a list of {source, from, to}, or ranges that are none.
    """
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_PIECES:
        raise RecipeError(
            f"{where} must list 1 to {MAX_PIECES} runs of layers.",
            "Write layers: [{source: …, from: 0, to: 8}, …].",
        )
    runs = tuple(_run(item, f"{where}: run {i + 1}") for i, item in enumerate(value))
    total = sum(len(run) for run in runs)
    if not 1 <= total <= MAX_LAYERS:
        raise RecipeError(
            f"{where} must hold 1 to {MAX_LAYERS} layers in all, got {total}.",
            "from is the first layer of a run, to is one past its last.",
        )
    return runs


def plain_layers(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return layers as a recipe writes them."""
    return [{"source": run.source, "from": run.start, "to": run.stop} for run in runs]


def _run(item: Any, where: str) -> Run:
    if not isinstance(item, Mapping):
        raise RecipeError(f"{where} must be a mapping.", "Write {source: …, from: 0, to: 8}.")
    for key in item:
        if key not in ("source", "from", "to"):
            raise RecipeError(
                f"{where}: {str(key)[:60]!r} is not known.",
                did_you_mean(str(key), ("source", "from", "to")),
            )
    source, start, stop = (item.get(key) for key in ("source", "from", "to"))
    if not isinstance(source, str) or not source.strip() or not source.isprintable():
        raise RecipeError(f"{where} must have a source.", "Write file:DIR or hub:org/name.")
    if len(source) > 500 or is_layers(source):
        raise RecipeError(
            f"{where}: a run takes layers of one model.", "List the runs of that one here."
        )
    if not (_is_count(start) and _is_count(stop) and start <= stop):
        raise RecipeError(
            f"{where}: from and to must be whole numbers with 0 ≤ from ≤ to, got "
            f"{str(start)[:20]} and {str(stop)[:20]}.",
            "from is the first layer, to is one past the last.",
        )
    return Run(source, start, stop)


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10_000
