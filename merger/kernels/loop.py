"""How loops are compiled: kept on disk, without the interpreter's lock, and for speed alone."""

from typing import Any

from numba import njit

# Divisions by 0 give what IEEE 754 says: a look at each divisor before would keep loops from
# dividing many numbers at once.
loop: Any = njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")

# What is put into the loop that calls it: only then can it be done for many entries at once.
inside: Any = njit(nogil=True, boundscheck=False, error_model="numpy", forceinline=True)
