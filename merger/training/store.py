"""Measured curves by digest, one small file each, so that a recipe asked again answers at once."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from merger.training.info import TrainingInfo

MOST_FILES = 1000


class CurveStore:
    """Curves in a folder; the job that measures writes them, and the page reads them.

    Args:
        folder: Where the files lie; made when something is first kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, digest: str) -> TrainingInfo | None:
        """Return a curve as far as it is measured, or None."""
        try:
            text = self._path(digest).read_text("utf-8")
            return TrainingInfo.from_json(json.loads(text))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, digest: str, info: TrainingInfo) -> None:
        """Keep a curve, in place of what was measured of it before."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(digest)
        half = path.with_suffix(f".{os.getpid()}.half")
        half.write_text(json.dumps(info.to_json(), allow_nan=False), "utf-8")
        half.replace(path)

    def prune(self) -> None:
        """Let go of the oldest curves where there are too many."""
        files = sorted(self.folder.glob("*.json"), key=lambda p: p.stat().st_mtime_ns)
        for path in files[: max(0, len(files) - MOST_FILES)]:
            path.unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ValueError(f"a digest has 64 hexadecimal digits, got {digest[:80]!r}")
        return self.folder / f"{digest}.json"
