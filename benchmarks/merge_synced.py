"""Merge once as `merge_mergescope` does, and wait for the disk: RECIPE OUT THREADS warm."""

from functools import partial

from benchmarks.merge_mergescope import prepare
from benchmarks.merge_meter import report

if __name__ == "__main__":
    report(partial(prepare, sync=True))
