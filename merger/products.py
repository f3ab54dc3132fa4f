"""Inner products of experts over a tensor, the same whatever adds them up."""

import numpy as np

from merger.sums import CHUNK, LANES


def add_products(products: np.ndarray, stack: np.ndarray) -> None:
    """Add inner products of the rows to an (n, n) float64 matrix, over pieces of fixed length."""
    lanes = lanes_of(len(stack))
    for start in range(0, stack.shape[1], CHUNK):
        chunk = stack[:, start : start + CHUNK]
        rows = np.zeros((len(stack), padded(chunk.shape[1])))
        rows[:, : chunk.shape[1]] = chunk
        table = rows.reshape(len(stack), -1, LANES)
        for out, (i, j) in zip(lanes, pairs(len(stack)), strict=True):
            # Not BLAS, whose sums depend on the number of threads.
            np.add.reduce(table[i] * table[j], axis=0, out=out)
        add_lanes(products, lanes)


def add_lanes(products: np.ndarray, lanes: np.ndarray) -> None:
    """Add the lanes of one chunk to the matrix."""
    for (i, j), found in zip(pairs(len(products)), np.add.reduce(lanes, axis=1), strict=True):
        products[i, j] += found
        products[j, i] = products[i, j]


def lanes_of(n: int) -> np.ndarray:
    """Return room for the lanes of each pair of n experts."""
    return np.zeros((n * (n + 1) // 2, LANES))


def pairs(n: int) -> list[tuple[int, int]]:
    """Return all pairs of n experts, each with itself too."""
    return [(i, j) for i in range(n) for j in range(i, n)]


def padded(length: int) -> int:
    """Return the length of a chunk with zeros up to a whole number of lanes."""
    return -(-length // LANES) * LANES
