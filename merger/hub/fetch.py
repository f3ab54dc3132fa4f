"""Fetch the files of a repository of the hub that a merge needs into the cache that all share."""

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from merger.errors import Cancelled, MergeError, SourceError
from merger.hub.access import OWN, Access
from merger.hub.needed import ADAPTER, companions_in, weights_in
from merger.hub.words import in_words, is_transient
from merger.layout import read_json
from merger.plain_json import PARTS
from merger.progress import Progress, Report, check_cancel
from merger.quantised import refuse_quantised

T = TypeVar("T")
# Seconds to wait before each further attempt.
PAUSES = (1.0, 2.0, 4.0)
AT_ONCE = 4
ANSWER_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Wish:
    """Which repository, and how it is to be fetched.

    Args:
        name: Such as org/name.
        revision: A branch, tag or commit; None is the main branch.
        is_adapter: Whether its adapter is wanted rather than a model.
        access: Whose rights count.
        report: Told of bytes fetched.
        cancel: Stops it.
    """

    name: str
    revision: str | None = None
    is_adapter: bool = False
    access: Access = OWN
    report: Report | None = None
    cancel: threading.Event | None = None


def fetch(wish: Wish) -> Path:
    """Return the folder of a repository in the cache, with all that a merge needs.

    Raises:
        SourceError: It cannot be had; the message says why.
    """
    # Imported here because it takes half a second and most merges never need it.
    from huggingface_hub import constants  # noqa: PLC0415

    if constants.HF_HUB_OFFLINE:
        return _offline(wish)
    try:
        commit, sizes = _attempts(wish, lambda: _look_up(wish))
    except _Unreachable as gone:
        # A visitor's rights are known to the hub only; one's own cache is one's own.
        kept = None if wish.access.is_visitor else _kept(wish)
        if kept is None:
            raise gone.error from gone
        return kept
    return _download(wish, commit, sizes)


def _look_up(wish: Wish) -> tuple[str, Mapping[str, int]]:
    """Return the commit that a revision means, and its files with their sizes."""
    from huggingface_hub import HfApi, constants  # noqa: PLC0415  (as above)

    api = HfApi(endpoint=constants.ENDPOINT, token=wish.access.for_hub())
    info = api.model_info(
        wish.name, revision=wish.revision, files_metadata=True, timeout=ANSWER_SECONDS
    )
    if wish.access.is_visitor:
        _check_rights(wish)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    if info.sha is None:
        raise SourceError(f"hub:{wish.name}: the hub does not say which commit this is.")
    return info.sha, sizes


def _check_rights(wish: Wish) -> None:
    """Raise where the hub would not let the asker read: all may see a gated repository's list."""
    from huggingface_hub import constants  # noqa: PLC0415  (as above)
    from huggingface_hub.utils import (  # noqa: PLC0415
        build_hf_headers,
        get_session,
        hf_raise_for_status,
    )

    # As HfApi.auth_check, which would wait for an answer for ever.
    url = f"{constants.ENDPOINT}/api/models/{wish.name}/auth-check"
    headers = build_hf_headers(token=wish.access.for_hub())
    hf_raise_for_status(get_session().get(url, headers=headers, timeout=ANSWER_SECONDS))


def _download(wish: Wish, commit: str, sizes: Mapping[str, int]) -> Path:
    meter = _Meter(wish)
    small = companions_in(sizes)
    if not small and not any(name.endswith(".safetensors") for name in sizes):
        weights_in(wish.name, sizes, lambda index: {})
    meter.expect(sum(sizes[name] for name in small))
    folder = Path()
    # These first: they say which weights are needed, and weights without them are no model.
    for name in small:
        folder = _file(wish, commit, name, meter).parent
    if (folder / "config.json").is_file() and not wish.is_adapter and small:
        refuse_quantised(Path(f"hub:{wish.name}"), {}, read_json(folder / "config.json"))
    large = _weights(wish, sizes, folder)
    meter.expect(sum(sizes[name] for name in large))
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="hub")
    try:
        futures = [pool.submit(_file, wish, commit, name, meter) for name in large]
        for future in futures:
            folder = future.result().parent
    except BaseException:
        meter.stop.set()
        _abort_transfers()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    _remember(wish, commit, folder)
    return folder


def _remember(wish: Wish, commit: str, folder: Path) -> None:
    """Note which commit a branch means, for when the hub cannot be asked."""
    revision = wish.revision or "main"
    if revision == commit or ".." in revision or revision.startswith("/"):
        return
    # What cannot be noted, such as beside a cache that may only be read, is asked for again.
    with suppress(OSError):
        path = folder.parents[1] / "refs" / revision
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
        fresh.write_text(commit, "ascii")
        fresh.replace(path)


def _weights(wish: Wish, sizes: Mapping[str, int], folder: Path) -> list[str]:
    if wish.is_adapter:
        return [name for name in ADAPTER[1:] if name in sizes]
    return weights_in(wish.name, sizes, lambda name: read_json(folder / name, parts=PARTS))


