"""Put a merged model on the hub: into a new repository, private unless asked otherwise.

Nothing that is there is ever replaced or deleted: the repository is made by the same request that
finds out whether its name is free, and all files arrive in one commit.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from merger.errors import MergeError, OutputError
from merger.header import shown
from merger.hub.access import OWN, Access
from merger.hub.page import Page, page_of
from merger.hub.words import is_transient, reason
from merger.progress import Progress, Report, check_cancel
from merger.verify import verify

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

CARD = "README.md"
RECIPE = "recipe.yaml"
# What the hub puts into every new repository.
OF_THE_HUB = {".gitattributes"}
GO_ON = "Run the same command again: an empty repository of that name is filled."
TOKEN = "Set HF_TOKEN to a token that may write there, or run hf auth login."


@dataclass(frozen=True, slots=True)
class Publication:
    """What goes to the hub, or went there.

    Args:
        folder: The merged model.
        repository: Such as org/name.
        is_public: Whether everybody may read it.
        license: What its card states, or "" where it states none.
        files: Each file with its bytes, as uploaded.
        left_out: What lies in the folder and is not part of the merge.
        notices: What to know before others read it.
        page: The card as it is uploaded.
        url: Where it is; "" before it is there.
    """

    folder: Path
    repository: str
    is_public: bool
    license: str
    files: tuple[tuple[str, int], ...]
    left_out: tuple[str, ...]
    notices: tuple[str, ...]
    page: str
    url: str = ""

    @property
    def size(self) -> int:
        """All bytes together."""
        return sum(size for _, size in self.files)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "repository": self.repository,
            "visibility": "public" if self.is_public else "private",
            "license": self.license or None,
            "bytes": self.size,
            "files": [{"name": name, "bytes": size} for name, size in self.files],
            "left_out": list(self.left_out),
            "notices": list(self.notices),
            "url": self.url or None,
        }


def plan_publication(
    folder: Path,
    repository: str,
    *,
    public: bool = False,
    report: Report | None = None,
    cancel: Event | None = None,
) -> Publication:
    """Say what would go to the hub; nothing is sent, and every file is checked.

    Args:
        folder: A model that `merge` wrote.
        repository: Such as org/name.
        public: Whether everybody may read it.
        report: Told of bytes checked.
        cancel: Stops it.

    Raises:
        OutputError: This is no merged model, or not as it was written.
    """
    _check_name(repository)
    for name in (RECIPE, CARD):
        if not (folder / name).is_file():
            raise _not_a_merge(folder, name)
    found = verify(folder, report=report, cancel=cancel)
    if not found.is_well:
        raise OutputError(f"{folder} is not as it was written: {found.verdict}")
    page: Page = page_of(folder)
    listed = [file.name for file in found.files if file.state == "same"]
    sizes = {name: (folder / name).stat().st_size for name in listed}
    sizes[CARD] = len(page.text.encode())
    left_out = tuple(file.name for file in found.files if file.state == "extra")
    return Publication(
        folder, repository, public, page.license, tuple(sorted(sizes.items())), left_out,
        page.notices, page.text,
    )  # fmt: skip


def publish(
    plan: Publication,
    *,
    access: Access = OWN,
    report: Report | None = None,
    cancel: Event | None = None,
) -> Publication:
    """Upload a model into a new repository, and return where it is.

    Args:
        plan: What goes there.
        access: Whose token is used.
        report: Told of bytes uploaded, file by file.
        cancel: Stops before the next file; what has been uploaded is then part of no commit.

    Raises:
        OutputError: The repository exists already, or the hub refuses.
    """
    # Imported here because it takes half a second and most merges never need it.
    from huggingface_hub import CommitOperationAdd, HfApi, constants  # noqa: PLC0415

    if constants.HF_HUB_OFFLINE:
        raise OutputError("HF_HUB_OFFLINE forbids to publish.", "Unset it.")
    api = HfApi(endpoint=constants.ENDPOINT, token=access.for_hub())
    start = _ask(plan, lambda: _new_repository(api, plan))
    added = [
        CommitOperationAdd(name, plan.page.encode() if name == CARD else str(plan.folder / name))
        for name, _ in plan.files
    ]
    with _quiet():
        _upload(api, plan, added, report, cancel)
        _ask(plan, lambda: _commit(api, plan, added, start))
    return replace(plan, url=f"{constants.ENDPOINT}/{plan.repository}")


def _upload(
    api: "HfApi",
    plan: Publication,
    added: "list[CommitOperationAdd]",
    report: Report | None,
    cancel: Event | None,
) -> None:
    """Send what is too large for a commit; until that is made, nobody sees it."""
    done = 0
    for operation, (name, size) in zip(added, plan.files, strict=True):
        check_cancel(cancel)
        _ask(plan, lambda op=operation: api.preupload_lfs_files(plan.repository, [op]))
        done += size
        if report is not None:
            report(Progress(done, plan.size, "bytes", name))
    check_cancel(cancel)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let huggingface_hub draw no bars of its own."""
    from huggingface_hub.utils import (  # noqa: PLC0415  (as above)
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _new_repository(api: "HfApi", plan: Publication) -> str:
    """Make the repository and return the commit it begins with."""
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415  (as above)

    try:
        api.create_repo(plan.repository, private=not plan.is_public, exist_ok=False)
    except HfHubHTTPError as error:
        if error.response.status_code != 409:
            raise
        return _check_empty(api, plan)
    return str(api.model_info(plan.repository).sha)


def _check_empty(api: "HfApi", plan: Publication) -> str:
    """Check that an existing repository holds nothing that could be replaced."""
    info = api.model_info(plan.repository)
    held = sorted({file.rfilename for file in info.siblings or ()} - OF_THE_HUB)
    if held:
        raise OutputError(
            f"{plan.repository} exists already, and is kept: it holds {len(held)} files.",
            "Choose another name. To replace it, delete it yourself on its page first.",
        )
    if bool(info.private) == plan.is_public:
        now, wanted = ("private", "public") if info.private else ("public", "private")
        raise OutputError(
            f"{plan.repository} exists already; it is empty and {now}, and is to be {wanted}.",
            "Change that on its page, or choose another name.",
        )
    return str(info.sha)


def _commit(
    api: "HfApi", plan: Publication, added: "list[CommitOperationAdd]", start: str
) -> None:
    try:
        api.create_commit(
            plan.repository,
            added,
            commit_message="Add a merged model",
            # Refused where anybody has added anything since: nothing is ever replaced.
            parent_commit=start,
        )
    except Exception as error:
        # The answer may be lost and the commit made.
        if not is_transient(error) or api.model_info(plan.repository).sha == start:
            raise


def _ask(plan: Publication, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except MergeError:
        raise
    except Exception as error:
        raise _refusal(plan.repository, error) from error


def _refusal(name: str, error: Exception) -> OutputError:
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError  # noqa: PLC0415

    code = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if code == 401 or isinstance(error, RepositoryNotFoundError):
        return OutputError(f"The hub does not let you write to {name}: no valid token.", TOKEN)
    if code == 403:
        return OutputError(f"The hub does not let you write to {name}.", TOKEN)
    if code == 412:
        return OutputError(
            f"{name} was changed by somebody else meanwhile; nothing was added.",
            "Look at its page, or choose another name.",
        )
    return OutputError(f"{name} could not be written: {reason(error)}", GO_ON)


def _check_name(repository: str) -> None:
    from huggingface_hub.errors import HFValidationError  # noqa: PLC0415  (as above)
    from huggingface_hub.utils import validate_repo_id  # noqa: PLC0415

    try:
        validate_repo_id(repository)
        if repository.count("/") == 1:
            return
        why = "it has no organisation or user"
    except HFValidationError as error:
        why = shown(str(error).rstrip("."))
    raise OutputError(
        f"{shown(repository)} is not a repository's name: {why}.", "Write organisation/name."
    )


def _not_a_merge(folder: Path, name: str) -> OutputError:
    inner = sorted(path.parent.name for path in folder.glob(f"*/{RECIPE}"))
    if inner:
        return OutputError(
            f"{folder} holds one model per expert ({', '.join(map(shown, inner[:4]))}).",
            f"Publish each by itself, such as {shown(str(folder / inner[0]))}.",
        )
    return OutputError(
        f"{folder} has no {name}, so nobody could tell how it was made.",
        "Give the folder that merge wrote.",
    )
