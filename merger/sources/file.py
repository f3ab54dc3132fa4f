"""`file:DIR` or a plain path: a model folder of this machine, or one safetensors file."""

from merger.checkpoint import Checkpoint, FileCheckpoint
from merger.errors import SourceError
from merger.header import shown
from merger.sources import Opening


def open_here(rest: str, opening: Opening) -> Checkpoint:
    """Open a model folder."""
    opening.refuse_step(f"file:{rest}")
    path = opening.path(rest)
    if not path.exists():
        raise SourceError(
            f"{shown(str(path))} does not exist.",
            "Give the folder of a model: config.json and *.safetensors.",
        )
    return FileCheckpoint(path)
