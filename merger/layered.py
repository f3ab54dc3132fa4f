"""Layers of several models, read as one model: nothing is copied, and nothing is held."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from merger.checkpoint import Checkpoint
from merger.content import ID_BYTES
from merger.errors import SourceError
from merger.header import TensorInfo, shown
from merger.layered_config import layered_config
from merger.layers import Run
from merger.lazy import Tensor
from merger.places import LAYER, comes_before_layers, count_layers
from merger.tied import heads_of
from merger.vocabulary import read_vocabulary, vocabulary_rows

# Embeddings that some old models number like a layer.
INSIDE = ("wte.weight", "embed_tokens.weight", "word_embeddings.weight")


class Origin(NamedTuple):
    """Where a tensor of the new model is read from."""

    model: Checkpoint
    key: str


class LayeredCheckpoint:
    """A model whose layers are runs of layers of other models.

    What comes before the layers (embeddings) is the first run's, what comes after them (final
    norm, head) the last run's; config and tokenizer files are the first run's, the config with
    the new number of layers.

    Args:
        runs: The runs, in order.
        models: The open model of each source.
    """

    def __init__(self, runs: Sequence[Run], models: Mapping[str, Checkpoint]) -> None:
        self.runs = tuple(runs)
        self._parts = [(run, models[run.source]) for run in runs]
        self.models = tuple(models[source] for source in dict.fromkeys(r.source for r in runs))
        self.label = "+".join(dict.fromkeys(model.label for model in self.models))
        prefix = _prefix(self._parts)
        _check_shapes(self._parts)
        _check_head(self.first, self.last)
        self._origins = dict(sorted(_origins(self._parts, prefix).items()))
        self.tensors: Mapping[str, TensorInfo] = MappingProxyType(
            {
                key: origin.model.tensors[origin.key]._replace(key=key)
                for key, origin in self._origins.items()
            }
        )
        self.folder: Path | None = self.first.folder

    @property
    def first(self) -> Checkpoint:
        """The model that embeddings, config and tokenizer are taken from."""
        return self._parts[0][1]

    @property
    def last(self) -> Checkpoint:
        """The model that the final norm and the head are taken from."""
        return self._parts[-1][1]

    @property
    def notes(self) -> tuple[str, ...]:
        """What somebody should know about this model."""
        if self.first is self.last:
            return ()
        if heads_of(self.last):
            return _about_words(self.first, self.last)
        return (
            f"the head of {self.last.label} is its embedding, and the embedding here is that of "
            f"{self.first.label}: so is the head.",
        )

    @property
    def made_of(self) -> tuple[Checkpoint, ...]:
        """The models that layers are taken from."""
        return self.models

    def config(self) -> dict[str, Any] | None:
        """Return the first model's config with the new number of layers."""
        table = self.first.config()
        if table is None:
            return None
        parts = [(run, model.config() or {}) for run, model in self._parts]
        own_head = self.first is not self.last and bool(heads_of(self.last))
        return layered_config(table, parts, own_head=own_head)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Tensor:
        """Return entries start to stop of a tensor, flat, in the dtype it is stored in."""
        origin = self._origins[key]
        return origin.model.read(origin.key, start, stop)

    def content_id(self) -> str:
        """Return an id that changes when the models or the runs change."""
        total = hashlib.blake2b(digest_size=ID_BYTES)
        for run, model in self._parts:
            total.update(f"{model.content_id()} {run.start} {run.stop}\n".encode())
        return total.hexdigest()

    def check_unchanged(self) -> None:
        """Raise SourceError if a model is not the one that was opened."""
        for model in self.models:
            model.check_unchanged()


def models_in(model: Checkpoint) -> tuple[Checkpoint, ...]:
    """Return the models that a model's layers are taken from, or the model itself."""
    return model.models if isinstance(model, LayeredCheckpoint) else (model,)


