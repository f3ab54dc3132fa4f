"""Bring the rows of several models to the words of one tokenizer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from merger.checkpoint import Checkpoint
from merger.errors import AlignmentError
from merger.header import shown
from merger.layered import models_in
from merger.matched import MatchedCheckpoint
from merger.row_plan import RowPlan, Voice, plan_rows, union_of
from merger.special_ids import translated_config
from merger.tokenizer_choice import TokenizerChoice
from merger.tokenizer_files import MadeTokenizer
from merger.vocabulary import TABLE, read_vocabulary, vocabulary_rows

SAVE = "Save its tokenizer with a newer transformers, which writes tokenizer.json."


class TokenizerPlan(NamedTuple):
    """What is written beside the weights.

    Args:
        donor: The model whose tokenizer files are copied; None for the usual one.
        template: A chat template to write in place of the donor's.
        made: The tokenizer to write where it is no model's.
        settings: The model whose generation settings go with the tokenizer, if not the usual one.
        notes: What is to be known about the rows, in sentences.
    """

    donor: Checkpoint | None = None
    template: str | None = None
    made: MadeTokenizer | None = None
    settings: Checkpoint | None = None
    notes: tuple[str, ...] = ()


class Matched(NamedTuple):
    """Models whose embeddings have one row per token of one vocabulary.

    Args:
        base: The base, if any.
        experts: The experts, in order.
        tokenizer: What is written beside the weights.
    """

    base: Checkpoint | None
    experts: tuple[Checkpoint, ...]
    tokenizer: TokenizerPlan


class Matching:
    """The models of one recipe on their way to one vocabulary.

    Args:
        choice: What the recipe says about the tokenizer.
        base: The base, if any.
        experts: The experts, in order.
        known: The models by the names that the recipe may use.
        donor: Whose tokenizer is copied, or extended.
    """

    def __init__(
        self,
        choice: TokenizerChoice,
        base: Checkpoint | None,
        experts: Sequence[Checkpoint],
        known: Mapping[str, Checkpoint],
        donor: Checkpoint,
    ) -> None:
        self.choice = choice
        self.base = base
        self.models = [*([] if base is None else [base]), *experts]
        self.donor = donor
        places = {id(model): index for index, model in reversed(list(enumerate(self.models)))}
        self.named = {n: places[id(m)] for n, m in known.items() if id(m) in places}
        self.named.setdefault("base", 0)
        if id(donor) not in places:
            raise AlignmentError(
                f"tokenizer: the words of {donor.label} differ from those of other models, and "
                "only some of its layers are taken.",
                "Name one of the recipe's models, or make all tokenizers the same.",
            )
        self.place = places[id(donor)]
        self.voices = [self._voice(model) for model in self.models]

    def _voice(self, model: Checkpoint) -> Voice:
        rows = vocabulary_rows(model)
        if rows is None:
            raise AlignmentError(
                f"tokenizer: {model.label} has no embedding of tokens that is known.",
                "Take 'tokenizer' out of the recipe.",
            )
        self._check_layers(model)
        found = read_vocabulary(model.folder)
        if found is None:
            # As a model saved without its tokenizer mostly is: the reference's words.
            found = read_vocabulary(self.models[0].folder)
            if found is None or rows != vocabulary_rows(self.models[0]):
                raise AlignmentError(
                    f"tokenizer: {model.label} has no tokenizer, so nobody knows its "
                    f"{rows:,} rows.",
                    "Put its tokenizer.json into its folder.",
                )
        if not found.ids:
            raise AlignmentError(
                f"tokenizer: the files of {model.label} do not say which token has which row.",
                SAVE,
            )
        return Voice(model.label, found, rows)

    def _check_layers(self, model: Checkpoint) -> None:
        parts = models_in(model)
        ours = read_vocabulary(parts[0].folder)
        for part in parts[1:]:
            theirs = read_vocabulary(part.folder)
            if ours is not None and theirs is not None and not theirs.is_like(ours):
                raise AlignmentError(
                    f"tokenizer: {parts[0].label} and {part.label} are parts of one model and "
                    "have different words.",
                    "Take layers from models with one tokenizer.",
                )

    def match(self) -> Matched:
        """Return the models with their rows in place."""
        ids = dict(self.voices[self.place].vocabulary.ids)
        if self.choice.source == "union":
            ids = union_of(self.voices)
        extended = len(ids) != len(self.voices[self.place].vocabulary.ids)
        after = max(ids.values(), default=-1) + 1
        for token in self.choice.tokens:
            if token not in ids:
                ids[token] = after
                after, extended = after + 1, True
        plan = plan_rows(
            self.voices, ids, self.place, self.choice.tokens, self.named,
            has_base=self.base is not None, pad=self.choice.pad_to_multiple_of,
        )  # fmt: skip
        moved = translated_config(self.models[0], self.voices[0], self.donor, ids)
        matched = [self._matched(index, plan, moved) for index in range(len(self.models))]
        tokenizer = TokenizerPlan(
            self.donor,
            made=self._made(ids) if extended else None,
            settings=None if self.donor is self.models[0] else self.donor,
            notes=tuple(self._notes(ids, plan.rows)),
        )
        base = None if self.base is None else matched[0]
        return Matched(base, tuple(matched[len(matched) - self._n :]), tokenizer)

    @property
    def _n(self) -> int:
        return len(self.models) - (self.base is not None)

    def _matched(self, index: int, plan: RowPlan, moved: Mapping[str, Any]) -> Checkpoint:
        if plan.is_same(index, self.voices[index].rows) and not (index == 0 and moved):
            return self.models[index]
        voice = self.donor.folder
        config = moved if index == 0 else None
        return MatchedCheckpoint(self.models, index, 0, plan, config, voice)

    def _made(self, ids: Mapping[str, int]) -> MadeTokenizer:
        folder = self.donor.folder
        if folder is None or not (folder / TABLE).is_file():
            raise AlignmentError(
                f"tokenizer: {self.donor.label} has no tokenizer.json to add tokens to.", SAVE
            )
        others = [m.folder for m in self.models if m.folder is not None and m is not self.donor]
        return MadeTokenizer(folder, tuple(dict.fromkeys(others)), ids)

    def _notes(self, ids: Mapping[str, int], rows: int) -> Iterator[str]:
        before = self.voices[self.place]
        new = [token for token in ids if token not in before.vocabulary.ids]
        if new:
            yield (
                f"the result has {len(new):,} tokens that {before.label} does not have: "
                f"{_listed(new)}."
            )
        if rows != self.voices[0].rows:
            here = self.voices[0]
            yield f"the embedding has {rows:,} rows, that of {here.label} {here.rows:,}."
        for voice in self.voices:
            lost = [token for token in voice.vocabulary.ids if token not in ids]
            if lost:
                yield (
                    f"{len(lost):,} tokens of {voice.label} are not in the result: "
                    f"{_listed(lost)}."
                )


def _listed(tokens: Sequence[str]) -> str:
    more = f" and {len(tokens) - 5:,} more" if len(tokens) > 5 else ""
    return ", ".join(shown(token) for token in tokens[:5]) + more


def check_ids(reference: Checkpoint, ids: Mapping[str, int]) -> None:
    """Refuse a tokenizer that gives ids for which the embedding has no row.

    Raises:
        AlignmentError: which token, which id, and how many rows there are.
    """
    rows, top = vocabulary_rows(reference), max(ids.values(), default=-1)
    if rows is None or top < rows:
        return
    token = next(token for token, number in ids.items() if number == top)
    raise AlignmentError(
        f"{reference.label}: the tokenizer gives {shown(token)} the id {top:,}, and the "
        f"embedding has {rows:,} rows.",
        "Give it rows for all tokens: tokenizer: {source: base} in the recipe.",
    )
