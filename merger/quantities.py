"""Amounts as people say them."""


def words_for_bytes(count: float) -> str:
    """Return a number of bytes as people say it.

    Example:
        >>> words_for_bytes(500), words_for_bytes(4.2 * 2**30)
        ('500 B', '4.2 GiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
