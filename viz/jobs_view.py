"""Background jobs as the page shows them: words, a bar, a download."""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from merger.errors import JobError, MergeError
from merger.hub.words import without_cache
from merger.jobs import Job, JobRunner, JobState, rate
from merger.recipe import Recipe
from merger.workspace import DOWNLOAD_LIMIT_BYTES, Workspace
from viz.adapters import adapted
from viz.catalog import Family
from viz.job_words import COUNTED, merges_in_words
from viz.outputs import adapter_view, check_views, checked_rank
from viz.places import job_rules
from viz.session import recipe_line

WORDS = {
    JobState.WAITING: "waiting for its turn",
    JobState.RUNNING: "running",
    JobState.DONE: "done",
    JobState.CANCELLED: "cancelled",
    JobState.FAILED: "failed",
    JobState.INTERRUPTED: "interrupted",
}
LONGEST_WAIT = 20.0


def job_view(job: Job) -> dict[str, Any]:
    """Return what the card of a job shows."""
    result = job.result or {}
    error = job.error or {}
    size = result.get("bytes", 0)
    kept = job.state is JobState.DONE and result.get("path") and size <= DOWNLOAD_LIMIT_BYTES
    return {
        "id": job.id,
        "title": job.title,
        "state": job.state.value,
        "words": WORDS[job.state],
        "done": job.done,
        "total": job.total,
        "detail": without_cache(_detail(job, result, error)),
        "hint": without_cache(error.get("hint", "")),
        "size": in_bytes(size),
        "adapter": adapter_view(result.get("adapter")),
        "checks": check_views(result.get("check")),
        "download": f"ms-download/{job.id}" if kept else "",
        "version": f"{job.state.value}/{job.done}/{job.total}/{job.note}",
    }


async def next_view(runner: JobRunner, id: str, owner: str, seen: str | None) -> dict[str, Any]:
    """Wait until a job looks different from what the page has seen, and return its view."""
    latest = job_view(runner.get(id, owner))
    try:
        async with asyncio.timeout(LONGEST_WAIT):
            async for job in runner.follow(id, owner):
                latest = job_view(job)
                if latest["version"] != seen:
                    break
    except TimeoutError:
        pass  # nothing happened; the page asks again
    return latest


def start_merge(
    runner: JobRunner,
    recipe: Recipe,
    owner: str,
    family: Family,
    rank: object = None,
    *,
    of: object = None,
    check: bool = False,
    scores: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Start the real merge of a recipe and return the view of its job.

    Args:
        runner: Takes the job.
        recipe: What to merge.
        owner: Whose job it is.
        family: Where the models lie.
        rank: Of the LoRA adapter to write; None for a model.
        of: The expert whose own change the adapter holds; None for the merge.
        check: Whether to test the model that was written.
        scores: What the merge scored, for the model card.
    """
    if rank is not None:
        recipe = adapted(recipe, family.base, of)
    name = str(of) if rank is not None and of else recipe.method
    payload: dict[str, Any] = {"recipe": recipe.to_json(), "name": name}
    payload |= {"check": check, "scores": None if scores is None else dict(scores)}
    title = recipe_line(recipe)
    if rank is not None:
        payload["adapter"] = checked_rank(rank)
        title = f"{title} as an adapter of rank {rank}"
    payload |= job_rules(family)
    return job_view(runner.submit("merge", payload, owner=owner, title=title))


def download_route(runner: JobRunner, workspace: Workspace) -> Route:
    """Return the route that sends a finished merge; the unguessable job id is the capability."""

    async def send(request: Request) -> Response:
        id = request.path_params["id"]
        try:
            job = runner.get(id)
            if job.state is not JobState.DONE:
                raise JobError("This job has no result to download.", "Run the merge again.")
            path = await asyncio.to_thread(workspace.archive, id)
        except MergeError as error:
            return PlainTextResponse(f"{error.message} {error.hint}", status_code=404)
        return FileResponse(path, media_type="application/zip", filename=path.name)

    return Route("/ms-download/{id}", send, methods=["GET"])


def in_bytes(size: float) -> str:
    """Return a size as people say it.

    Example:
        >>> in_bytes(1_850_000)
        '1.9 MB'
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size:.0f} bytes"


def _detail(job: Job, result: dict[str, Any], error: dict[str, str]) -> str:
    if job.kind in COUNTED and job.state is not JobState.WAITING and not error:
        return merges_in_words(job, result)
    if job.state is JobState.DONE:
        files = result.get("files", ())
        count = files if isinstance(files, int) else len(files)
        size = f"{in_bytes(result.get('bytes', 0))} in {count} files, {job.seconds:.1f} s."
        return " ".join([size, *result.get("afterwards", ())])
    if job.is_finished:
        return error.get("message", "Nothing was kept.")
    if job.state is JobState.WAITING:
        return job.note or "Waiting for its turn."
    speed = rate(job)
    parts = [f"{in_bytes(job.done)} of {in_bytes(job.total)}" if job.total else "", job.note]
    if speed.per_second:
        parts.append(f"{in_bytes(speed.per_second)}/s")
    if speed.seconds_left is not None:
        parts.append(f"{speed.seconds_left:.0f} s left")
    return " · ".join(p for p in parts if p)
