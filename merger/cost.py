"""What a merge will take: memory, disk and time, estimated from headers."""

from collections.abc import Sequence
from typing import NamedTuple

from merger.align import AlignReport
from merger.checkpoint import Checkpoint
from merger.header import BITS
from merger.inputs import CheckpointInputs
from merger.inside import fitting_workers, memory_for_blocks, shares_of
from merger.kernels.choice import FastForms
from merger.plan import Plan
from merger.stream import blocks_bytes, fit_memory, thread_count

# Rough, and said to be so; `benchmarks/doctor.md` compares them with merges. They are of a machine
# of 2 processors, and `pace.py` corrects them by what merges take on this one.
READ_RATE = WRITE_RATE = 1.2e9  # bytes a second
# Seconds until the first block, and for loading compiled loops.
START, LOAD_LOOPS = 0.5, 1.2
# Nanoseconds of one processor for an entry of one expert, in compiled loops and in plain ones:
# reading and adding up; what is counted before, cut or ranked; inner products; random draws; a
# whole row or tensor at a time; bands of rows; rows put in order; what draws left, counted.
COMPILED = {
    "sum": 0.9, "count": 2.0, "gram": 1.0, "draw": 1.5, "whole": 2.0, "band": 4.0, "order": 20.0,
    "left": 9.0,
}  # fmt: skip
PLAIN = {
    "sum": 6.0, "count": 8.0, "gram": 2.0, "draw": 25.0, "whole": 6.0, "band": 45.0, "order": 45.0,
    "left": 40.0,
}  # fmt: skip
# And for a multiplication where matrices are decomposed.
DECOMPOSED = 0.25
COUNTED = ("cut", "ranks", "majority", "sizes", "ordered")
DEAREST = 3  # statistics that are taken at once share a pass
# Torch and its libraries; compiled loops; histograms of what is counted.
PROGRAM_BYTES, LOOP_BYTES, COUNT_BYTES = 190_000_000, 50_000_000, 25_000_000


class Cost(NamedTuple):
    """Estimates, in the order of DoctorReport."""

    parameters: int
    peak_bytes: int
    disk_bytes: int
    seconds: float


def cost_of(
    planned: Plan, report: AlignReport, experts: Sequence[Checkpoint], base: Checkpoint | None
) -> Cost:
    """Estimate what a merge takes on the processor, in as many threads as there are."""
    out_bytes = {t.key: t.numel * BITS[t.out_dtype] // 8 for t in planned.tensors}
    entries = sum(t.numel for t in planned.tensors)
    disk = sum(out_bytes.values())
    for origin in report.tied.values():
        disk += out_bytes.get(origin, 0)
        entries += planned.by_key[origin].numel if origin in planned.by_key else 0
    disk *= planned.n if planned.method.output == "per_task" else 1
    models = ([] if base is None else [base]) + list(experts[: planned.n])
    read = sum(info.nbytes for model in models for info in model.tensors.values())
    fast = FastForms(planned, CheckpointInputs(planned, base, experts))
    beside = fast.beside()
    count, memory = thread_count(None), memory_for_blocks(models, None)
    block, workers = fit_memory(planned, count, memory, fast.piece, beside=beside)
    workers = fitting_workers(models, memory, workers)
    looped = any(fast.scope(tensor) is not None for tensor in planned.merged)
    passes = 2 if any(use.feed.surveyed for use in _uses(planned)) else 1
    compute = sum(_nanoseconds(planned, fast, looped).values()) * 1e-9 / workers
    # Reading, computing and writing overlap; the slowest of them is what one waits for.
    seconds = max(passes * read / READ_RATE, disk / WRITE_RATE, compute)
    seconds += START + (LOAD_LOOPS if looped else 0.0)
    peak = _fixed(planned, looped) + blocks_bytes(planned, block, workers, fast.piece, beside)
    peak += sum(share.bytes for share in shares_of(models, memory, workers))
    return Cost(entries, peak, disk, round(seconds, 1))


def _uses(planned: Plan) -> list:
    return [use for stage in planned.stages for use in stage.method.feeds]


def _nanoseconds(planned: Plan, fast: FastForms, looped: bool) -> dict[str, float]:
    """Return what each kind of work takes of one processor."""
    rates = COMPILED if looped else PLAIN
    work = float(planned.numel * planned.n)
    fed = {use.feed.name for use in _uses(planned)}
    counts = sum(u.feed.surveyed and u.feed.name in COUNTED for u in _uses(planned))
    scopes = {planned.scope_at(t.settings) for t in planned.merged}
    ordered = "ordered" in fed or ("ranks" in fed and "row" in scopes)
    found = {
        "sum": work,
        "count": work * (min(counts, 1) if looped else min(counts, DEAREST)),
        "gram": work * bool({"gram", "weight_gram"} & fed),
        "draw": work * ("uniform" in fed),
        "band": work * (ordered and "uniform" not in fed),
        "order": work * (ordered and "uniform" in fed),
        "whole": work * bool({"row", "tensor"} & scopes),
        "left": work * ("uniform" in fed and "cut" in fed),
    }
    taken = {kind: amount * rates[kind] for kind, amount in found.items()}
    matrices = [t for t in planned.merged if len(t.shape) == 2]
    if "costly" in fed:
        taken["decompose"] = DECOMPOSED * planned.n * sum(
            float(t.numel) * min(t.shape) for t in matrices
        )  # fmt: skip
    return taken


def _fixed(planned: Plan, looped: bool) -> int:
    """Return what the program itself takes, whatever is merged."""
    if not planned.merged:
        return PROGRAM_BYTES
    counted = any(use.feed.surveyed and use.feed.name in COUNTED for use in _uses(planned))
    return PROGRAM_BYTES + LOOP_BYTES * looped + COUNT_BYTES * counted
