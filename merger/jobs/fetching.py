"""Fetching models of the hub as a background job, with the rights of whoever started it."""

import threading
from typing import Any

from merger.errors import JobError
from merger.hub.access import Access, Secret
from merger.hub.asking import Wish
from merger.hub.fetch import fetch
from merger.hub.pinned import Pinned, at_commit
from merger.progress import Progress, Report


def fetch_in_background(
    payload: dict[str, Any], report: Report, cancel: threading.Event
) -> dict[str, Any]:
    """Fetch what a merge of some models needs into the cache.

    Args:
        payload: `models`, sources with their commit, and `token`, the owner's Secret, or None.
    """
    token = payload.get("token")
    access = Access(token if isinstance(token, Secret) else None, is_visitor=True)
    sources = [str(source) for source in payload["models"]]
    for number, source in enumerate(sources, 1):
        found = Pinned.of_source(source)
        if found is None:
            raise JobError(f"{source[:120]!r} is no model of the hub at a commit.")

        def tell(inner: Progress, number: int = number) -> None:
            note = f"{number} of {len(sources)} models: {inner.note}"
            report(Progress(inner.done, inner.total, inner.unit, note))

        fetch(at_commit(Wish(found.name, access=access, report=tell, cancel=cancel), found))
    return {"models": sources}
