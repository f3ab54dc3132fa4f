"""`hub:org/name[@revision]`: a model of the hub, downloaded once into its usual cache."""

import re
from pathlib import Path

from merger.checkpoint import Checkpoint, FileCheckpoint
from merger.errors import SourceError
from merger.header import shown
from merger.sources import Opening

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
WANTED = ["*.safetensors", "*.json", "*.model", "*.txt", "*.jinja", "README.md"]
# Pickles and other people's formats stay where they are; so do copies in subfolders.
UNWANTED = ["*/*"]


def open_here(rest: str, opening: Opening) -> Checkpoint:
    """Open a model of the hub, downloading what is not in the cache yet."""
    opening.refuse_step(f"hub:{rest}")
    folder, name = fetch(rest)
    return FileCheckpoint(folder, label=name)


def fetch(rest: str) -> tuple[Path, str]:
    """Return the folder of a repository of the hub, downloaded if need be, and its name."""
    name, _, revision = rest.partition("@")
    if not REPOSITORY.fullmatch(name):
        raise SourceError(
            f"hub:{shown(rest)} must be hub:organisation/name or hub:organisation/name@revision.",
            "Copy the name from the model's page.",
        )
    return _download(name, revision or None), name


def _download(name: str, revision: str | None) -> Path:
    # Imported here because it takes half a second and most merges never need it.
    from httpx import HTTPError  # noqa: PLC0415
    from huggingface_hub import constants, snapshot_download  # noqa: PLC0415
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError  # noqa: PLC0415

    try:
        return Path(
            snapshot_download(
                name, revision=revision, allow_patterns=WANTED, ignore_patterns=UNWANTED
            )
        )
    except HFValidationError as error:
        raise SourceError(f"hub:{name} is not a valid name: {error}.") from error
    except (HfHubHTTPError, HTTPError, OSError) as error:
        if constants.HF_HUB_OFFLINE:
            raise SourceError(
                f"hub:{name} is not in the cache, and HF_HUB_OFFLINE forbids to fetch it.",
                "Unset HF_HUB_OFFLINE, or download the model beforehand.",
            ) from error
        first = shown(str(error).strip().partition("\n")[0])
        raise SourceError(
            f"hub:{name} cannot be fetched: {first or type(error).__name__}",
            "Check the name and the connection; gated models need a token (HF_TOKEN).",
        ) from error
