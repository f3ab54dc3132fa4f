"""`file:DIR` or a plain path: a model folder of this machine, or one safetensors file."""

import re
from pathlib import Path

from merger.checkpoint import Checkpoint, FileCheckpoint
from merger.errors import SourceError
from merger.header import shown
from merger.sources import Opening
from merger.sources._steps import SourceSteps, folder_at, folder_steps


def open_here(rest: str, opening: Opening) -> Checkpoint:
    """Open a model folder, or a checkpoint that its Trainer kept inside it."""
    path = opening.path(rest)
    if not path.exists():
        raise SourceError(f"{shown(str(path))} does not exist.", _where_else(rest, opening))
    if path.is_file() and path.suffix in (".yaml", ".yml"):
        raise SourceError(
            f"{shown(str(path))} is no model.", f"If it is a recipe, write recipe:{shown(rest)}."
        )
    at = folder_at(path, opening.step, f"file:{rest}")
    label = None if at == path else f"{path.resolve().name}@{at.name.rpartition('-')[2]}"
    return FileCheckpoint(at, label)


def _where_else(rest: str, opening: Opening) -> str:
    """Return where a model may be that is not at a path."""
    found = "Give the folder of a model: config.json and *.safetensors."
    if opening.base_dir is None and not Path(rest).expanduser().is_absolute():
        found += " Paths start from the folder that the command runs in."
    if re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?", rest, re.ASCII):
        found += f" If it is a model of the hub, write hub:{rest}."
    return found


def steps_here(rest: str, opening: Opening) -> SourceSteps:
    """Return the steps of the checkpoints in a Trainer's folder."""
    return folder_steps(opening.path(rest))
