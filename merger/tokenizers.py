"""Which model's tokenizer a merged model gets, and why not where that is not built."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from merger.checkpoint import Checkpoint
from merger.errors import AlignmentError
from merger.layered import LayeredCheckpoint, models_in
from merger.layout import read_json
from merger.recipe import Recipe
from merger.tied import EMBEDDINGS
from merger.tokenizer_choice import TokenizerChoice

# Tokenizers that are no tokenizer.json are compared byte for byte.
OTHERS = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.json", "vocab.txt")
UNEQUAL = "Give all models one vocabulary, or take 'tokenizer' out of the recipe."


class TokenizerPlan(NamedTuple):
    """What is written beside the weights.

    Args:
        donor: The model whose tokenizer files are copied; None for the usual one.
        template: A chat template to write in place of the donor's.
    """

    donor: Checkpoint | None = None
    template: str | None = None


def plan_tokenizer(
    recipe: Recipe, base: Checkpoint | None, experts: Sequence[Checkpoint]
) -> TokenizerPlan:
    """Decide whose tokenizer the merged model gets.

    Raises:
        AlignmentError: the recipe asks for what is not built, such as a union of vocabularies
            that differ.
    """
    choice = recipe.tokenizer
    if choice is None:
        return TokenizerPlan()
    if choice.tokens:
        raise _unbuilt(f"embeddings of single tokens ({next(iter(choice.tokens))[:40]!r})")
    reference = base if base is not None else experts[0]
    known = _known(recipe, base, experts)
    donor = None
    if choice.source is not None:
        donor = reference if choice.source in ("base", "union") else known.get(choice.source)
        if donor is None:
            raise AlignmentError(
                f"tokenizer: {choice.source[:120]} is none of the models that are merged.",
                "Name 'base', 'union', an expert or its source.",
            )
        _check_equal(donor, known.values(), choice.source)
    _check_rows(choice, reference)
    return TokenizerPlan(donor, _template(choice, list(known.values())))


def _known(
    recipe: Recipe, base: Checkpoint | None, experts: Sequence[Checkpoint]
) -> dict[str, Checkpoint]:
    """Return every model of a recipe by its source and its name, those in layers too."""
    named = [] if base is None or recipe.base is None else [(recipe.base, "base", base)]
    named += [(e.source, e.name, m) for e, m in zip(recipe.experts, experts, strict=True)]
    found: dict[str, Checkpoint] = {}
    for source, name, model in named:
        if isinstance(model, LayeredCheckpoint):
            for run, part in zip(
                dict.fromkeys(run.source for run in model.runs), models_in(model), strict=True
            ):
                found.setdefault(run, part)
        found.setdefault(source, model)
        found.setdefault(name, model)
    return found


def _check_equal(donor: Checkpoint, models: Any, source: str) -> None:
    ours = vocabulary_of(donor.folder)
    if ours is None:
        raise AlignmentError(
            f"tokenizer: {donor.label} has no tokenizer to copy.", "Name another model."
        )
    for model in models:
        theirs = vocabulary_of(model.folder)
        if theirs is not None and theirs != ours:
            what = "a union of vocabularies" if source == "union" else "another vocabulary"
            raise _unbuilt(f"{what} that differ ({donor.label} and {model.label})")


def _check_rows(choice: TokenizerChoice, reference: Checkpoint) -> None:
    pad = choice.pad_to_multiple_of
    rows = [
        info.shape[0]
        for key, info in reference.tensors.items()
        if len(info.shape) == 2 and key.endswith(EMBEDDINGS)
    ]
    if pad is not None and (not rows or rows[0] % pad):
        has = f"{rows[0]:,} rows" if rows else "no embedding that is known"
        raise _unbuilt(f"padding to a multiple of {pad} (there are {has})")


def _template(choice: TokenizerChoice, models: Sequence[Checkpoint]) -> str | None:
    text = choice.chat_template
    if text is None:
        return None
    if text == "auto":
        distinct = {id(model): model for model in models}.values()
        found = [t for model in distinct if (t := template_of(model.folder)) is not None]
        # The first of those that are equally common: the base's, then the experts' in order.
        return Counter(found).most_common(1)[0][0] if found else None
    if "{" not in text or len(text) < 20:
        raise AlignmentError(
            f"tokenizer: the chat template {text[:40]!r} is not here; mergekit has some under "
            "such names.",
            "Write the template itself, in Jinja, or auto.",
        )
    return text


def vocabulary_of(folder: Path | None) -> Any:
    """Return what identifies the vocabulary of a model folder; None where there is none."""
    if folder is None:
        return None
    if (folder / "tokenizer.json").is_file():
        return _vocabulary(read_json(folder / "tokenizer.json"))
    found = {name: (folder / name).read_bytes() for name in OTHERS if (folder / name).is_file()}
    return found or None


def _vocabulary(table: Mapping[str, Any]) -> dict[str, Any]:
    model = table.get("model")
    words = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(words, list):
        words = {row[0]: i for i, row in enumerate(words) if isinstance(row, list) and row}
    found: dict[str, Any] = dict(words) if isinstance(words, dict) else {}
    for token in table.get("added_tokens") or []:
        if isinstance(token, dict) and isinstance(token.get("content"), str):
            found[token["content"]] = token.get("id")
    return found


def template_of(folder: Path | None) -> str | None:
    """Return the chat template of a model folder."""
    if folder is None:
        return None
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text("utf-8").strip() or None
    if not (folder / "tokenizer_config.json").is_file():
        return None
    found = read_json(folder / "tokenizer_config.json").get("chat_template")
    if isinstance(found, list):
        named = {t.get("name"): t.get("template") for t in found if isinstance(t, dict)}
        found = named.get("default")
    return found.strip() if isinstance(found, str) and found.strip() else None


def _unbuilt(what: str) -> AlignmentError:
    return AlignmentError(f"tokenizer: {what} cannot be made here.", UNEQUAL)
