"""How often each magnitude occurs: from that, any cut is found without another look.

Changes of models in bfloat16 have few different magnitudes: most are small multiples of a power of
two, which the upper half of the bits of float32 holds alone ("plain"), and the others ("odd") are
thousands, not millions.
"""

from typing import NamedTuple

import numpy as np


class Place(NamedTuple):
    """Where a cut lies among magnitudes.

    Args:
        bits: The k-th largest magnitude, as bits of float32.
        left: How many of those equal to it are kept, the first ones.
        is_whole: Whether these are all that are equal to it.
        since: No entry before this index is one of the last kept; whole parts are left out.
        skipped: How many equal ones lie before that index.
    """

    bits: int
    left: int
    is_whole: bool
    since: int
    skipped: int


class Magnitudes(NamedTuple):
    """How often each magnitude of one expert occurs.

    Args:
        plain: Upper halves of magnitudes whose lower half is 0, ascending, from 0 on.
        parts: How often each of them occurs in each part of the entries, (parts, len(plain)).
        odd: Bits of the other magnitudes, ascending, uint32.
        counts: How often each of these occurs.
        step: Entries of a part, but for the last one.
    """

    plain: np.ndarray
    parts: np.ndarray
    odd: np.ndarray
    counts: np.ndarray
    step: int

    @property
    def nbytes(self) -> int:
        """What it takes."""
        return sum(x.nbytes for x in (self.plain, self.parts, self.odd, self.counts))

    def place(self, k: int) -> Place:
        """Return where the k-th largest lies; k is at least 1 and at most what was counted."""
        plain = self.parts.sum(axis=0, dtype=np.int64)
        # How many are not smaller than each odd one, and than each plain one.
        above = np.append(np.cumsum(self.counts[::-1], dtype=np.int64)[::-1], 0)
        bounds = np.searchsorted(self.odd, self.plain.astype(np.uint32) << 16)
        reached = np.cumsum(plain[::-1])[::-1] + above[bounds]
        # The largest plain one that is not above the k-th largest: of all, 0 at least is not.
        at = int(np.count_nonzero(reached >= k)) - 1
        beyond = int(reached[at] - plain[at])
        if beyond < k:
            return self._plain_place(at, k - beyond)
        # Among the odd ones between this plain one and the next.
        first = int(bounds[at])
        stop = int(bounds[at + 1]) if at + 1 < len(bounds) else len(self.odd)
        left = k - (beyond - int(above[first] - above[stop]))
        among = above[first:stop] - above[stop]
        chosen = int(np.count_nonzero(among >= left)) - 1
        left -= int(among[chosen]) - int(self.counts[first + chosen])
        is_whole = left == self.counts[first + chosen]
        return Place(int(self.odd[first + chosen]), left, bool(is_whole), 0, 0)

    def _plain_place(self, at: int, left: int) -> Place:
        reached = np.cumsum(self.parts[:, at], dtype=np.int64)
        part = int(np.searchsorted(reached, left))
        skipped = int(reached[part - 1]) if part else 0
        is_whole = left == reached[-1]
        return Place(int(self.plain[at]) << 16, left, bool(is_whole), part * self.step, skipped)
