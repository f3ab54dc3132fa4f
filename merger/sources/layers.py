"""`layers:`: a model put together from layers of other models; recipes write it as a list."""

from merger.checkpoint import Checkpoint
from merger.layered import LayeredCheckpoint
from merger.layers import read_layers
from merger.sources import Opening, open_source


def open_here(rest: str, opening: Opening) -> Checkpoint:
    """Open every model that layers are taken from, each one once."""
    opening.refuse_step("layers:")
    runs = read_layers(rest)
    models: dict[str, Checkpoint] = {}
    for run in runs:
        if run.source not in models:
            # Each source is judged by itself here, which is why a visitor may name a list of them.
            models[run.source] = open_source(
                run.source,
                base_dir=opening.base_dir,
                roots=opening.roots,
                nesting=opening.nesting,
                report=opening.report,
                cancel=opening.cancel,
                headers_only=opening.headers_only,
            )
    return LayeredCheckpoint(runs, models)
