"""The page that shows how long merges take."""

from collections.abc import Mapping
from typing import Any

from benchmarks.merge_agreement_table import table

HEAD = """# Merging whole models

Written by `make bench-merge` (`python -m benchmarks.merge`). Every merge is a process of its own
on the same inputs: a Llama-shaped base and its experts in bfloat16, in shards, with heavy-tailed
changes. Everything is imported, and loops are compiled, before the clock starts. Both programs
merge by the same settings (mergekit's dialect), write the whole folder, and say what they took
themselves; mergekit 0.1.5 writes asynchronously, copies the tokenizer, and computes in bfloat16,
which is its default and its fastest.

Two processors of a virtual machine: at times the work of others halves their speed, so numbers
are compared within one row only, whose runs took turns. A warm run finds its inputs in the cache
of the system: they are read anew before each method, and one process keeps them mapped while all
programs run. This system drops files that nobody has mapped for half a minute, and what it drops
in part comes back in small pages, which take three times as long to map; whose turn it was decided
who paid for that. For the same reason memory as large as one model, and a file of that size, are
touched and given back right before the clock starts: the host takes free memory away, and now and
then it still does, which can double any of these numbers. The best of two to five runs are shown;
where one of them takes a minute, there is one.

The floor reads through a buffer that stays in the processor's cache, where ours maps its inputs.
None of the three waits for the disk at the end: ours merges with `--no-sync`, and mergekit knows
no such wait. *Synced* is what ours takes by default, until the disk has everything; where that is
empty, ours waited in its first column too. SCE reads everything twice, DARE too where it restores
sums of magnitudes.

- *× faster*: mergekit's processor time over ours; on two threads, and cold, where all wait for the
  disk, its time by the clock over ours. In brackets what is aimed at.
- *× floor*: our time over that of reading all inputs and writing one output, the same
  bytes, with nothing in between.
- *MiB*: the most anonymous memory beyond the imports; pages of mapped files do not count.
- *GB/s*: bytes that must be read and written, over our time.
- *ns*: our processor time for each entry of the merged model; behind it, from another run, which
  part of the program took how much of it. *Survey* is what is measured before a tensor can be
  merged (cuts, sums, inner products, lots), *read* asks the system for parts of the inputs and
  checks that they have not changed, the *rest* plans, copies the tokenizer and flushes.
"""
# How many times faster than mergekit a merge should be.
AIMS = {
    "linear": 4, "task_arithmetic": 4, "slerp": 8, "ties": 20, "dare_ties": 15, "breadcrumbs": 15,
    "sce": 15, "sce_selecting": 15, "della": 8, "karcher": 20, "model_stock": 4.4,
}  # fmt: skip
STAGES = ("read", "survey", "merge", "write", "checksums", "rest")


AGAIN = """## Again with other settings

Written by `python -m benchmarks.merge_again FAMILY`: merges of the same models one after the other
in one process, processor seconds on one thread. The first one counts what others will need, and
the same merge by the command line only what it needs itself. Another coefficient or density needs
no second survey: cuts follow from the counts, and of equal magnitudes that are kept in part, the
last one is looked for in an eighth of its tensor.

| method | entries | by the command line | first | other coefficients | another density |
|---|---|---|---|---|---|
"""


def page(results: Mapping[str, Any], others: Mapping[str, Any]) -> str:
    """Return all results as a page, one table for each size."""
    parts = [HEAD, *(_table(name, run) for name, run in results.items())]
    if "again" in others:
        rows = [
            (method, f"{one['entries']:,}", *map("{:.2f}".format, one["seconds"].values()))
            for method, one in others["again"].items()
        ]
        parts.append(AGAIN + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n")
    if "agreement" in others:
        parts.append(table(others["agreement"]))
    return "\n".join(parts)


def _table(name: str, run: Mapping[str, Any]) -> str:
    clock = "cpu" if ", 1 thread" in name and "warm" in name else "wall"
    lines = [
        f"## {name}, {run['date']}\n",
        "| method | ours, s (clock) | synced | mergekit, s (clock) | × faster | × floor | GB/s "
        "| ours, MiB | mergekit, MiB | ns | of these " + " | ".join(STAGES) + " |",
        "|---|---|---|---|---|---|---|---|---|---|" + "---|" * len(STAGES),
        *(_row(method, found, run["entries"], clock) for method, found in run["methods"].items()),
        _missed(run["methods"], clock),
    ]
    return "\n".join(lines) + "\n"


def _row(method: str, found: Mapping[str, Any], entries: int, clock: str) -> str:
    ours, theirs, floor = found["mergescope"], found.get("mergekit"), found["floor"]
    aim = f" ({AIMS[method]})" if method in AIMS else ""
    cells = [
        method,
        *(_seconds(found.get(kind)) for kind in ("mergescope", "synced", "mergekit")),
        f"**{theirs[clock] / ours[clock]:.1f}**{aim}" if theirs else "",
        f"{ours[clock] / floor[clock]:.1f}",
        f"{found['bytes']['moved'] / ours[clock] / 1e9:.1f}",
        f"{ours['anonymous'] / 2**20:.0f}",
        f"{theirs['anonymous'] / 2**20:.0f}" if theirs else "",
        f"{ours['cpu'] / entries * 1e9:.1f}",
        *(f"{found['stages'].get(stage, 0.0) / entries * 1e9:.1f}" for stage in STAGES),
    ]
    return "| " + " | ".join(cells) + " |"


def _seconds(one: Mapping[str, float] | None) -> str:
    return f"{one['cpu']:.2f} ({one['wall']:.2f})" if one else ""


def _missed(methods: Mapping[str, Mapping[str, Any]], clock: str) -> str:
    """Say which aims are missed, beside what copying the bytes alone would reach."""
    words = []
    for method, found in methods.items():
        theirs = found.get("mergekit")
        if theirs is None or method not in AIMS:
            continue
        reached = theirs[clock] / found["mergescope"][clock]
        if reached < AIMS[method]:
            most = theirs[clock] / found["floor"][clock]
            words.append(f"{method} ({reached:.1f} of {AIMS[method]}; the floor: {most:.1f})")
    return f"\nAims missed: {', '.join(words)}." if words else ""
