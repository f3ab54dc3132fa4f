"""`recipe:PATH`: what another recipe describes, merged tensor by tensor as it is read."""

from merger.checkpoint import Checkpoint
from merger.errors import RecipeError, SourceError
from merger.header import shown
from merger.recipe import Recipe
from merger.sources import Opening


def open_here(rest: str, opening: Opening) -> Checkpoint:
    """Open the models of another recipe, and hand their merge on as a model."""
    # The engine opens sources, so it can only be imported once this is asked for.
    from merger.merged import MergedCheckpoint  # noqa: PLC0415
    from merger.models import open_models  # noqa: PLC0415

    opening.refuse_step(f"recipe:{rest}")
    path = opening.path(rest)
    if not path.is_file():
        raise SourceError(f"{shown(str(path))} does not exist.", "Give the YAML file of a recipe.")
    models = open_models(
        Recipe.load(path),
        base_dir=opening.base_dir,
        roots=opening.roots,
        nesting=opening.nesting + 1,
        report=opening.report,
        cancel=opening.cancel,
        headers_only=opening.headers_only,
    )
    if models.plan.method.output == "per_task":
        raise RecipeError(
            f"{models.plan.method.title} gives one model per expert, and one is needed here.",
            "Merge it into a folder, and use one of the models there.",
        )
    return MergedCheckpoint(models, f"recipe {path.name}", opening.cancel)
