"""What the cache has of a repository, and when that may stand in for the hub."""

from pathlib import Path

from merger.errors import SourceError
from merger.hub.asking import Wish
from merger.hub.needed import ADAPTER, weights_in
from merger.hub.words import in_words
from merger.layout import read_json
from merger.plain_json import PARTS


def offline_folder(wish: Wish) -> Path:
    """Return the folder that the cache has, where the hub must not be asked."""
    if wish.access.is_visitor:
        raise SourceError(
            f"hub:{wish.name}: this app is offline, and cannot ask the hub whether you may read "
            "it.",
            "The host can offer the model's folder with --models.",
        )
    kept = kept_folder(wish)
    if kept is None:
        raise SourceError(
            f"hub:{wish.name} is not in the cache, and HF_HUB_OFFLINE forbids to fetch it.",
            "Unset HF_HUB_OFFLINE, or download the model beforehand.",
        )
    return kept


def kept_folder(wish: Wish) -> Path | None:
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


def granted_folder(wish: Wish) -> Path:
    """Return the folder of a commit that was fetched before; the hub is not asked.

    Raises:
        SourceError: It is not in the cache, or not all of it.
    """
    folder = kept_folder(wish)
    if folder is None or not _is_whole(wish, folder):
        raise SourceError(
            f"hub:{wish.name} has not been fetched yet, or the cache was emptied.",
            "Fetch it under Models of the hub.",
        )
    return folder


def _is_whole(wish: Wish, folder: Path) -> bool:
    """Return whether the weights are there too; the doctor fetches what lies beside them only."""
    names = {path.name for path in folder.iterdir() if path.is_file()}
    if wish.is_adapter:
        return set(ADAPTER) <= names
    try:
        return bool(
            weights_in(wish.name, names, lambda name: read_json(folder / name, parts=PARTS))
        )
    except SourceError:
        return False
