"""`file:DIR` or a plain path: a model folder of this machine, or one safetensors file."""

from merger.checkpoint import Checkpoint, FileCheckpoint
from merger.errors import SourceError
from merger.header import shown
from merger.sources import Opening
from merger.sources._steps import SourceSteps, folder_at, folder_steps


def open_here(rest: str, opening: Opening) -> Checkpoint:
    """Open a model folder, or a checkpoint that its Trainer kept inside it."""
    path = opening.path(rest)
    if not path.exists():
        raise SourceError(
            f"{shown(str(path))} does not exist.",
            "Give the folder of a model: config.json and *.safetensors.",
        )
    at = folder_at(path, opening.step, f"file:{rest}")
    label = None if at == path else f"{path.resolve().name}@{at.name.rpartition('-')[2]}"
    return FileCheckpoint(at, label)


def steps_here(rest: str, opening: Opening) -> SourceSteps:
    """Return the steps of the checkpoints in a Trainer's folder."""
    return folder_steps(opening.path(rest))