def _prefix(parts: Sequence[tuple[Run, Checkpoint]]) -> str:
    """Return what stands before the number of a layer, the same in all of the models."""
    found: dict[str, str] = {}
    for run, model in parts:
        prefixes = {k[: hit.start(1)] for k in model.tensors if (hit := LAYER.search(k))}
        if len(prefixes) != 1:
            listed = ", ".join(shown(p) for p in sorted(prefixes)[:3]) or "none"
            raise SourceError(
                f"{model.label} must have one row of layers to take some of, got {listed}.",
                "Models of several parts cannot be put together from layers.",
            )
        (prefix,) = prefixes
        if odd := next((k for k in model.tensors if LAYER.search(k) and k.endswith(INSIDE)), None):
            raise SourceError(
                f"{model.label} counts its embedding among its layers ({shown(odd)}).",
                "Save it with a newer version of its class.",
            )
        found.setdefault(prefix, model.label)
        layers = count_layers(model.tensors)
        if run.stop > layers:
            raise SourceError(
                f"{model.label} has {layers} layers, 0 to {layers - 1}, and layers {run.start} "
                f"to {run.stop - 1} are asked for.",
                f"'to' is one past the last layer: {layers} at most.",
            )
    if len(found) > 1:
        (one, here), (other, there) = list(found.items())[:2]
        raise SourceError(
            f"The layers of {here} are called {shown(one)}… and those of {there} {shown(other)}….",
            "Save both from the same class (with or without a head).",
        )
    return next(iter(found))


def _origins(parts: Sequence[tuple[Run, Checkpoint]], prefix: str) -> dict[str, Origin]:
    first, last = parts[0][1], parts[-1][1]
    found: dict[str, Origin] = {}
    for model, before in ((first, True), (last, False)):
        for key in model.tensors:
            if LAYER.search(key) is None and comes_before_layers(key) == before:
                found[key] = Origin(model, key)
    base = 0
    for run, model in parts:
        for key in model.tensors:
            hit = LAYER.search(key)
            if hit is None or not run.start <= int(hit[1]) < run.stop:
                continue
            number = base + int(hit[1]) - run.start
            found[f"{prefix}{number}{key[hit.end(1) :]}"] = Origin(model, key)
        base += len(run)
    return found


def _check_shapes(parts: Sequence[tuple[Run, Checkpoint]]) -> None:
    """Refuse layers of other widths where each model has one width throughout."""
    reference = parts[0][1]
    ours = _shapes(reference)
    for _, model in parts[1:]:
        theirs = _shapes(model) if model is not reference else ours
        for name in sorted(set(ours) & set(theirs)):
            if len(ours[name]) == len(theirs[name]) == 1 and ours[name] != theirs[name]:
                ((here,), (there,)) = theirs[name], ours[name]
                raise SourceError(
                    f"{model.label} doesn't fit {reference.label}: {shown(name)} is {list(here)} "
                    f"there and {list(there)} here.",
                    "Take layers from models of one architecture and width.",
                )


def _shapes(model: Checkpoint) -> dict[str, set[tuple[int, ...]]]:
    found: dict[str, set[tuple[int, ...]]] = {}
    for key, info in model.tensors.items():
        hit = LAYER.search(key)
        if hit is not None:
            found.setdefault(key[hit.end(1) + 1 :], set()).add(tuple(info.shape))
    return found


def _check_head(first: Checkpoint, last: Checkpoint) -> None:
    if first is not last and heads_of(first) and not heads_of(last):
        raise SourceError(
            f"{last.label} has no head of its own (it is its embedding), and the embedding is to "
            f"be that of {first.label}.",
            f"Let a last run take no layers of a model with a head: {{source: …, from: 0, to: 0}}"
            f", such as {first.label}.",
        )
    rows, answers = vocabulary_rows(first), vocabulary_rows(last)
    if heads_of(last) and None not in (rows, answers) and rows != answers:
        raise SourceError(
            f"The head of {last.label} has {answers:,} rows, and the embedding of {first.label} "
            f"{rows:,}: what would be read and what would be answered are other words.",
            f"Bring {last.label} to the words of {first.label} first: a recipe of its own with "
            f"method: passthrough, base: {first.label} and tokenizer: {{source: base}}, named "
            "here as recipe:FILE.",
        )


def _about_words(first: Checkpoint, last: Checkpoint) -> tuple[str, ...]:
    """Return what is to be known where a model reads other words than it answers in."""
    ours, theirs = read_vocabulary(first.folder), read_vocabulary(last.folder)
    if ours is None or theirs is None or ours.is_like(theirs):
        return ()
    return (
        f"it reads the words of {first.label} and answers in those of {last.label}, whose "
        "tokenizers differ: take layers from models with one tokenizer.",
    )
