"""How models differ in what they read and write: words, templates, ends, ways to generate."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from merger.align import Problem
from merger.chat_templates import template_of
from merger.checkpoint import Checkpoint
from merger.errors import SourceError
from merger.header import shown
from merger.layout import read_json
from merger.matched import plain
from merger.vocabulary import read_vocabulary, vocabulary_rows

SPECIALS = ("bos_token", "eos_token", "pad_token")
UNTOLD = ("transformers_version", "_from_model_config", "eos_token_id", "bos_token_id")
NAMED = 3
MODULES = "modules.json"


def speech_notes(
    reference: Checkpoint, experts: Sequence[Checkpoint], *, is_chosen: bool
) -> list[Problem]:
    """Return what an expert reads or writes otherwise than the reference.

    Args:
        reference: The model whose files the result has, the base by preference.
        experts: The experts, in order.
        is_chosen: Whether the recipe says which words the result has.
    """
    here = plain(reference)
    found = [*_pooling(here)]
    for expert in map(plain, experts):
        if expert is here or expert.folder == here.folder:
            continue
        if not is_chosen:
            found += _words(here, expert)
        found += [*_template(here, expert), *_specials(here, expert), *_generation(here, expert)]
    return found


def _pooling(reference: Checkpoint) -> Iterator[Problem]:
    if reference.folder is not None and (reference.folder / MODULES).is_file():
        what = (
            "it is a model of sentence-transformers, and what this does with the model's answers "
            "(pooling, scaling) is not copied."
        )
        remedy = f"Copy {MODULES} and the folders that it names into the result."
        yield Problem("note", what, reference.label, remedy)


def words_differ(models: Sequence[Checkpoint]) -> bool:
    """Whether a row stands for another word in some of these models, or a word has no row."""
    found = [(read_vocabulary(m.folder), vocabulary_rows(m)) for m in map(plain, models)]
    (words, rows), *others = found
    if words is not None and rows is not None and words.top >= rows:
        return True
    return any(
        own != rows or (words is not None and theirs is not None and not theirs.is_like(words))
        for theirs, own in others
    )


def _words(reference: Checkpoint, expert: Checkpoint) -> Iterator[Problem]:
    ours, theirs = read_vocabulary(reference.folder), read_vocabulary(expert.folder)
    if ours is None or theirs is None or ours.is_like(theirs):
        return
    rows = vocabulary_rows(reference), vocabulary_rows(expert)
    remedy = (
        "Rows are merged by their number. With tokenizer: {source: union} in the recipe they are "
        "merged by their word."
    )
    if ours.mark or theirs.mark:
        what = f"its tokenizer is another one than that of {reference.label}."
        yield Problem("note", what, expert.label, remedy)
        return
    mine = {i: token for token, i in ours.ids.items()}
    other = {i: token for token, i in theirs.ids.items()}
    odd = [i for i in sorted({*mine, *other}) if mine.get(i) != other.get(i)]
    if not odd or rows[0] != rows[1]:
        return  # unequal rows are an error of their own
    listed = "; ".join(
        f"row {i:,} is {_quoted(other.get(i))} here and {_quoted(mine.get(i))} there"
        for i in odd[:NAMED]
    )
    more = f"; and {len(odd) - NAMED:,} more" if len(odd) > NAMED else ""
    count = f"{len(odd):,} token{'s' * (len(odd) != 1)}"
    what = f"{count} differ{'s' * (len(odd) == 1)} from {reference.label}: {listed}{more}."
    yield Problem("note", what, expert.label, remedy)


def _quoted(token: str | None) -> str:
    return "nothing" if token is None else f"“{shown(token)}”"


def _template(reference: Checkpoint, expert: Checkpoint) -> Iterator[Problem]:
    ours, theirs = template_of(reference.folder), template_of(expert.folder)
    if theirs is None or ours == theirs:
        return
    what = (
        f"it has a chat template, and {reference.label} has none."
        if ours is None
        else f"its chat template is another one than that of {reference.label}."
    )
    remedy = (
        "The result keeps what the base has; tokenizer: {chat_template: auto} takes the one that "
        "most models have."
    )
    yield Problem("note", what, expert.label, remedy)


def _specials(reference: Checkpoint, expert: Checkpoint) -> Iterator[Problem]:
    ours, theirs = _special_tokens(reference), _special_tokens(expert)
    odd = [
        f"{name} is {shown(theirs[name])} here and {shown(ours[name])} there"
        for name in sorted({*ours} & {*theirs})
        if ours[name] != theirs[name]
    ]
    if odd:
        remedy = (
            f"The result keeps those of {reference.label}: check that it still stops where a text "
            "ends."
        )
        yield Problem("note", f"{'; '.join(odd)}.", expert.label, remedy)


def _special_tokens(model: Checkpoint) -> dict[str, Any]:
    """Return what a model calls the beginning, the end and padding, by id and by name."""
    config = model.config() or {}
    made = _table(model.folder, "generation_config.json")
    found: dict[str, Any] = {
        f"{name}_id": made.get(f"{name}_id", config.get(f"{name}_id")) for name in SPECIALS
    }
    table = _table(model.folder, "tokenizer_config.json")
    for name in SPECIALS:
        value = table.get(name)
        found[name] = value.get("content") if isinstance(value, dict) else value
    return {name: value for name, value in found.items() if value is not None}


def _generation(reference: Checkpoint, expert: Checkpoint) -> Iterator[Problem]:
    ours, theirs = (_table(m.folder, "generation_config.json") for m in (reference, expert))
    odd = [
        f"{key} is {shown(theirs.get(key, 'not set'))} here and {shown(ours.get(key, 'not set'))} "
        "there"
        for key in sorted({*ours, *theirs})
        if ours.get(key) != theirs.get(key) and not key.endswith("_token_id") and key not in UNTOLD
    ]
    if odd and ours and theirs:
        more = f"; and {len(odd) - NAMED} more" if len(odd) > NAMED else ""
        what = f"it generates otherwise: {'; '.join(odd[:NAMED])}{more}."
        yield Problem("note", what, expert.label, f"The result keeps what {reference.label} says.")


def _table(folder: Path | None, name: str) -> Mapping[str, Any]:
    if folder is None or not (folder / name).is_file():
        return {}
    try:
        return read_json(folder / name)
    except SourceError:
        return {}
