"""Ids of special tokens in a config, said again for another tokenizer."""

from collections.abc import Mapping
from typing import Any

from merger.checkpoint import Checkpoint
from merger.row_plan import Voice

SUFFIX = "_token_id"


def translated_config(
    reference: Checkpoint, voice: Voice, donor: Checkpoint, ids: Mapping[str, int]
) -> dict[str, Any]:
    """Return what a config must say of special tokens when another model's tokenizer is used.

    The donor's own config decides; where it is silent, the same tokens get their new ids.

    Args:
        reference: The model whose config the result has.
        voice: Its tokens.
        donor: The model whose tokenizer the result has.
        ids: The new vocabulary.
    """
    if donor is reference:
        return {}
    ours, theirs = reference.config() or {}, donor.config() or {}
    tokens = {i: token for token, i in voice.vocabulary.ids.items()}

    def again(value: Any) -> Any:
        if isinstance(value, list):
            return [again(one) for one in value]
        return ids.get(tokens.get(value, ""), value) if type(value) is int else value

    said = {
        key: theirs.get(key, again(value)) for key, value in ours.items() if key.endswith(SUFFIX)
    }
    return {key: value for key, value in said.items() if value != ours[key]}
