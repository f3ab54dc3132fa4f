"""Which row of which model stands for each token of a new vocabulary.

The rules are mergekit's: a model keeps the row of a token that it knows; for one that it does
not know it gets the base's row, else the only owner's, else the owners' mean, and zeros where
nobody knows it.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from merger.errors import AlignmentError
from merger.header import shown
from merger.tokenizer_choice import Token
from merger.vocabulary import Vocabulary

# In the place of a model's own row: what is listed in `fills`, or the mean of all tokens' rows.
FILL, MEAN = -1, -2


class Voice(NamedTuple):
    """What a model calls its tokens.

    Args:
        label: How to call the model in messages.
        vocabulary: Its tokens.
        rows: Rows of its embedding.
    """

    label: str
    vocabulary: Vocabulary
    rows: int

    def row_of(self, token: str) -> int | None:
        """Return the row of a token, None where the model has none for it."""
        row = self.vocabulary.ids.get(token)
        return row if row is not None and row < self.rows else None


class Row(NamedTuple):
    """One row of one of the models."""

    model: int
    row: int


class RowPlan(NamedTuple):
    """Where each row of the new embeddings comes from.

    Args:
        rows: How many rows there will be.
        tokens: The ids that stand for a token, in order.
        own: For each model, for each new row: its own old row, or FILL or MEAN.
        fills: By new row, the rows whose mean it is; none gives zeros.
    """

    rows: int
    tokens: array[int]
    own: tuple[array[int], ...]
    fills: Mapping[int, tuple[Row, ...]]

    def is_same(self, model: int, rows: int) -> bool:
        """Whether a model with so many rows keeps each where it is."""
        return self.rows == rows and all(i == row for i, row in enumerate(self.own[model]))


def union_of(voices: Sequence[Voice]) -> dict[str, int]:
    """Return the first model's ids, and after them the others' new tokens in order."""
    ids = dict(voices[0].vocabulary.ids)
    after = voices[0].vocabulary.top + 1
    for voice in voices[1:]:
        for token in voice.vocabulary.ids:
            if token not in ids and voice.row_of(token) is not None:
                ids[token] = after
                after += 1
    return ids


def plan_rows(
    voices: Sequence[Voice],
    ids: Mapping[str, int],
    donor: int,
    tokens: Mapping[str, Token],
    named: Mapping[str, int],
    *,
    has_base: bool,
    pad: int | None,
) -> RowPlan:
    """Decide where each row comes from.

    Args:
        voices: The models: the base first where there is one.
        ids: The new vocabulary.
        donor: Whose rows beyond the vocabulary are kept.
        tokens: What the recipe says of single tokens.
        named: The models by the names that `tokens` may use.
        has_base: Whether the first model is a base.
        pad: What the number of rows is made a multiple of.
    Raises:
        AlignmentError: a token is to be taken from where it is not.
    """
    rows = max(voices[donor].rows, max(ids.values(), default=-1) + 1)
    rows += -rows % (pad or 1)
    spare = sorted(set(range(rows)) - set(ids.values()))
    own = [_own_rows(voice, ids, rows) for voice in voices]
    lacking = {new for mine in own for new in ids.values() if mine[new] == FILL}
    fills: dict[int, tuple[Row, ...]] = {}
    for token, new in ids.items():
        said = tokens.get(token)
        if new not in lacking and said is None:
            continue
        owners = [voice.row_of(token) for voice in voices]
        # A wrong name must not pass because every model happens to know the token.
        fill = _fill(token, said, voices, owners, named, has_base)
        if said is not None and said.force:
            for mine in own:
                mine[new] = FILL
        if (said is not None and said.force) or None in owners:
            fills[new] = fill
    taken = [set(voice.vocabulary.ids.values()) for voice in voices]
    for new in spare:
        kept = new < voices[donor].rows
        for voice, mine, known in zip(voices, own, taken, strict=True):
            is_spare = kept and new < voice.rows and new not in known
            mine[new] = new if is_spare else FILL if kept else MEAN
        if kept:
            fills[new] = (Row(donor, new),)
    return RowPlan(rows, array("q", sorted(set(ids.values()))), tuple(own), fills)


def _own_rows(voice: Voice, ids: Mapping[str, int], rows: int) -> array[int]:
    """Return for each new row the model's own row of its token, FILL where it has none."""
    mine, there = array("q", [FILL]) * rows, voice.vocabulary.ids
    for token, new in ids.items():
        row = there.get(token, FILL)
        if row < voice.rows:
            mine[new] = row
    return mine


def _fill(
    token: str,
    said: Token | None,
    voices: Sequence[Voice],
    owners: Sequence[int | None],
    named: Mapping[str, int],
    has_base: bool,
) -> tuple[Row, ...]:
    if said is not None and said.source == "zero":
        return ()
    if said is not None and said.source is not None:
        return (_said(token, said, voices, named),)
    found = [Row(model, row) for model, row in enumerate(owners) if row is not None]
    if has_base and owners[0] is not None:
        return (Row(0, owners[0]),)
    return tuple(found)


def _said(token: str, said: Token, voices: Sequence[Voice], named: Mapping[str, int]) -> Row:
    where = f"tokenizer: tokens: {shown(token)}"
    model = named.get(said.source or "")
    if model is None:
        raise AlignmentError(
            f"{where}: {(said.source or '')[:120]} is none of the models that are merged.",
            "Name 'base', 'zero', an expert or its source.",
        )
    voice = voices[model]
    if said.token_id is not None:
        if not 0 <= said.token_id < voice.rows:
            raise AlignmentError(
                f"{where}: {voice.label} has rows 0 to {voice.rows - 1:,}, got {said.token_id}.",
                "Give one of its rows, or the token.",
            )
        return Row(model, said.token_id)
    wanted = token if said.token is None else said.token
    row = voice.row_of(wanted)
    if row is None:
        raise AlignmentError(
            f"{where}: {voice.label} has no row for {shown(wanted)}.",
            "Name a model that knows it, or a token that this one knows.",
        )
    return Row(model, row)
