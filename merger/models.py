"""Open the models of a recipe, check that they fit, and decide what happens to each tensor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event

from merger.align import AlignReport, align
from merger.checkpoint import Checkpoint
from merger.companions import check_tokenizer
from merger.errors import AlignmentError
from merger.matching import TokenizerPlan
from merger.plan import Plan, plan
from merger.progress import Report
from merger.recipe import Recipe, source_key
from merger.sources import SourceRules, open_source
from merger.tokenizers import match_vocabularies


@dataclass(frozen=True, slots=True)
class Models:
    """The open models of a recipe and the plan for them.

    Args:
        recipe: The recipe with every setting filled in.
        base: The checkpoint that the experts were fine-tuned from.
        experts: One per expert of the recipe, in order.
        report: How they fit.
        plan: What happens to each tensor.
        digest: Names the result: recipe and weights.
        tokenizer: Whose tokenizer the result gets.
    """

    recipe: Recipe
    base: Checkpoint | None
    experts: tuple[Checkpoint, ...]
    report: AlignReport
    plan: Plan
    digest: str
    tokenizer: TokenizerPlan = TokenizerPlan()

    @property
    def reference(self) -> Checkpoint:
        """The model whose files and tensor names the result has."""
        return self.base if self.base is not None else self.experts[0]

    @property
    def all(self) -> tuple[Checkpoint, ...]:
        """The base, then the experts."""
        return self.experts if self.base is None else (self.base, *self.experts)

    def check_unchanged(self) -> None:
        """Raise SourceError if a model is not the one that was opened."""
        for model in self.all:
            model.check_unchanged()


def open_models(
    recipe: Recipe,
    *,
    base_dir: Path | None = None,
    roots: SourceRules | Sequence[Path] | None = None,
    nesting: int = 0,
    report: Report | None = None,
    cancel: Event | None = None,
    headers_only: bool = False,
) -> Models:
    """Open every model of a recipe; only headers are read.

    Args:
        recipe: What to open.
        base_dir: Folder that relative sources start from.
        roots: What a visitor may open; None opens everything.
        nesting: How many recipes this one is inside of.
        report: Told of bytes that have to be fetched first.
        cancel: Stops what is fetched.
        headers_only: Whether weights of the hub are left there; nothing can be merged then.

    Raises:
        RecipeError: A setting is not valid.
        SourceError: A model cannot be opened.
        AlignmentError: The models do not fit.
        FeedError: The method needs something that is not there.
    """
    recipe = recipe.resolved()
    open_here = partial(
        open_source, base_dir=base_dir, roots=roots, nesting=nesting, report=report,
        cancel=cancel, headers_only=headers_only,
    )  # fmt: skip
    base = None if recipe.base is None else open_here(recipe.base)
    experts = tuple(open_here(e.source, e.step, base=base) for e in recipe.experts)
    base, experts, tokenizer = match_vocabularies(recipe, base, experts)
    fits = align(base, experts, read_heads=not headers_only)
    fits.raise_if_bad()
    planned = plan(recipe, base, experts, fits)
    _check_taken(planned, base, experts)
    digest = recipe.digest(_content_ids(recipe, base, experts))
    models = Models(recipe, base, experts, fits, planned, digest, tokenizer)
    _check_complete(models)
    check_tokenizer(models.reference, experts, tokenizer)
    return models


def _content_ids(
    recipe: Recipe, base: Checkpoint | None, experts: Sequence[Checkpoint]
) -> Mapping[str, str]:
    ids = {
        source_key(expert): model.content_id()
        for expert, model in zip(recipe.experts, experts, strict=True)
    }
    if recipe.base is not None and base is not None:
        ids[recipe.base] = base.content_id()
    return ids


def _check_complete(models: Models) -> None:
    """Check that the result has the tensors of its base, each once, and no entry more or less."""
    planned = {tensor.key: tensor.shape for tensor in models.plan.tensors}
    planned |= {alias: planned[origin] for alias, origin in models.report.tied.items()}
    wanted = {key: tuple(info.shape) for key, info in models.reference.tensors.items()}
    odd = next(
        (key for key in sorted({*planned, *wanted}) if planned.get(key) != wanted.get(key)), None
    )
    if odd is not None:
        raise AlignmentError(
            f"{models.reference.label}: {odd} is {wanted.get(odd, 'missing')}, and would be "
            f"{planned.get(odd, 'missing')} in the result.",
            "This is a fault of the plan: report it with the recipe.",
        )


def _check_taken(planned: Plan, base: Checkpoint | None, experts: Sequence[Checkpoint]) -> None:
    """Check that every tensor that is copied is there, in its shape."""
    for tensor in planned.tensors:
        if tensor.source is None:
            continue
        model = experts[tensor.source] if tensor.source >= 0 else base
        info = model.tensors.get(tensor.key) if model is not None else None
        if info is None or info.shape != tensor.shape:
            label = model.label if model is not None else "the base"
            raise AlignmentError(
                f"rules: {tensor.key} is to be taken from {label}, which has no such tensor.",
                "Take it from the base, or leave the rule out.",
            )
