"""Write the files of a tokenizer that no model has: a union of words, or one with more tokens."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from merger.errors import AlignmentError
from merger.layout import read_json
from merger.vocabulary import TABLE

CONFIG = "tokenizer_config.json"
# Beside a new tokenizer.json these go on as they are; other files list the old tokens.
KEPT = ("special_tokens_map.json",)
# Their tokens are a table, so that a new one is a new row; Unigram's need a score.
TABLED = ("BPE", "WordPiece", "WordLevel")
PIPELINE = ("normalizer", "pre_tokenizer")
PLAIN_TOKEN = {
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": True,
    "special": False,
}


class MadeTokenizer(NamedTuple):
    """A tokenizer that is not any model's, and is yet to be written.

    Args:
        donor: The folder whose tokenizer it extends.
        others: Folders whose words it also has, in order.
        ids: The id of every token.
    """

    donor: Path
    others: tuple[Path, ...]
    ids: Mapping[str, int]

    def write(self, folder: Path) -> None:
        """Write tokenizer.json and what goes with it into a model folder.

        Raises:
            AlignmentError: tokenizers cannot give the tokens these ids.
        """
        table = made_table(self)
        text = json.dumps(table, ensure_ascii=False, indent=2) + "\n"
        _check_ids(text, self.ids, self.donor.name)
        (folder / TABLE).write_text(text, "utf-8", newline="\n")
        for name in (CONFIG, *KEPT):
            if (self.donor / name).is_file():
                settings = read_json(self.donor / name)
                if "added_tokens_decoder" in settings:
                    settings["added_tokens_decoder"] = _decoder(table["added_tokens"])
                text = json.dumps(settings, ensure_ascii=False, indent=2) + "\n"
                (folder / name).write_text(text, "utf-8", newline="\n")


def made_table(made: MadeTokenizer) -> dict[str, Any]:
    """Return tokenizer.json with every token of the union.

    Words that another tokenizer of the same kind has of its own become words of the model, with
    the merges that lead to them; all others become added tokens, which a text is searched for.
    """
    table = read_json(made.donor / TABLE)
    model, added = table["model"], list(table.get("added_tokens") or [])
    known = {e["content"] for e in added}
    before = _tokens_of(model) | known
    new = {token: i for token, i in made.ids.items() if token not in before}
    words: set[str] = set()
    for folder in made.others:
        other = read_json(folder / TABLE) if (folder / TABLE).is_file() else {}
        for entry in other.get("added_tokens") or []:
            if entry["content"] in new and entry["content"] not in known:
                added.append(entry | {"id": new[entry["content"]]})
                known.add(entry["content"])
        if _is_alike(table, other):
            own = _tokens_of(other["model"]) & set(new) - known
            words |= own
            _add_merges(model, other["model"], own, made.ids)
    added += [
        {"id": i, "content": token} | PLAIN_TOKEN
        for token, i in new.items()
        if token not in known and token not in words
    ]
    table["added_tokens"] = sorted(added, key=lambda entry: entry["id"])
    if words:
        # An added token gets the next free id unless the model has it as a word too.
        ids = {e["content"]: e["id"] for e in added} | {word: made.ids[word] for word in words}
        model["vocab"] |= dict(sorted(ids.items(), key=lambda pair: pair[1]))
    return table


def _tokens_of(model: Mapping[str, Any]) -> set[str]:
    words = model.get("vocab")
    if isinstance(words, list):
        return {row[0] for row in words}
    return set(words or ())


def _is_alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    mine, theirs = one["model"], other.get("model") or {}
    kind = mine.get("type")
    same = kind in TABLED and theirs.get("type") == kind
    prefix = "continuing_subword_prefix"
    return (
        same
        and mine.get(prefix) == theirs.get(prefix)
        and all(one.get(part) == other.get(part) for part in PIPELINE)
    )


def _add_merges(
    model: dict[str, Any], other: Mapping[str, Any], words: set[str], ids: Mapping[str, int]
) -> None:
    """Add the merges that make new words of words that are there, after those that are there."""
    prefix = model.get("continuing_subword_prefix") or ""
    found = []
    for merge in other.get("merges") or []:
        left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
        whole = left + right.removeprefix(prefix)
        if whole in words and left in ids and right in ids:
            found.append([left, right])
    mine = model.get("merges")
    if found and mine and isinstance(mine[0], str):
        mine[:] = [merge.split(" ", 1) for merge in mine]
    if found:
        model["merges"] = [*(mine or []), *(m for m in found if m not in (mine or []))]


def _decoder(added: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {str(e["id"]): {k: v for k, v in e.items() if k != "id"} for e in added}


def _check_ids(text: str, ids: Mapping[str, int], label: str) -> None:
    from tokenizers import Tokenizer  # noqa: PLC0415  (only a new tokenizer needs it)

    try:
        found = Tokenizer.from_str(text).get_vocab(with_added_tokens=True)
    except Exception as error:  # tokenizers raises nothing more exact
        raise _unmade(label, str(error)) from error
    wrong = next((t for t, i in ids.items() if found.get(t) != i), None)
    if wrong is not None:
        raise _unmade(label, f"{wrong!r} has the id {found.get(wrong)}, not {ids[wrong]}")


def _unmade(label: str, why: str) -> AlignmentError:
    return AlignmentError(
        f"tokenizer: the tokenizer of {label} cannot be given more tokens ({why[:200]}).",
        "Take the tokenizer of one of the models: tokenizer: {source: base}.",
    )
