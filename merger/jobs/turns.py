"""Whose job is next: owners take turns, so that one with many jobs does not hold up the others."""

from collections import deque
from collections.abc import Mapping, Sequence


def turns(waiting: Sequence[tuple[str, str]], served: Mapping[str, float]) -> list[str]:
    """Return the ids of waiting jobs in the order in which they run.

    Who was served longest ago, or never, comes first; an owner's own jobs keep their order.

    Args:
        waiting: (id, owner) in the order in which they came.
        served: When a job of an owner was started last, in seconds.

    Example:
        >>> turns([("a1", "a"), ("a2", "a"), ("b1", "b")], {"a": 5.0})
        ['b1', 'a1', 'a2']
    """
    lines: dict[str, deque[str]] = {}
    for id, owner in waiting:
        lines.setdefault(owner, deque()).append(id)
    # sorted() is stable: among those never served, who came first is first.
    row = deque(sorted(lines, key=lambda owner: served.get(owner, 0.0)))
    order = []
    while row:
        owner = row.popleft()
        order.append(lines[owner].popleft())
        if lines[owner]:
            row.append(owner)
    return order
