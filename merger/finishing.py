"""Add what makes a folder of weights a model that others can load, check and judge."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from merger.card import Origin, model_card, origins_of
from merger.checksums import checksum
from merger.claim import output_errors
from merger.companions import copy_companions
from merger.errors import RecipeError
from merger.models import Models
from merger.storage import storage_sentence

CARD = "README.md"


def add_companions(folder: Path, models: Models) -> None:
    """Add config, tokenizer files and the recipe to a folder of weights."""
    recipe = models.recipe
    with output_errors(folder):
        copy_companions(
            models.reference, models.experts, folder, recipe.out_dtype, models.tokenizer
        )
        (folder / "recipe.yaml").write_text(recipe.to_yaml(), "utf-8", newline="\n")


def add_card(
    folder: Path,
    title: str,
    models: Models,
    known: Mapping[str, str],
    expert: str | None = None,
    scores: Mapping[str, Any] | None = None,
    device: str = "cpu",
) -> None:
    """Write the model card, with a checksum of every other file.

    Args:
        folder: Holds everything else already.
        title: Name of the merged model.
        models: What was merged.
        known: Checksums that are computed already, by file name.
        expert: Whose model this is, for methods with one model per expert.
        scores: What the merge scored, if anything.
        device: What kind of device computed it.
    """
    recipe, origins = models.recipe, origins_in(models)
    storage = storage_sentence(models.plan) if expert is not None else ""
    card = model_card(
        title, recipe, origins, models.digest,
        shares=expert, storage=storage, scores=scores, files=files_in(folder, known),
        device=device,
    )  # fmt: skip
    with output_errors(folder):
        (folder / CARD).write_text(card, "utf-8", newline="\n")


def origins_in(models: Models) -> list[Origin]:
    """Return what a card says about the models of a recipe: the base, then the experts."""
    origins: list[Origin] = []
    if models.base is not None:
        origins += origins_of("base", models.base.label, models.base, models.experts)
    for named, model in zip(models.recipe.experts, models.experts, strict=True):
        name = model.label if named.source.startswith("hub:") else named.name
        others = [other for other in models.all if other is not model]
        origins += origins_of("expert", name, model, others)
    return origins


def files_in(folder: Path, known: Mapping[str, str]) -> dict[str, tuple[int, str]]:
    """Return size and checksum of every file of a folder that others may see, but the card."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    return {
        path.name: (path.stat().st_size, known.get(path.name) or checksum(path))
        for path in paths
        if path.name != CARD and not path.name.startswith(".")
    }


def checked_scores(scores: Mapping[str, Any] | None, digest: str) -> None:
    """Check that scores are those of this very merge.

    Raises:
        RecipeError: they belong to another one.
    """
    if scores is not None and scores.get("digest") != digest:
        raise RecipeError(
            f"The scores are of the merge {str(scores.get('digest'))[:12]}, and this one is "
            f"{digest[:12]}.",
            "Score this very recipe with these very weights, or leave the scores out.",
        )
