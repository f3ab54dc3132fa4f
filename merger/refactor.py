"""Write a merge as a LoRA adapter: the change of each matrix as two thin factors."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from merger.adapter import CONFIG, WEIGHTS
from merger.card import model_card
from merger.checkpoint import Checkpoint
from merger.claim import Claim, output_errors
from merger.compute import Prepared, prepare
from merger.energy_page import write_energy
from merger.engine import check_inputs_stay
from merger.errors import FeedError, MergeError, RecipeError
from merger.factors import AdapterReport, Factors, adapters_of
from merger.finishing import CARD, files_in, origins_in
from merger.lazy import Tensor
from merger.matched import plain
from merger.models import Models, open_models
from merger.plan import Plan, TensorPlan
from merger.progress import Progress, Report, check_cancel
from merger.recipe import Expert, Recipe, Rule
from merger.recipe_schema import default_name
from merger.sources import SourceRules


def merge_to_adapter(
    recipe: Recipe,
    out: str | Path,
    rank: int | None,
    *,
    energy: float | None = None,
    force: bool = False,
    report: Report | None = None,
    cancel: Event | None = None,
    base_dir: Path | None = None,
    roots: SourceRules | Sequence[Path] | None = None,
) -> AdapterReport:
    """Merge, and write what changed as a LoRA adapter of the base that PEFT loads.

    Δ ≈ B A with A = √S Vᵀ and B = U √S of the `rank` strongest directions; alpha is the rank, so
    that nothing scales the product.

    Args:
        recipe: What to merge, and how; it needs a base.
        out: The folder to write.
        rank: Most directions a matrix may have; what has fewer is stored with fewer. None for
            as many as the energy takes.
        energy: Share of the squared length of each matrix's change that must be kept, 0 to 1.
        force: Replace what an earlier merge wrote there.
        report: Told of entries done.
        cancel: Stops the merge.
        base_dir: Folder that relative sources start from.
        roots: What a visitor may open; None opens everything.
    """
    _check_size(rank, energy)
    models = open_models(recipe, base_dir=base_dir, roots=roots, report=report, cancel=cancel)
    check_adaptable(models.base, models.plan)
    check_inputs_stay(models, Path(out))
    claim = Claim(Path(out), models.digest[:8], force=force)
    try:
        prepared = prepare(models.plan, models.base, models.experts, cancel=cancel)
        made = Factors(models, rank, energy)
        for tensor, change in changes_of(prepared, report, cancel):
            made.add(tensor, change)
        models.check_unchanged()
        if not made.tensors:
            raise MergeError("Nothing changes, so there is no adapter to write.")
        made.finish()
        _write(claim.folder, claim.target.name, models, made)
        return made.report(claim.commit())
    except BaseException:
        claim.abandon()
        raise


def extract(
    model: str,
    base: str,
    out: str | Path,
    rank: int | None = None,
    *,
    leave_out: Sequence[str] = (),
    **options: Any,
) -> AdapterReport:
    """Write what a fine-tuned model changed of its base as a LoRA adapter.

    Args:
        model: Source of the model.
        base: Source of what it was tuned from.
        out: The folder to write.
        rank: Most directions a matrix may have; None for as many as the energy takes.
        leave_out: Globs of tensors that stay as the base has them.
        options: As `merge_to_adapter` takes them, and `out_dtype`, what the factors are rounded
            to: float32 when left out.
    """
    dtype = options.pop("out_dtype", None)
    recipe = Recipe(
        "task_arithmetic",
        (Expert(model, default_name(model)),),
        base,
        params={"scale": 1.0},
        rules=tuple(Rule(glob, take="base") for glob in leave_out),
        out_dtype=dtype,
    )
    return merge_to_adapter(recipe, out, rank, **options)


def _check_size(rank: int | None, energy: float | None) -> None:
    if rank is not None and rank < 1:
        raise RecipeError(f"The rank of an adapter must be at least 1, got {rank}.")
    if energy is not None and not 0 < energy <= 1:
        raise RecipeError(f"The energy to keep must be above 0 and at most 1, got {energy}.")
    if rank is None and energy is None:
        raise RecipeError("An adapter needs a rank or an energy to keep.", "Give one of them.")


def check_adaptable(base: Checkpoint | None, planned: Plan) -> None:
    """Raise an error if an adapter cannot stand for what is planned."""
    if base is None:
        raise FeedError("An adapter needs a base model, and none is chosen.", "Set base.")
    if plain(base) is not base:
        raise RecipeError(
            "The tokenizer of the recipe moves rows of the embedding, and an adapter cannot.",
            "Merge into a model folder instead.",
        )
    if planned.method.output == "per_task":
        raise RecipeError(
            f"{planned.method.title} gives one model per expert, and an adapter holds one.",
            "Merge into model folders instead.",
        )


def changes_of(
    prepared: Prepared, report: Report | None = None, cancel: Event | None = None
) -> Iterator[tuple[TensorPlan, Tensor]]:
    """Yield the tensors that change, and by how much."""
    done, total = 0, sum(tensor.numel for tensor in prepared.plan.tensors)
    for tensor in prepared.plan.tensors:
        check_cancel(cancel)
        if tensor.action != "copy" and tensor.numel:
            change = prepared.change(tensor.key)
            if change.any():
                yield tensor, change.reshape(tensor.shape)
        done += tensor.numel
        if report is not None:
            report(Progress(done, total, "values", tensor.key))


def _write(folder: Path, title: str, models: Models, made: Factors) -> None:
    from safetensors.torch import save_file  # noqa: PLC0415  (imports torch)

    recipe = models.recipe
    origins = origins_in(models)
    with output_errors(folder):
        save_file(made.tensors, folder / WEIGHTS, metadata={"format": "pt"})
        text = json.dumps(_config(models, made), indent=2, ensure_ascii=False)
        (folder / CONFIG).write_text(text + "\n", "utf-8", newline="\n")
        (folder / "recipe.yaml").write_text(recipe.to_yaml(), "utf-8", newline="\n")
        write_energy(folder, title, made.curve())
        words = _in_words(made)
        files = files_in(folder, {})
        card = model_card(title, recipe, origins, models.digest, files=files, adapter=words)
        (folder / CARD).write_text(card, "utf-8", newline="\n")


def _in_words(made: Factors) -> str:
    report = made.report(Path())
    whole = f" {len(report.whole)} tensors are stored whole." if report.whole else ""
    return (
        f"A LoRA adapter for the base: what changed in {len(report.fits)} matrices, in at most "
        f"{report.rank} directions each. {report.error:.2%} of the change's length is lost.{whole}"
    )


def _config(models: Models, made: Factors) -> Mapping[str, Any]:
    """Return adapter_config.json: alpha is each module's rank, so that its product is unscaled."""
    rank = max(made.modules.values(), default=1)
    others = {module: own for module, own in made.modules.items() if own != rank}
    named = [adapter.base_name for adapter in adapters_of(models.experts) if adapter.base_name]
    assert models.base is not None
    tasks = {adapter.task for adapter in adapters_of(models.experts)}
    return {
        "peft_type": "LORA",
        "task_type": tasks.pop() if len(tasks) == 1 else None,
        "base_model_name_or_path": named[0] if named else models.base.label,
        "r": rank,
        "lora_alpha": rank,
        "rank_pattern": others,
        "alpha_pattern": others,
        "target_modules": sorted(made.modules),
        "modules_to_save": sorted(made.saved) or None,
        "fan_in_fan_out": made.turned,
        "use_rslora": False,
        "lora_dropout": 0.0,
        "bias": "all" if made.biases else "none",
        "init_lora_weights": True,
        "inference_mode": True,
    }
