"""Which tokenizer a merged model gets, and whether rows have to be moved for it."""

from collections.abc import Mapping, Sequence

from merger.chat_templates import choose_template
from merger.checkpoint import Checkpoint
from merger.errors import AlignmentError
from merger.layered import LayeredCheckpoint, models_in
from merger.matching import Matched, Matching, TokenizerPlan
from merger.recipe import Recipe
from merger.tokenizer_choice import TokenizerChoice
from merger.vocabulary import read_vocabulary, vocabulary_rows


def match_vocabularies(
    recipe: Recipe, base: Checkpoint | None, experts: Sequence[Checkpoint]
) -> Matched:
    """Bring every model's embedding to the tokenizer that the recipe asks for.

    Models that need no change come back as they are.

    Raises:
        AlignmentError: the recipe asks for what these models do not have.
    """
    choice = recipe.tokenizer
    if choice is None:
        return Matched(base, tuple(experts), TokenizerPlan())
    known = _known(recipe, base, experts)
    template = choose_template(choice, list(known.values()))
    if choice.source is None and not choice.tokens and choice.pad_to_multiple_of is None:
        return Matched(base, tuple(experts), TokenizerPlan(None, template))
    donor = _donor(choice, base if base is not None else experts[0], known)
    if _is_settled(choice, donor, list(known.values())):
        return Matched(base, tuple(experts), TokenizerPlan(donor, template))
    matched = Matching(choice, base, experts, known, donor).match()
    return matched._replace(tokenizer=matched.tokenizer._replace(template=template))


def _donor(
    choice: TokenizerChoice, reference: Checkpoint, known: Mapping[str, Checkpoint]
) -> Checkpoint:
    usual = choice.source in (None, "base", "union")
    donor = reference if usual else known.get(choice.source or "")
    if donor is None:
        raise AlignmentError(
            f"tokenizer: {(choice.source or '')[:120]} is none of the models that are merged.",
            "Name 'base', 'union', an expert or its source.",
        )
    if read_vocabulary(donor.folder) is None:
        raise AlignmentError(
            f"tokenizer: {donor.label} has no tokenizer to copy.", "Name another model."
        )
    return donor


def _is_settled(choice: TokenizerChoice, donor: Checkpoint, models: Sequence[Checkpoint]) -> bool:
    """Whether every model has the donor's words and rows, so that nothing is moved."""
    ours = read_vocabulary(donor.folder)
    rows = vocabulary_rows(donor)
    if choice.tokens or ours is None:
        return False
    pad = choice.pad_to_multiple_of
    if pad is not None and (rows is None or rows % pad):
        return False
    for model in models:
        theirs = read_vocabulary(model.folder)
        if vocabulary_rows(model) != rows or (theirs is not None and not theirs.is_like(ours)):
            return False
    return rows is None or ours.top < rows


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
