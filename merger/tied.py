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

    A pair is tied when the reference's config says so and the reference does not store the two
    apart, which is how transformers 5 loads it; where the config says nothing, when every model
    that stores both stores them equal.

    Args:
        models: The reference, then the experts.
        read_heads: Whether stored tensors may be read and compared.
    """
    said = _declared(models[0])
    if said is False:
        return {}
    found: dict[str, str] = {}
    for alias, origin in _candidates(models):
        asked = models[:1] if said else models
        apart = read_heads and any(has_own_head(model, alias, origin) for model in asked)
        if not apart and (said or read_heads):
            found[alias] = origin
    return found


def has_own_head(model: Checkpoint, head: str, origin: str) -> bool:
    """Return whether a model stores a head that differs from its embedding in any bit."""
    return head in model.tensors and not same_bits(model, head, origin)


def says_own_head(model: Checkpoint, head: str) -> bool:
    """Return whether a model stores a head, and its config says that it is not tied."""
    return head in model.tensors and _declared(model) is False


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


def same_bits(model: Checkpoint, one: str, other: str) -> bool:
    """Return whether two tensors of one shape and dtype hold the same numbers, bit by bit."""
    for start in range(0, model.tensors[one].numel, COMPARE):
        parts = (model.read(key, start, start + COMPARE) for key in (one, other))
        first, second = (part.contiguous().view(torch.uint8) for part in parts)
        if not torch.equal(first, second):
            return False
    return True
