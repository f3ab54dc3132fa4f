"""Merge models: open, align, plan, then stream blocks from the inputs into a new model folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from merger.checksums import Checksums
from merger.claim import Claim
from merger.compute import Block, Prepared, prepare
from merger.errors import MergeError, OutputError, RecipeError
from merger.finishing import add_card, add_companions, checked_scores
from merger.header import BITS, TensorInfo
from merger.inputs import CheckpointInputs
from merger.kernels.choice import FastForms
from merger.layered import models_in
from merger.layout import weights_stem
from merger.lazy import Tensor, torch
from merger.matched import plain
from merger.models import Models, open_models
from merger.parts import Parts
from merger.plan import Plan
from merger.progress import Report
from merger.recipe import Recipe
from merger.shards import SHARD_BYTES, Files, lay_out
from merger.sources import SourceRules
from merger.stream import fit_memory, stream, thread_count
from merger.threads import one_thread
from merger.workspace import safe_name
from merger.writer import Writer


def merge(
    recipe: Recipe,
    out: str | Path,
    *,
    device: str = "auto",
    threads: int | None = None,
    memory: int | None = None,
    resume: bool = False,
    force: bool = False,
    report: Report | None = None,
    cancel: Event | None = None,
    base_dir: Path | None = None,
    roots: SourceRules | Sequence[Path] | None = None,
    shard_bytes: int = SHARD_BYTES,
    scores: Mapping[str, Any] | None = None,
) -> Path:
    """Merge models into a new folder that transformers loads, and return that folder.

    The folder appears when it is complete; until then, and after an error, a cancel or a kill,
    what was there before stays as it is.

    Args:
        recipe: What to merge, and how.
        out: The folder to write; methods with one model per expert write `out/<expert>/`.
        device: Where to compute: auto, cpu, cuda or mps.
        threads: Blocks worked on at once; the processors there are when None.
        memory: Bytes that blocks may take; a quarter of the machine's when None.
        resume: Go on where a merge of the same recipe and weights was killed.
        force: Replace a model that is there already.
        report: Told of bytes written.
        cancel: Stops the merge.
        base_dir: Folder that relative sources start from.
        roots: What a visitor may open; None opens everything.
        shard_bytes: Most bytes in one weight file.
        scores: What the merge scored, as `score` returns it in plain data, for the model card.
    """
    models = open_models(recipe, base_dir=base_dir, roots=roots, report=report, cancel=cancel)
    checked_scores(scores, models.digest)
    target = pick_device(device)
    check_inputs_stay(models, Path(out))
    inputs = CheckpointInputs(models.plan, models.base, models.experts)
    fast = FastForms(models.plan, inputs, target)
    block_size, workers = fit_memory(models.plan, thread_count(threads), memory, fast.piece)
    claim = Claim(Path(out), models.digest[:8], force=force, resume=resume)
    try:
        folders = _folders(models.plan)
        files = {folder: _files(models, shard_bytes) for folder in folders}
        # A merge goes on in the same blocks only.
        blocks = [block_size, *sorted({fast.piece(t) for t in models.plan.merged})]
        writer = Writer(claim, files, f"{models.digest} {blocks}")
    except BaseException:
        claim.abandon()
        raise
    try:
        with one_thread():
            prepared = prepare(
                models.plan, models.base, models.experts,
                report=report, cancel=cancel, device=target, fast=fast,
            )  # fmt: skip
            _write_blocks(prepared, models, writer, block_size, workers, report, cancel)
        with Checksums(writer.paths(), workers, cancel) as sums:
            for folder in folders:
                add_companions(claim.folder / folder, models)
            writer.flush()
            for folder, expert in folders.items():
                place = claim.folder / folder
                add_card(place, claim.target.name, models, sums.of(place), expert, scores)
        models.check_unchanged()
        return writer.commit()
    except BaseException:
        writer.abandon()
        raise


@dataclass(frozen=True, slots=True)
class Merged:
    """A model merged in memory.

    Args:
        tensors: Its tensors by their names on disk.
        digest: Names recipe and weights.
        folder: Where the tokenizer of its base lies.
        config: What the config of its base says.
        is_extended: Whether it has words that no model's tokenizer has.
    """

    tensors: Mapping[str, Tensor]
    digest: str
    folder: Path | None
    config: Mapping[str, Any] | None
    is_extended: bool = False


def merge_in_memory(
    recipe: Recipe,
    *,
    device: str = "cpu",
    report: Report | None = None,
    cancel: Event | None = None,
    base_dir: Path | None = None,
    roots: SourceRules | Sequence[Path] | None = None,
    nesting: int = 0,
) -> Merged:
    """Merge models and keep the result in memory; the tensors are those that `merge` writes."""
    models = open_models(
        recipe, base_dir=base_dir, roots=roots, nesting=nesting, report=report, cancel=cancel
    )
    if models.plan.method.output == "per_task":
        raise RecipeError(
            f"{models.plan.method.title} gives one model per expert, and one is needed here.",
            "Merge it into a folder, and use one of the models there.",
        )
    flat = _flat_tensors(models, device, cancel)
    config = models.reference.config()
    made = models.tokenizer.made is not None
    return Merged(_shaped(models, flat), models.digest, _home(models), config, made)


def merge_parts(
    recipe: Recipe,
    *,
    device: str = "cpu",
    cancel: Event | None = None,
    base_dir: Path | None = None,
    roots: SourceRules | Sequence[Path] | None = None,
) -> Parts:
    """Merge with a method that gives one model per expert, and keep the results in memory."""
    models = open_models(recipe, base_dir=base_dir, roots=roots)
    flat = _flat_tensors(models, device, cancel)
    return Parts(
        {
            name: _shaped(models, {key: rows[i] for key, rows in flat.items()})
            for i, name in enumerate(models.plan.names)
        }
    )


def _flat_tensors(models: Models, device: str, cancel: Event | None) -> dict[str, Tensor]:
    """Return all merged tensors, flat, with one row per expert where each gets a model."""
    prepared = prepare(models.plan, models.base, models.experts, cancel=cancel, device=device)
    tensors: dict[str, Tensor] = {}
    for block in prepared.blocks():
        values = prepared.merge_block(block)
        if block.key not in tensors:
            shape = (*values.shape[:-1], models.plan.by_key[block.key].numel)
            tensors[block.key] = torch.empty(shape, dtype=values.dtype)
        tensors[block.key][..., block.start : block.stop] = values
    models.check_unchanged()
    return tensors


def _shaped(models: Models, flat: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return flat tensors in their shapes, tied ones under all their names, sorted."""
    whole = {key: values.reshape(models.plan.by_key[key].shape) for key, values in flat.items()}
    whole |= {alias: whole[origin] for alias, origin in models.report.tied.items()}
    return {key: whole[key] for key in sorted(whole)}


