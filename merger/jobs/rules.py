"""What a job may open: written into its row when it is started, and read when it runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from merger.sources import SourceRules


def rules_to_json(folders: Sequence[Path], granted: Sequence[str]) -> dict[str, Any]:
    """Return what a job's row says of the models that may be opened.

    Args:
        folders: Folders whose models may be named.
        granted: Repositories "org/name@commit" that the job's owner was allowed to read when
            it was started. A row never holds a token.
    """
    return {"roots": [str(folder) for folder in folders], "granted": list(granted)}


def rules_of(payload: Mapping[str, Any]) -> SourceRules | None:
    """Return what a job may open; None where everything is open."""
    if "roots" not in payload:
        return None
    folders = tuple(Path(root) for root in payload["roots"])
    return SourceRules(folders, granted=tuple(map(str, payload.get("granted", ()))))
