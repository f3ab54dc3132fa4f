"""The server half of the page without a page, for tests that ask it as the page does."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from merger.jobs import JobRunner
from merger.library import Library
from merger.workspace import Workspace
from viz.catalog import Catalog
from viz.hub_host import HubHost
from viz.studio import Studio


@contextlib.contextmanager
def open_studio(catalog: Catalog, folder: Path, hub: HubHost | None = None) -> Iterator[Studio]:
    """Run a studio on a new workspace until the block ends."""
    with (
        contextlib.closing(Workspace(folder)) as workspace,
        contextlib.closing(JobRunner(workspace)) as jobs,
    ):
        yield Studio(catalog, jobs, Library(workspace), workspace, hub=hub)
