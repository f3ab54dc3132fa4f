"""Put catalog, workspace, jobs and page together, and serve them."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Thread
from typing import Any

from merger.errors import MergeError
from merger.jobs import JobRunner, Limits
from merger.library import Library
from merger.workspace import Workspace
from viz.catalog import Catalog, first_recipe, folder_families, zoo_family
from viz.desk import warm_up
from viz.hub_host import HubHost, checked_host
from viz.jobs_view import download_route
from viz.look import launch_kwargs
from viz.page import build_page
from viz.studio import Studio

KEEP_BYTES = 20 << 30
KEEP_SECONDS = 7 * 24 * 3600.0


def serve(
    host: str,
    port: int,
    workspace: Path | None,
    models: Sequence[Path],
    space: str | None = None,
    hub: HubHost | None = None,
) -> None:
    """Serve the page until it is stopped.

    Args:
        host: Address to listen on.
        port: Port to listen on.
        workspace: Where jobs and scored recipes are kept; None is the user's data folder.
        models: Folders whose subfolders are models; the bundled experts without any.
        space: "owner/name" of the Space this runs on, for links that work outside its frame.
        hub: How visitors read the hub; None where they do not.
    """
    try:
        hub = checked_host(hub, host, on_space=bool(space))
        catalog = Catalog((*folder_families(models), zoo_family()))
        place = Workspace(workspace)
    except MergeError as error:
        sys.exit(f"{error.message} {error.hint}".strip())
    limits = Limits(total_bytes=KEEP_BYTES, keep_seconds=KEEP_SECONDS)
    with ExitStack() as stack:
        stack.enter_context(closing(place))
        jobs = stack.enter_context(closing(JobRunner(place, limits=limits)))
        # A download of an hour must not hold up the merges of others.
        fetches = jobs if hub is None else JobRunner(place, limits=limits)
        stack.enter_context(closing(fetches))
        studio = Studio(
            catalog,
            jobs,
            Library(place),
            place,
            page_url=_page_url(space),
            hub=hub,
            fetches=fetches,
        )
        Thread(target=_warm_up, args=(studio, jobs), daemon=True).start()
        page = build_page(studio)
        page.queue(default_concurrency_limit=None)
        page.launch(
            server_name=host,
            server_port=port,
            show_error=False,
            **_with_downloads(launch_kwargs(), jobs, place),
        )


def _with_downloads(
    kwargs: dict[str, Any], jobs: JobRunner, workspace: Workspace
) -> dict[str, Any]:
    inner = kwargs["app_kwargs"]
    routes = [*inner["routes"], download_route(jobs, workspace)]
    return kwargs | {"app_kwargs": inner | {"routes": routes}}


def _warm_up(studio: Studio, jobs: JobRunner) -> None:
    """Read the first family and start the worker, so that the first visitor waits for neither."""
    family = studio.catalog.families[0]
    warm_up(studio.desk, family, first_recipe(family))
    jobs.warm_up()


def _page_url(space: str | None) -> str:
    return f"https://huggingface.co/spaces/{space}" if space else ""
