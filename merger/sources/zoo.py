"""`zoo:NAME[@step]`: an expert that comes with the app, at any of its kept training steps."""

from merger.checkpoint import Checkpoint
from merger.sources import Opening


def open_here(rest: str, opening: Opening) -> Checkpoint:
    """Open a bundled model."""
    # Reading the zoo needs torch for the checkpoints that are stored as differences.
    from merger.zoo.read import open_checkpoint  # noqa: PLC0415

    return open_checkpoint(rest, opening.step)
