"""The page that shows how long merges take."""

from collections.abc import Mapping
from typing import Any

HEAD = """# Merging whole models

Written by `make bench-merge` (`python -m benchmarks.merge`). Every merge is a process of its own
on the same inputs: a Llama-shaped base and its experts in bfloat16, in shards, with heavy-tailed
changes. Everything is imported, and loops are compiled, before the clock starts. Both programs
merge by the same settings (mergekit's dialect), write the whole folder, and say what they took
themselves; mergekit 0.1.5 writes asynchronously, copies the tokenizer, and computes in bfloat16,
which is its default and its fastest.

- *× faster*: mergekit's processor time over ours.
- *× floor*: our processor time over that of reading all inputs and writing one output, the same
  bytes, with nothing in between.
- *MiB*: the most anonymous memory beyond the imports; pages of mapped files do not count.
- *ns*: our processor time for each entry of the merged model.
"""


def page(results: Mapping[str, Any]) -> str:
    """Return all results as a page, one table for each size."""
    return "\n".join([HEAD, *(_table(name, run) for name, run in results.items())])


def _table(name: str, run: Mapping[str, Any]) -> str:
    lines = [
        f"## {name}, {run['date']}\n",
        "| method | ours, s (clock) | mergekit, s (clock) | × faster | × floor | ours, MiB "
        "| mergekit, MiB | ns |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(method, found, run["entries"]) for method, found in run["methods"].items()),
    ]
    return "\n".join(lines) + "\n"


def _row(method: str, found: Mapping[str, Mapping[str, float]], entries: int) -> str:
    ours, theirs, floor = found["mergescope"], found.get("mergekit"), found["floor"]
    cells = [
        method,
        f"{ours['cpu']:.2f} ({ours['wall']:.2f})",
        f"{theirs['cpu']:.2f} ({theirs['wall']:.2f})" if theirs else "",
        f"**{theirs['cpu'] / ours['cpu']:.1f}**" if theirs else "",
        f"{ours['cpu'] / floor['cpu']:.1f}",
        f"{ours['anonymous'] / 2**20:.0f}",
        f"{theirs['anonymous'] / 2**20:.0f}" if theirs else "",
        f"{ours['cpu'] / entries * 1e9:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"
