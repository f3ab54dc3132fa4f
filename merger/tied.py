"""Find weights that share their numbers with others, such as a head and its embedding."""

from collections.abc import Sequence

from merger.checkpoint import Checkpoint
from merger.lazy import torch

# Output heads on the left; the embeddings that they may be tied to end in one of those below.
HEADS = (
    "lm_head.weight",
    "embed_out.weight",
    "cls.predictions.decoder.weight",
    "lm_head.decoder.weight",
    "vocab_projector.weight",
)
EMBEDDINGS = (
    "shared.weight",
    "embed_tokens.weight",
    "word_embeddings.weight",
    "wte.weight",
    "embed_in.weight",
    "embeddings.weight",
)
COMPARE = 1 << 22


def find_tied(models: Sequence[Checkpoint], *, read_heads: bool = True) -> dict[str, str]:
    """Return, for each tied name in any of the models, the name that it shares its numbers with.

    The reference comes first: what its config says decides for all. Where it says nothing, the
    pair is tied when every model that stores both stores them equal.

    Args:
        models: The reference, then the experts.
        read_heads: Whether stored tensors may be read and compared.
    """
    said = _declared(models[0])
    if said is False:
        return {}
    found: dict[str, str] = {}
    for alias, origin in _candidates(models):
        if said or (read_heads and all(_equal(model, alias, origin) for model in models)):
            found[alias] = origin
    return found


def has_own_head(model: Checkpoint, head: str, origin: str, *, read_heads: bool = True) -> bool:
    """Return whether a model says that its head is not tied, and stores one of its own."""
    if head not in model.tensors or _declared(model) is not False:
        return False
    return not (read_heads and _equal(model, head, origin))


def heads_of(model: Checkpoint) -> tuple[str, ...]:
    """Return the names of the output heads that a model stores."""
    return tuple(key for key in model.tensors if _ends(key, HEADS))


def _declared(model: Checkpoint) -> bool | None:
    config = model.config() or {}
    inner = config.get("text_config")
    for table in (config, inner if isinstance(inner, dict) else {}):
        if isinstance(table.get("tie_word_embeddings"), bool):
            return table["tie_word_embeddings"]
    return None


def _candidates(models: Sequence[Checkpoint]) -> list[tuple[str, str]]:
    """Return pairs (head, embedding) of which each model stores the embedding."""
    stored = sorted({key for model in models for key in model.tensors})
    heads = [key for key in stored if _ends(key, HEADS)]
    embeddings = [key for key in models[0].tensors if _ends(key, EMBEDDINGS)]
    embeddings.sort(key=lambda key: [_ends(key, [name]) for name in EMBEDDINGS].index(True))
    pairs = []
    for head in heads:
        for embedding in embeddings:
            if all(_fits(model, head, embedding) for model in models):
                pairs.append((head, embedding))
                break
    return pairs


def _ends(key: str, names: Sequence[str]) -> bool:
    return any(key == name or key.endswith("." + name) for name in names)


def _fits(model: Checkpoint, head: str, embedding: str) -> bool:
    one, other = model.tensors.get(head), model.tensors.get(embedding)
    if other is None or not other.is_float or len(other.shape) != 2:
        return False
    return one is None or (one.shape == other.shape and one.dtype == other.dtype)


def _equal(model: Checkpoint, alias: str, origin: str) -> bool:
    """Whether a model's head equals its embedding, bit by bit; one that is not stored does."""
    return alias not in model.tensors or same_bits(model, alias, origin)


def same_bits(model: Checkpoint, one: str, other: str) -> bool:
    """Return whether two tensors of one shape and dtype hold the same numbers, bit by bit."""
    for start in range(0, model.tensors[one].numel, COMPARE):
        parts = (model.read(key, start, start + COMPARE) for key in (one, other))
        first, second = (part.contiguous().view(torch.uint8) for part in parts)
        if not torch.equal(first, second):
            return False
    return True