def _file(wish: Wish, commit: str, name: str, meter: "_Meter") -> Path:
    from huggingface_hub import constants, hf_hub_download  # noqa: PLC0415  (as above)

    def once() -> Path:
        meter.check()
        with meter.file(name) as bar:
            path = hf_hub_download(
                wish.name, name, revision=commit, token=wish.access.for_hub(),
                endpoint=constants.ENDPOINT, tqdm_class=cast(Any, bar),
            )  # fmt: skip
        return Path(path)

    path = _attempts(wish, once, meter.stop)
    meter.finish(name, path.stat().st_size)
    return path


class _Unreachable(Exception):
    """The hub could not be reached in several attempts; `error` says it in words."""

    def __init__(self, error: MergeError) -> None:
        super().__init__(error.message)
        self.error = error


def _attempts(wish: Wish, call: Callable[[], T], stop: threading.Event | None = None) -> T:
    """Return what a call returns, tried again after a while where that may help."""
    for pause in (*PAUSES, None):
        check_cancel(wish.cancel)
        try:
            return call()
        except MergeError:
            raise
        except Exception as error:
            said = in_words(error, wish.name, wish.revision, wish.access)
            if not is_transient(error):
                raise said from error
            if pause is None:
                raise (_Unreachable(said) if stop is None else said) from error
        (wish.cancel or stop or threading.Event()).wait(pause)
    raise AssertionError("the last attempt returns or raises")


class _Meter:
    """Adds up what all files have got so far, and stops them when asked to."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._lock = threading.Lock()
        self._got: dict[str, int] = {}
        self._total = 0
        # What is in the cache already is not told of: there is nothing to wait for.
        self._is_fetching = False
        self.stop = threading.Event()

    def expect(self, size: int) -> None:
        self._total += size

    def check(self) -> None:
        check_cancel(self._wish.cancel)
        if self.stop.is_set():
            raise Cancelled("Stopped because another file could not be fetched.")

    def file(self, name: str) -> "_Bar":
        """Return what huggingface_hub tells of one file, from its beginning."""
        with self._lock:
            self._got[name] = 0
        return _Bar(self, name)

    def add(self, name: str, size: int) -> None:
        self.check()
        with self._lock:
            self._got[name] = self._got.get(name, 0) + size
            self._is_fetching = True
            self._tell(name)

    def finish(self, name: str, size: int) -> None:
        """Note that a file is complete, be it from the cache."""
        with self._lock:
            self._got[name] = size
            self._tell(name)

    def _tell(self, name: str) -> None:
        if self._wish.report is not None and self._is_fetching:
            done = min(sum(self._got.values()), self._total)
            note = f"fetching {self._wish.name}: {name}"
            self._wish.report(Progress(done, self._total, "bytes", note))


class _Bar:
    """Stands for the class of a progress bar, and for the bar that is made from it."""

    def __init__(self, meter: _Meter, name: str) -> None:
        self._meter = meter
        self._name = name
        self.n = 0
        self.total: int | None = None

    def __call__(self, *_: Any, total: int | None = None, **__: Any) -> "_Bar":
        self.total = total
        return self

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, n: float | None = 1) -> None:
        self.n += int(n or 0)
        self._meter.add(self._name, int(n or 0))

    def update_transfer(self, n: float | None = 1) -> None:
        """Do nothing: bytes count when they are on the disk."""

    def set_postfix_str(self, *_: object, **__: object) -> None:
        """Do nothing: what is drawn is drawn from reports."""

    set_transfer_postfix_str = refresh = close = set_postfix_str


def _abort_transfers() -> None:
    """Stop transfers of large files, which hear of nothing but this."""
    with suppress(Exception):
        from huggingface_hub.utils._xet import abort_xet_session  # noqa: PLC0415

        abort_xet_session()


def _offline(wish: Wish) -> Path:
    if wish.access.is_visitor:
        raise SourceError(
            f"hub:{wish.name}: this app is offline, and cannot ask the hub whether you may read "
            "it.",
            "The host can offer the model's folder with --models.",
        )
    kept = _kept(wish)
    if kept is None:
        raise SourceError(
            f"hub:{wish.name} is not in the cache, and HF_HUB_OFFLINE forbids to fetch it.",
            "Unset HF_HUB_OFFLINE, or download the model beforehand.",
        )
    return kept


def _kept(wish: Wish) -> Path | None:
    """Return the folder that the cache has for a revision, or None."""
    from huggingface_hub import constants, snapshot_download  # noqa: PLC0415  (as above)
    from huggingface_hub.errors import (  # noqa: PLC0415
        HFValidationError,
        LocalEntryNotFoundError,
    )

    try:
        # No patterns: which files are there is judged by what reads them.
        return Path(
            snapshot_download(
                wish.name, revision=wish.revision, local_files_only=True,
                cache_dir=constants.HF_HUB_CACHE, allow_patterns=["config.json"],
            )
        )  # fmt: skip
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise in_words(error, wish.name, wish.revision, wish.access) from error
