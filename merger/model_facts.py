"""What a model is, from its headers and config: one row of the doctor's table."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from merger.checkpoint import Checkpoint
from merger.matched import plain
from merger.places import count_layers
from merger.tied import heads_of
from merger.vocabulary import read_vocabulary, vocabulary_rows


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What one model is.

    Args:
        name: How the recipe calls it.
        architecture: What its config calls the model, "" where it does not say.
        layers: How many layers the names of its tensors number.
        parameters: Entries of all its tensors.
        bytes: What they take on disk.
        dtypes: How many entries are stored in which dtype, the most common first.
        rows: Rows of the embedding of tokens; None where none is known.
        tokens: Words of its tokenizer; None where it has none that says.
        tied: Whether it has no head of its own; None where it has no embedding of tokens.
    """

    name: str
    architecture: str
    layers: int
    parameters: int
    bytes: int
    dtypes: dict[str, int]
    rows: int | None
    tokens: int | None
    tied: bool | None

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def facts_of(name: str, model: Checkpoint) -> ModelFacts:
    """Return what a model is; only headers, config and tokenizer are read."""
    model = plain(model)
    config = model.config() or {}
    named = config.get("architectures")
    listed = named[0] if isinstance(named, list) and named else config.get("model_type")
    dtypes: Counter[str] = Counter()
    for info in model.tensors.values():
        dtypes[info.dtype] += info.numel
    rows, vocabulary = vocabulary_rows(model), read_vocabulary(model.folder)
    return ModelFacts(
        name=name,
        architecture=listed if isinstance(listed, str) else "",
        layers=count_layers(model.tensors),
        parameters=sum(dtypes.values()),
        bytes=sum(info.nbytes for info in model.tensors.values()),
        dtypes=dict(dtypes.most_common()),
        rows=rows,
        tokens=None if vocabulary is None or not vocabulary.ids else len(vocabulary.ids),
        tied=None if rows is None else not heads_of(model),
    )
