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

Two shared processors; other programs and the work of other machines ran beside some rows, so
that floors of equal bytes differ by a factor of two, and a row by as much as half. At 1,100 M
the inputs do not all stay in memory, and the floor waits for the disk; those rows are older
than exact cuts in one pass. Linear combinations, slerp, Model Stock, Karcher and DELLA are of
a quieter hour of the same day and the same loops; measured again with the other rows the first
four gave 2.4 (linear), 2.2 (task arithmetic), 8.5 (slerp) and 1.4 (Model Stock) times
mergekit's speed. Aimed at and not reached: 4 × for linear combinations (the floor itself is
only 3 to 4 times faster than mergekit), 15 × for DARE, whose 24 random bits for each entry
alone take 5 ns, and for SCE.

- *× faster*: mergekit's processor time over ours.
- *× floor*: our processor time over that of reading all inputs and writing one output, the same
  bytes, with nothing in between.
- *MiB*: the most anonymous memory beyond the imports; pages of mapped files do not count.
- *GB/s*: bytes that must be read and written, over our processor time.
- *ns*: our processor time for each entry of the merged model; behind it, from another run, which
  part of the program took how much of it. *Survey* is what is measured before a tensor can be
  merged (cuts, sums, inner products, lots), *read* asks the system for parts of the inputs and
  checks that they have not changed, the *rest* plans, copies the tokenizer and flushes.
"""
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
    lines = [
        f"## {name}, {run['date']}\n",
        "| method | ours, s (clock) | mergekit, s (clock) | × faster | × floor | GB/s | ours, MiB "
        "| mergekit, MiB | ns | of these " + " | ".join(STAGES) + " |",
        "|---|---|---|---|---|---|---|---|---|" + "---|" * len(STAGES),
        *(_row(method, found, run["entries"]) for method, found in run["methods"].items()),
    ]
    return "\n".join(lines) + "\n"


def _row(method: str, found: Mapping[str, Any], entries: int) -> str:
    ours, theirs, floor = found["mergescope"], found.get("mergekit"), found["floor"]
    cells = [
        method,
        f"{ours['cpu']:.2f} ({ours['wall']:.2f})",
        f"{theirs['cpu']:.2f} ({theirs['wall']:.2f})" if theirs else "",
        f"**{theirs['cpu'] / ours['cpu']:.1f}**" if theirs else "",
        f"{ours['cpu'] / floor['cpu']:.1f}",
        f"{found['bytes']['moved'] / ours['cpu'] / 1e9:.1f}",
        f"{ours['anonymous'] / 2**20:.0f}",
        f"{theirs['anonymous'] / 2**20:.0f}" if theirs else "",
        f"{ours['cpu'] / entries * 1e9:.1f}",
        *(f"{found['stages'].get(stage, 0.0) / entries * 1e9:.1f}" for stage in STAGES),
    ]
    return "| " + " | ".join(cells) + " |"