def pick_device(device: str) -> str:
    """Return where to compute: a GPU that is there for "auto", else what was asked for."""
    there = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if device == "auto":
        return next(name for name, is_there in there.items() if is_there())
    if device not in there:
        raise MergeError(f"device must be auto, cpu, cuda or mps, got {device!r}.", "Use auto.")
    if not there[device]():
        raise MergeError(f"This machine has no {device} device.", "Use --device auto.")
    return device


def check_inputs_stay(models: Models, out: Path) -> None:
    """Refuse a target whose replacement would delete a model that is merged."""
    target = out.resolve()
    for model in (part for whole in models.all for part in models_in(plain(whole))):
        if model.folder is not None and model.folder.resolve().is_relative_to(target):
            raise OutputError(
                f"{out} holds {model.label}, which is one of the models to merge.",
                "Choose another folder.",
            )


def _home(models: Models) -> Path | None:
    donor = models.tokenizer.donor
    listed = models.all if donor is None else (donor, *models.all)
    return next((model.folder for model in listed if model.folder is not None), None)


def _folders(planned: Plan) -> dict[str, str | None]:
    """Return subfolders of the target, with the expert that each is for: "" is the target."""
    if planned.method.output != "per_task":
        return {"": None}
    folders: dict[str, str | None] = {}
    for name in planned.names:
        folder = safe_name(name)
        while folder in folders:
            folder += "-"
        folders[folder] = name
    return folders


def _files(models: Models, shard_bytes: int) -> Files:
    planned, tied = models.plan, models.report.tied
    infos = {t.key: TensorInfo(t.key, t.out_dtype, t.shape) for t in planned.tensors}
    infos |= {alias: infos[origin]._replace(key=alias) for alias, origin in tied.items()}
    stem = weights_stem(models.reference.folder)
    return lay_out([infos[key] for key in sorted(infos)], stem=stem, shard_bytes=shard_bytes)


def _write_blocks(
    prepared: Prepared,
    models: Models,
    writer: Writer,
    block_size: int,
    workers: int,
    report: Report | None,
    cancel: Event | None,
) -> None:
    folders = list(_folders(prepared.plan))
    copies: dict[str, list[str]] = {}
    for alias, origin in models.report.tied.items():
        copies.setdefault(origin, []).append(alias)

    def cost(block: Block) -> int:
        size = BITS[prepared.plan.by_key[block.key].out_dtype] // 8
        times = (1 + len(copies.get(block.key, ()))) * len(folders)
        return (block.stop - block.start) * size * times

    blocks = list(enumerate(prepared.blocks(block_size)))
    written = writer.done
    left = [(number, block) for number, block in blocks if number not in written]
    total = sum(cost(block) for _, block in blocks)
    stream(
        prepared,
        left,
        partial(_write_block, writer, folders, copies),
        threads=workers,
        done=total - sum(cost(block) for _, block in left),
        total=total,
        report=report,
        cancel=cancel,
    )


def _write_block(
    writer: Writer,
    folders: Sequence[str],
    copies: Mapping[str, Sequence[str]],
    number: int,
    block: Block,
    values: Tensor,
) -> int:
    written = 0
    rows = values if len(folders) > 1 or values.dim() > 1 else values.unsqueeze(0)
    for folder, row in zip(folders, rows, strict=True):
        data = row.contiguous().view(torch.uint8).numpy().data
        for key in (block.key, *copies.get(block.key, ())):
            writer.write(folder, key, block.start * values.dtype.itemsize, data)
            written += len(data)
    writer.finish(number)
    return written
