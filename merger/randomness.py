"""Random numbers that depend on seed, expert and tensor names, and an entry's place in its tensor.

Any part of a tensor can be drawn alone and in any order, so blocks, threads, the order of experts
and the weights themselves never change a random merge. The generator is Philox 4x64-10 with the
entry's flat index as counter, and a draw has 24 bits. Its upper 8 and its lower 16 come from two
streams of one key, for the upper ones nearly always say whether a draw lies below a density: loops
that only ask that need 1 count for 32 entries, and the other stream for one entry in 256.
"""

import hashlib
import json

import numpy as np

# What a round multiplies by, what the two halves of a key grow by after it, and how many rounds
# there are (Salmon et al., 2011); numpy has the same, and does not say them.
MULTIPLY = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
ADD = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
ROUNDS = 10
# Bytes of a count.
PER_COUNT = 32
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
    if stop <= start:
        return np.empty(0, np.float32)
    drawn = _part(key, 0, np.dtype("<u1"), start, stop).astype(np.uint32)
    drawn <<= np.uint32(16)
    drawn |= _part(key, 1, np.dtype("<u2"), start, stop)
    found = drawn.astype(np.float32)
    found *= UNIT
    return found


def _part(key: int, stream: int, kind: np.dtype, start: int, stop: int) -> np.ndarray:
    """Return one part of the draws start to stop; a key's streams differ in its upper half."""
    per_count = PER_COUNT // kind.itemsize
    first = start // per_count
    words = (-(-stop // per_count) - first) * PER_COUNT // 8
    raw = np.random.Philox(key=stream << 64 | key, counter=first).random_raw(words)
    skip = start - first * per_count
    # The lowest bits of a word come first, on every machine.
    return raw.astype("<u8", copy=False).view(kind)[skip : skip + stop - start]
