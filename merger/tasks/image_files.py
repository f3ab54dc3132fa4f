"""Images in a folder, one subfolder a class, divided into validation and test by their looks."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from merger.errors import TaskError
from merger.tasks.base import check_split
from merger.tasks.splitting import divide, unite

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
MOST = 500
MOST_FILES = 20_000
MAX_PIXELS = 64_000_000
THUMB = 16
ALIKE_LEVELS = 4.0  # of 255, root mean square over a thumbnail


@dataclass(frozen=True)
class Pictures:
    """Some images: their files, their labels, and which of them look the same."""

    paths: tuple[Path, ...]
    labels: tuple[str, ...]
    groups: np.ndarray


@dataclass(frozen=True)
class ImageFiles:
    """A folder whose subfolders are classes.

    Images whose bytes repeat count once. Those whose thumbnails of 16 × 16 pixels differ by at
    most 4 of 255 levels (root mean square) fall to the same side. Each split keeps the same
    `most` images, those with the smallest hash.

    Args:
        folder: The folder.
        most: Images per split at most.
    """

    folder: Path
    most: int = MOST

    def split(self, split: str) -> Pictures:
        """Return the images of a split."""
        check_split(split)
        return self._splits[split]

    @property
    def sizes(self) -> Mapping[str, int]:
        """Number of images by split."""
        return {split: len(found.paths) for split, found in self._splits.items()}

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Every class that has an image, sorted."""
        return tuple(sorted({path.parent.name for path in self._files.values()}))

    @property
    def about(self) -> str:
        """How many images there are, and how many of them count."""
        return (
            f"{len(self._files):,} different images, of which {sum(self.sizes.values()):,} count "
            f"({self.most:,} a split at most), divided by a hash of their bytes"
        )

    @cached_property
    def content(self) -> str:
        """Digest of all images and their classes."""
        mark = hashlib.blake2b(str(self.most).encode(), digest_size=16)
        for key, path in sorted(self._files.items()):
            mark.update(f"{key} {path.parent.name}\n".encode())
        return mark.hexdigest()

    @cached_property
    def _files(self) -> dict[str, Path]:
        """Every file by a digest of its bytes; the first in order where two are equal."""
        found: dict[str, Path] = {}
        for path in image_paths(self.folder):
            found.setdefault(hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest(), path)
            if len(found) > MOST_FILES:
                raise TaskError(
                    f"{self.folder.name}: a folder may have up to {MOST_FILES:,} images.",
                    "Take a part of them.",
                )
        if not found:
            raise TaskError(
                f"{self.folder.name}: its subfolders hold no image.",
                f"Each class is a subfolder; images end in {', '.join(ENDINGS)}.",
            )
        return found

    @cached_property
    def _splits(self) -> dict[str, Pictures]:
        keys = sorted(self._files)[: 3 * self.most]
        paths = [self._files[key] for key in keys]
        groups = group_looks(np.stack([thumbnail(path) for path in paths]))
        place = divide(keys, groups)
        found = {}
        for split, mine in (("validation", place < 0.5), ("test", place >= 0.5)):
            inside = np.flatnonzero(mine)
            inside = np.sort(inside[np.argsort(place[inside], kind="stable")][: self.most])
            chosen = tuple(paths[i] for i in inside)
            labels = tuple(path.parent.name for path in chosen)
            found[split] = Pictures(chosen, labels, groups[inside])
        short = [split for split, pictures in found.items() if not pictures.paths]
        if short:
            raise TaskError(
                f"{self.folder.name}: no image falls to {short[0]}; it has "
                f"{len(np.unique(groups)):,} that look different.",
                "Use more images: each goes to one side by a hash.",
            )
        return found


def image_paths(folder: Path) -> Iterator[Path]:
    """Yield the images in a folder's subfolders, in order; what leads out of it is left out."""
    root = folder.resolve()
    for inner in sorted(path for path in folder.glob("*") if path.is_dir()):
        if inner.name.startswith("."):
            continue
        for path in sorted(inner.glob("*")):
            good = path.suffix.lower() in ENDINGS and not path.name.startswith(".")
            if good and path.is_file() and path.resolve().is_relative_to(root):
                yield path


def open_image(path: Path) -> Image.Image:
    """Return an image in RGB.

    Raises:
        TaskError: it is none, or too large.
    """
    try:
        with warnings.catch_warnings():
            # Our own limit is lower; what Pillow thinks of the file's other flaws is no matter.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise TaskError(
                        f"{path.name}: an image may have up to {MAX_PIXELS:,} pixels, this one "
                        f"has {image.width:,} × {image.height:,}.",
                        "Make it smaller.",
                    )
                return image.convert("RGB")
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
        raise TaskError(
            f"{path.parent.name}/{path.name}: must be an image that can be read "
            f"({type(error).__name__}).",
            "Take it out of the folder, or convert it.",
        ) from error


FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")


def thumbnail(path: Path) -> np.ndarray:
    """Return an image at 16 × 16 pixels, (16, 16, 3) float32 from 0 to 255."""
    small = open_image(path).resize((THUMB, THUMB), Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def group_looks(thumbs: np.ndarray) -> np.ndarray:
    """Return a group number per thumbnail (n, 16, 16, 3); those that look alike share one."""
    flat = thumbs.reshape(len(thumbs), -1).astype(np.float64)
    squares = (flat**2).sum(1)
    apart = (squares[:, None] + squares[None] - 2 * flat @ flat.T) / flat.shape[1]
    first, second = np.nonzero(np.triu(apart <= ALIKE_LEVELS**2, 1))
    return unite(len(flat), zip(first.tolist(), second.tolist(), strict=True))
