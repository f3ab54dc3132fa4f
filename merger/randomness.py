"""Random numbers that depend on seed, expert and tensor names, and an entry's place in its tensor.

Any part of a tensor can be drawn alone and in any order, so blocks, threads, the order of experts
and the weights themselves never change a random merge. The generator is Philox 4x64-10 with the
entry's flat index as counter: each count gives 8 draws of 24 bits.
"""

import hashlib
import json

import numpy as np

PER_COUNT = 8
UNIT = np.float32(2.0**-24)


def key_of(seed: int, expert: str, tensor: str, salt: str = "") -> int:
    """Return the 64-bit key of one expert's draws for one tensor.

    Args:
        seed: The recipe's seed.
        expert: The expert's name in the recipe.
        tensor: The tensor's name on disk.
        salt: Tells apart several verbs that draw for the same tensor.
    """
    # JSON keeps ("a", "bc") and ("ab", "c") apart, whatever the names contain.
    text = json.dumps([seed, expert, tensor, *([salt] if salt else [])])
    return int.from_bytes(hashlib.sha256(text.encode("ascii")).digest()[:8], "little")


def uniforms(key: int, start: int, stop: int) -> np.ndarray:
    """Return draws start to stop as float32 in [0, 1).

    Example:
        >>> whole = uniforms(7, 0, 100)
        >>> bool((uniforms(7, 33, 50) == whole[33:50]).all())
        True
    """
    first = start // PER_COUNT
    counts = -(-stop // PER_COUNT) - first
    if stop <= start:
        return np.empty(0, np.float32)
    raw = np.random.Philox(key=key, counter=first).random_raw(counts * PER_COUNT // 2)
    words = raw.astype("<u8", copy=False).view("<u4")
    skip = start - first * PER_COUNT
    words = words[skip : skip + stop - start]
    return (words >> np.uint32(8)).astype(np.float32) * UNIT
