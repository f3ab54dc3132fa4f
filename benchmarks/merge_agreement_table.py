"""The table that shows how far merges agree."""

from collections.abc import Mapping
from typing import Any

HEAD = """## Agreement

Written by `python -m benchmarks.merge_agreement`: ours, mergekit computing in float32 and mergekit
computing in float64, all written in bfloat16. Each cell: the share of entries that are not equal,
in brackets without those at a threshold, and the length of the difference over that of the merged
change. Methods that draw at random have generators of their own: `make conformance` compares them
with recorded draws.

| method | entries | at a threshold | ours, mergekit float32 | ours, mergekit float64 \
| mergekit float32, float64 |
|---|---|---|---|---|---|
"""


def table(results: Mapping[str, Any]) -> str:
    """Return the results as a part of the page."""
    lines = []
    for method, found in results.items():
        entries = found["entries"]
        cells = [
            f"{found[pair]['other'] / entries:.4%} ({found[pair]['other_untied'] / entries:.4%}), "
            f"{found[pair]['length']:.1e}"
            for pair in ("ours single", "ours double", "single double")
        ]
        share = f"{found['tied'] / entries:.2%}"
        lines.append(f"| {method} | {entries:,} | {share} | " + " | ".join(cells) + " |")
    return HEAD + "\n".join(lines) + "\n"
