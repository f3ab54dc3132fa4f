"""Fetching models of the hub as a background job, with the rights of whoever started it."""

import shutil
import threading
from pathlib import Path
from typing import Any

from merger.doctor import size
from merger.errors import JobError, SourceError
from merger.hub.access import Access, Secret
from merger.hub.asking import Wish
from merger.hub.fetch import fetch
from merger.hub.headers import look
from merger.hub.pinned import Pinned, at_commit
from merger.progress import Progress, Report

# The twentieth part of a disk stays free: others need it too.
KEPT_FREE = 20


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
    found = [_pinned(source) for source in sources]
    report(Progress(0, 0, "bytes", "asking the hub what is missing"))
    _check_room(found, access, cancel)
    for number, pinned in enumerate(found, 1):

        def tell(inner: Progress, number: int = number) -> None:
            note = f"{number} of {len(sources)} models: {inner.note}"
            report(Progress(inner.done, inner.total, inner.unit, note))

        fetch(at_commit(Wish(pinned.name, access=access, report=tell, cancel=cancel), pinned))
    return {"models": sources}


def _pinned(source: str) -> Pinned:
    found = Pinned.of_source(source)
    if found is None:
        raise JobError(f"{source[:120]!r} is no model of the hub at a commit.")
    return found


def _check_room(found: list[Pinned], access: Access, cancel: threading.Event) -> None:
    """Raise where what is missing would fill the disk that the cache lies on."""
    from huggingface_hub import constants  # noqa: PLC0415  (half a second)

    looks = (look(at_commit(Wish(one.name, access=access, cancel=cancel), one)) for one in found)
    missing = sum(weights.fetch.missing for _, weights in looks if weights is not None)
    cache = Path(constants.HF_HUB_CACHE)
    there = next(path for path in (cache, *cache.absolute().parents) if path.is_dir())
    disk = shutil.disk_usage(there)
    if missing and missing > disk.free - disk.total // KEPT_FREE:
        raise SourceError(
            f"These models take {size(missing)}, and the disk of the cache has {size(disk.free)} "
            "free.",
            "Ask the host for room, or take smaller models.",
        )
