"""How loops are compiled: kept on disk, without the interpreter's lock, and for speed alone."""

from typing import Any

from numba import njit

# Divisions by 0 give what IEEE 754 says: a look at each divisor before would keep loops from
# dividing many numbers at once.
loop: Any = njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")

# Where a product and its sum may be rounded together: for products that are exact before, as those
# of two float32 in float64 are, so that it changes nothing but the time.
contracted: Any = njit(
    nogil=True, cache=True, boundscheck=False, error_model="numpy", fastmath={"contract"}
)

# What is put into the loop that calls it: only then can it be done for many entries at once.
inside: Any = njit(nogil=True, boundscheck=False, error_model="numpy", forceinline=True)
