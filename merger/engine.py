"""Merge models: open, align, plan, then stream blocks from the inputs into a new model folder."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from merger.ancestry import made_from
from merger.checksums import Checksums
from merger.claim import Claim
from merger.compute import Block, Prepared, prepare
from merger.devices.device import Device
from merger.devices.drivers import Opened, open_driver
from merger.devices.fitting import Fit, fit
from merger.devices.names import pick_device
from merger.errors import OutputError
from merger.finishing import add_card, add_companions, checked_scores
from merger.header import BITS, TensorInfo
from merger.inputs import CheckpointInputs
from merger.inside import memory_for_blocks, serve_inside
from merger.kernels.choice import FastForms
from merger.layout import weights_stem
from merger.lazy import torch
from merger.lru import Lru
from merger.models import Models, open_models
from merger.passes import SurveyCache
from merger.plan import Plan
from merger.progress import Report
from merger.recipe import Recipe
from merger.shards import SHARD_BYTES, Files, lay_out
from merger.sources import SourceRules
from merger.stream import BlockParts, stream, thread_count, total_memory
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
    tell: Callable[[str], None] | None = None,
    for_more: bool = True,
    sync: bool = True,
) -> Path:
    """Merge models into a new folder that transformers loads, and return that folder.

    The folder appears when it is complete; until then, and after an error, a cancel or a kill,
    what was there before stays as it is.

    Args:
        recipe: What to merge, and how.
        out: The folder to write; methods with one model per expert write `out/<expert>/`.
        device: Where to compute: auto, cpu, cuda, cuda:N or mps.
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
        tell: Told in a line what is to be known of how it went, if anything is.
        for_more: Whether other settings of these models will be merged in this process: what is
            counted then serves them too. Without it a single merge is a little faster.
        sync: Whether the weights are on the disk when this returns. Without it the system writes
            them by and by, and a power cut meanwhile may damage the model; a kill does not.
    """
    models = open_models(recipe, base_dir=base_dir, roots=roots, report=report, cancel=cancel)
    checked_scores(scores, models.digest)
    opened = open_driver(pick_device(device))
    check_inputs_stay(models, Path(out))
    inputs = CheckpointInputs(models.plan, models.base, models.experts)
    fast = FastForms(models.plan, inputs, opened.kind)
    memory = memory_for_blocks(models.all, memory)
    room = _make_room(models, opened, fast, thread_count(threads), memory)
    claim = Claim(Path(out), models.digest[:8], force=force, resume=resume)
    try:
        folders = _folders(models.plan)
        files = {folder: _files(models, shard_bytes) for folder in folders}
        # A merge goes on in the same blocks and on a device of the same kind only.
        blocks = [room.block, *sorted({fast.piece(t) for t in models.plan.merged})]
        writer = Writer(claim, files, f"{models.digest} {blocks} {room.device.name}", sync=sync)
    except BaseException:
        claim.abandon()
        raise
    try:
        with one_thread():
            prepared = prepare(
                models.plan, models.base, models.experts,
                cache=_survey_cache(models, room.device, for_more, memory),
                report=report, cancel=cancel,
                device=room.device, fast=fast,
            )  # fmt: skip
            _write_blocks(prepared, models, writer, room.block, room.workers, report, cancel)
        with Checksums(list(writer.sums.values()), room.workers, cancel) as sums:
            for folder in folders:
                add_companions(claim.folder / folder, models)
            writer.flush()
            for folder, expert in folders.items():
                place = claim.folder / folder
                add_card(
                    place, claim.target.name, models, sums.of(place), expert, scores,
                    room.device.name,
                )  # fmt: skip
        models.check_unchanged()
        path = writer.commit()
    except BaseException:
        writer.abandon()
        raise
    said = room.device.notice()
    if said is not None and tell is not None:
        tell(said)
    return path


def _make_room(
    models: Models, opened: Opened, fast: FastForms, threads: int, memory: int | None
) -> Fit:
    """Fit a merge into a budget, and tell everything that holds memory of its own."""
    room = fit(models.plan, opened, threads, memory, fast.piece, fast.beside(), fast.longest())
    workers = serve_inside(models.all, memory, room.workers)
    fast.serve(workers)
    return room._replace(workers=workers)


# What was measured of the models of the last few merges: other settings of them need it again.
_surveys: Lru[SurveyCache] = Lru(2)
# As much is kept of each, and no more than a share of what blocks may take.
SURVEY_BYTES, SURVEY_SHARE = 256 << 20, 8


def _survey_cache(
    models: Models, device: Device, for_more: bool, memory: int | None
) -> SurveyCache:
    name = (device.name, *(model.content_id() for model in models.all))
    cache = _surveys.get_or_make(name, SurveyCache)
    blocks = memory if memory is not None else total_memory() // 4
    cache.budget, cache.looks_ahead = min(SURVEY_BYTES, blocks // SURVEY_SHARE), for_more
    return cache


def check_inputs_stay(models: Models, out: Path) -> None:
    """Refuse a target whose replacement would delete a model that is merged."""
    target = out.resolve()
    for model in (part for whole in models.all for part in made_from(whole)):
        if model.folder is not None and model.folder.resolve().is_relative_to(target):
            raise OutputError(
                f"{out} holds {model.label}, which is one of the models to merge.",
                "Choose another folder.",
            )


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
    parts: BlockParts,
) -> int:
    keys = (block.key, *copies.get(block.key, ()))
    itemsize = 1
    for start, values in parts:
        itemsize = values.dtype.itemsize
        rows = values.unbind() if values.dim() > 1 else (values,)
        for folder, row in zip(folders, rows, strict=True):
            data = row.contiguous().view(torch.uint8).numpy().data
            for key in keys:
                writer.write(folder, key, start * itemsize, data)
    at, size = block.start * itemsize, (block.stop - block.start) * itemsize
    spans = [(folder, key, at, size) for folder in folders for key in keys]
    writer.finish(number, spans)
    return size * len(spans)
