"""How long spectral methods take beside the bare decompositions of the same matrices.

python -m benchmarks.spectral [ROWS COLUMNS EXPERTS]     # 4096 11008 4 is a layer of 7 billion
"""

import resource
import sys
import time
from collections.abc import Callable

import torch

from merger.algebra import total
from merger.memory import merge_tensors
from merger.threads import one_thread

METHODS = ("iso_c", "tsv_m", "iso_cts", "opcm", "knots", "core_space", "wudi")


def timed(call: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peak() -> float:
    """Return the most memory this process has had, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(rows: int = 1024, columns: int = 4096, experts: int = 4) -> None:
    """Print seconds and ratios."""
    draw = torch.Generator().manual_seed(0)
    taus = [torch.randn(rows, columns, generator=draw) for _ in range(experts)]
    piece = 4 * rows * columns / 2**30
    with one_thread():
        floor = sum(
            timed(lambda tau=tau: torch.linalg.svd(tau, full_matrices=False)) for tau in taus
        )
        single = timed(lambda: torch.linalg.svd(total(torch.stack(taus)), full_matrices=False))
    print(f"{rows} × {columns}, {experts} experts, one thread; one matrix is {piece:.3f} GiB")
    print(f"bare decompositions: {floor:.1f} s ({experts}), {single:.1f} s (of the sum)")
    base = {"layers.0.w": torch.zeros(rows, columns)}
    models = [{"layers.0.w": tau} for tau in taus]
    for name in METHODS:
        seconds = timed(lambda name=name: merge_tensors(name, models, base))
        print(f"{name:11} {seconds:6.1f} s = {seconds / floor:.2f} × bare, peak {peak():.2f} GiB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
