"""Read the headers of a repository's weights over the wire, a few kilobytes of each file."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from merger.checkpoint import Checkpoint, FileCheckpoint
from merger.errors import SourceError
from merger.header import FileHeader, check_header, header_length, read_header
from merger.hub.access import Access
from merger.hub.asking import ANSWER_SECONDS, Unreachable, Wish, attempts
from merger.hub.fetch import begin, find
from merger.hub.meter import Meter
from merger.hub.needed import ADAPTER, index_in
from merger.layout import Layout, shards_layout, single_layout
from merger.quantised import refuse_quantised
from merger.unfetched import Fetch, UnfetchedCheckpoint

AT_ONCE = 8


def look(wish: Wish) -> tuple[Path, UnfetchedCheckpoint | None]:
    """Return a repository's folder in the cache, with its small files, and what its weights are.

    Returns: (folder, weights); None for weights that are in the folder already.

    Raises:
        SourceError: It cannot be had, or its headers break a rule; the message says why.
    """
    found = find(wish)
    if isinstance(found, Path):
        return found, None
    commit, sizes = found
    folder, names = begin(wish, commit, sizes, Meter(wish))
    if names == [*ADAPTER[1:]] and not wish.is_adapter:
        raise SourceError(
            f"hub:{wish.name} holds an adapter (LoRA), not a whole model.",
            f"Write lora:hub:{wish.name} to put it on the recipe's base.",
        )
    kept = {name: path for name in names if (path := _kept(wish.name, commit, name)) is not None}
    if names and len(kept) == len(names):
        return kept[names[0]].parent, None
    headers = _headers(wish, commit, {name: sizes[name] for name in names}, kept)
    layout = _layout(wish, folder, headers, sizes)
    whole = sum(sizes[name] for name in names)
    missing = sum(sizes[name] for name in names if name not in kept)
    fetch = Fetch(f"hub:{wish.name}@{commit}", whole, missing)
    return folder, UnfetchedCheckpoint(wish.name, folder, layout, fetch)


def open_headers(wish: Wish) -> Checkpoint:
    """Return a model of the hub by its headers; its weights are not fetched."""
    folder, weights = look(wish)
    return FileCheckpoint(folder, label=wish.name) if weights is None else weights


def _kept(name: str, commit: str, file: str) -> Path | None:
    """Return where a file lies in the cache, or None."""
    # Imported here because it takes half a second and most merges never need it.
    from huggingface_hub import constants, try_to_load_from_cache  # noqa: PLC0415

    found = try_to_load_from_cache(name, file, constants.HF_HUB_CACHE, revision=commit)
    return Path(found) if isinstance(found, str) else None


def _layout(
    wish: Wish, folder: Path, headers: Mapping[str, FileHeader], sizes: Mapping[str, int]
) -> Layout:
    index = None if wish.is_adapter else index_in(sizes)
    if index is not None:
        layout = shards_layout(folder, index, headers.__getitem__)
    else:
        layout = single_layout(next(iter(headers.values())))
    if not wish.is_adapter:
        refuse_quantised(Path(f"hub:{wish.name}"), layout.places, None)
    return layout


def _headers(
    wish: Wish, commit: str, sizes: Mapping[str, int], kept: Mapping[str, Path]
) -> dict[str, FileHeader]:
    def read(name: str) -> FileHeader:
        if name in kept:
            return read_header(kept[name])
        return _header(wish, commit, name, sizes[name])

    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="hub")
    try:
        return dict(zip(sizes, pool.map(read, sizes), strict=True))
    except Unreachable as gone:
        raise gone.error from gone
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _header(wish: Wish, commit: str, name: str, size: int) -> FileHeader:
    """Read one header: eight bytes that say how long it is, then the header."""
    from huggingface_hub import constants, hf_hub_url  # noqa: PLC0415  (as above)

    path = Path(f"hub:{wish.name}") / name
    url = hf_hub_url(wish.name, name, revision=commit, endpoint=constants.ENDPOINT)

    def part(start: int, stop: int) -> bytes:
        return attempts(wish, lambda: _part(wish.access, url, start, min(stop, size)))

    length = header_length(path, part(0, 8), size)
    return check_header(path, part(8, 8 + length), size)


def _part(access: Access, url: str, start: int, stop: int) -> bytes:
    """Return some bytes of a file; a server that sends all of it is listened to no longer."""
    from huggingface_hub.utils import (  # noqa: PLC0415  (as above)
        build_hf_headers,
        get_session,
        hf_raise_for_status,
    )

    if stop <= start:
        return b""
    # Compressed bytes would be others than those asked for.
    wanted = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
    headers = build_hf_headers(token=access.for_hub()) | wanted
    got = bytearray()
    with get_session().stream("GET", url, headers=headers, timeout=ANSWER_SECONDS) as answer:
        if answer.status_code >= 400:
            answer.read()
        hf_raise_for_status(answer)
        skip = 0 if answer.status_code == 206 else start
        for chunk in answer.iter_bytes():
            got += chunk
            if len(got) >= skip + stop - start:
                break
    part = bytes(got[skip : skip + stop - start])
    if len(part) < stop - start:
        raise OSError(f"The answer ended after {len(part)} of {stop - start} bytes.")
    return part
