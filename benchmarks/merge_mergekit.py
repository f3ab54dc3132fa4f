"""Merge once by mergekit: python -m benchmarks.merge_mergekit CONFIG OUT THREADS warm.

Runs where mergekit is installed, with the packages of the conformance tests.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from mergekit.config import (  # pyright: ignore[reportMissingImports]  # an oracle, not ours
    MergeConfiguration,
)
from mergekit.merge import run_merge  # pyright: ignore[reportMissingImports]  # an oracle
from mergekit.options import MergeOptions  # pyright: ignore[reportMissingImports]  # an oracle

from benchmarks.merge_meter import report


def prepare(config: Path, out: Path, threads: int) -> Callable[[], Any]:
    """Return a merge by mergekit."""
    made = MergeConfiguration.model_validate(yaml.safe_load(config.read_text("utf-8")))
    options = MergeOptions(
        num_threads=threads, async_write=True, quiet=True, random_seed=0,
        # The card asks the Hub about every model.
        write_model_card=False,
    )  # fmt: skip
    options.apply_global_options()
    return lambda: run_merge(made, str(out), options)


if __name__ == "__main__":
    report(prepare)
