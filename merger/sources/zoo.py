"""`zoo:NAME[@step]`: an expert that comes with the app, at any of its kept training steps."""

from merger.checkpoint import Checkpoint
from merger.sources import Opening
from merger.sources._steps import NO_STEPS, SourceSteps


def open_here(rest: str, opening: Opening) -> Checkpoint:
    """Open a bundled model."""
    # Reading the zoo needs torch for the checkpoints that are stored as differences.
    from merger.zoo.read import open_checkpoint  # noqa: PLC0415

    return open_checkpoint(rest, opening.step)


def steps_here(rest: str, opening: Opening) -> SourceSteps:
    """Return the steps at which a bundled expert was kept; a source that names one has no more."""
    from merger.zoo.read import zoo_info  # noqa: PLC0415  (as above)

    info = zoo_info()
    if rest not in info.names():
        return NO_STEPS
    steps = info.steps(rest)
    return SourceSteps(steps, steps[-1])
