"""Fetch the files of a repository of the hub that a merge needs into the cache that all share."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from merger.hub.asking import Unreachable, Wish, attempts, look_up
from merger.hub.kept import kept_folder, offline_folder
from merger.hub.meter import Meter
from merger.hub.needed import ADAPTER, companions_in, weights_in
from merger.layout import read_json
from merger.plain_json import PARTS
from merger.quantised import refuse_quantised

AT_ONCE = 4


def fetch(wish: Wish) -> Path:
    """Return the folder of a repository in the cache, with all that a merge needs.

    Raises:
        SourceError: It cannot be had; the message says why.
    """
    found = find(wish)
    return found if isinstance(found, Path) else _download(wish, *found)


def find(wish: Wish) -> Path | tuple[str, Mapping[str, int]]:
    """Return the commit of a repository and the sizes of its files, as the hub says.

    Where the hub cannot be asked it is the folder in the cache, if that may stand in for it.

    Raises:
        SourceError: It cannot be had; the message says why.
    """
    # Imported here because it takes half a second and most merges never need it.
    from huggingface_hub import constants  # noqa: PLC0415

    if constants.HF_HUB_OFFLINE:
        return offline_folder(wish)
    try:
        return look_up(wish)
    except Unreachable as gone:
        # A visitor's rights are known to the hub only; one's own cache is one's own.
        kept = None if wish.access.is_visitor else kept_folder(wish)
        if kept is None:
            raise gone.error from gone
        return kept


def begin(
    wish: Wish, commit: str, sizes: Mapping[str, int], meter: Meter
) -> tuple[Path, list[str]]:
    """Fetch what lies beside the weights; return its folder, and which weights are needed.

    Raises:
        SourceError: There are no weights that may be opened.
    """
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
    return folder, _weights(wish, sizes, folder)


def _download(wish: Wish, commit: str, sizes: Mapping[str, int]) -> Path:
    meter = Meter(wish)
    folder, large = begin(wish, commit, sizes, meter)
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


def _file(wish: Wish, commit: str, name: str, meter: Meter) -> Path:
    from huggingface_hub import constants, hf_hub_download  # noqa: PLC0415  (as above)

    def once() -> Path:
        meter.check()
        with meter.file(name) as bar:
            path = hf_hub_download(
                wish.name, name, revision=commit, token=wish.access.for_hub(),
                endpoint=constants.ENDPOINT, tqdm_class=cast(Any, bar),
            )  # fmt: skip
        return Path(path)

    path = attempts(wish, once, meter.stop)
    meter.finish(name, path.stat().st_size)
    return path


def _abort_transfers() -> None:
    """Stop transfers of large files, which hear of nothing but this."""
    with suppress(Exception):
        from huggingface_hub.utils._xet import abort_xet_session  # noqa: PLC0415

        abort_xet_session()
