"""The words around figures: numbers as people read them, and what they say about chance."""

import math

import numpy as np

MINUS = "−"


def percent(share: float, digits: int = 1) -> str:
    """Return a share as percent, such as "12.3%"."""
    return "–" if not math.isfinite(share) else f"{100 * share:.{digits}f}%".replace("-", MINUS)


def points(change: float, digits: int = 1) -> str:
    """Return a change of a share in percentage points with its sign, such as "+1.2 points"."""
    return f"{signed(100 * change, digits)} points" if math.isfinite(change) else "–"


def signed(number: float, digits: int = 2) -> str:
    """Return a number with its sign, such as "+0.12" or "−0.03"."""
    if not math.isfinite(number):
        return "–"
    rounded = round(number, digits)
    return f"{rounded:+.{digits}f}".replace("-", MINUS) if rounded else f"{0:.{digits}f}"


def plain_number(number: float, digits: int = 2) -> str:
    """Return a number with a true minus, such as "−0.03"."""
    # Adding 0.0 takes the sign from a zero that rounding left.
    known = math.isfinite(number)
    return f"{round(number, digits) + 0.0:.{digits}f}".replace("-", MINUS) if known else "–"


def short(name: str, longest: int = 16) -> str:
    """Return a name that fits beside a chart; the end gives way, with an ellipsis."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


def beyond(value: float, null: float, half: float) -> str:
    """Return "▲" above what chance gives, "▼" below it, nothing inside."""
    off = value - null
    if not math.isfinite(off) or abs(off) <= half:
        return ""
    return "▲" if off > 0 else "▼"


def against_chance(value: float, null: float, half: float) -> str:
    """Return how a share compares with what chance gives."""
    mark = beyond(value, null, half)
    words = {"▲": "more than chance", "▼": "less than chance", "": "no different from chance"}
    band = "under 0.1%" if 0 < half < 0.0005 else percent(half)
    return f"{words[mark]} ({percent(null)} ± {band})"


def marked(number: str, mark: str) -> str:
    """Return a number with its mark, a thin space between."""
    return f"{number}\u2009{mark}" if mark else number


def estimated(sample: float | None) -> str:
    """Return what to add when numbers come from a sample."""
    return "" if sample is None else f" Estimated from {percent(sample, 2)} of the weights."


def best_pair(table: np.ndarray, largest: bool = True) -> tuple[int, int] | None:
    """Return the pair with the largest (or smallest) number above the diagonal."""
    rows, columns = np.triu_indices(len(table), 1)
    values = table[rows, columns]
    if not len(values) or not np.isfinite(values).any():
        return None
    at = int(np.nanargmax(values) if largest else np.nanargmin(values))
    return int(rows[at]), int(columns[at])
