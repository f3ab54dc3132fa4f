"""Real glyphs, drawn from the fonts of Debian packages."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from merger.errors import SourceError

CANVAS, POINT, SIDE = 96, 60, 28
FIT = CANVAS * 20 / 28
SKIP = re.compile(
    r"symbol|dingbat|emoji|ornament|barcode|music|math|braille|last.?resort|strokeorder|fallback",
    re.IGNORECASE,
)
# Words that name a style, so that a condensed or a monospaced cut counts as the same family.
STYLE = re.compile(
    r"(condensed|semicondensed|extracondensed|display|caption|mono|propo?|hinted|ui|sc|smallcaps|"
    r"bold|black|light|medium|thin|regular|italic|oblique|demi|book|heavy|roman|narrow|wide|"
    r"compact|basic|plus|new|std|pro|[0-9]+)$"
)


@dataclass(slots=True)
class Font:
    """One font file: where it lies, who packaged it, which family it counts as."""

    path: Path
    package: str
    family: str
    codes: frozenset[int] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Images (n, 28, 28) with a class and a family number each; ink is bright."""

    images: np.ndarray
    labels: np.ndarray
    family: np.ndarray


def family_of(stem: str) -> str:
    """Reduce a file name to its family: `NotoSansArabic-Bold` becomes `notosansarabic`."""
    parts = re.split(r"[-_]", stem.lower())
    # `ae_Cortoba` and `BPG_Glaho` open with their maker, not with the family.
    name = parts[1] if len(parts[0]) < 4 and len(parts) > 1 and parts[1] else parts[0]
    while (shorter := STYLE.sub("", name)) != name and len(shorter) >= 4:
        name = shorter
    return name


def _reader() -> Any:
    """Only drawing needs fontTools, so that the app and the tests do without it."""
    try:
        return import_module("fontTools.ttLib")
    except ModuleNotFoundError as error:
        raise SourceError(
            "fonttools: must be installed to read fonts, it is not.",
            "Run `pip install --no-deps -r requirements-zoo.txt`.",
        ) from error


def _codes(path: Path) -> frozenset[int]:
    reader = _reader()
    try:
        if path.suffix.lower() == ".ttc":
            font = reader.TTCollection(str(path), lazy=True).fonts[0]
        else:
            font = reader.TTFont(str(path), lazy=True)
        return frozenset(font.getBestCmap() or ())
    except (reader.TTLibError, OSError, AssertionError, KeyError, ValueError):
        return frozenset()


def _files_of(package: str) -> list[Path]:
    listing = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=False)
    if listing.returncode:
        raise SourceError(
            f"{package}: must be installed, dpkg doesn't list it.",
            "Install the packages named in merger/zoo/packages.txt with apt-get.",
        )
    paths = (Path(line) for line in listing.stdout.splitlines())
    return [p for p in paths if p.suffix.lower() in {".ttf", ".otf", ".ttc"} and p.is_file()]


def find_fonts(packages: list[str]) -> list[Font]:
    """List the usable fonts of these packages in a fixed order, one entry per drawing."""
    fonts: list[Font] = []
    seen: set[str] = set()
    for package in sorted(packages):
        for path in sorted(_files_of(package)):
            # Several packages ship one font as ttf and otf, or link it: the stem names it once.
            if path.stem.lower() in seen or SKIP.search(path.stem) or path.is_symlink():
                continue
            codes = _codes(path)
            if codes:
                seen.add(path.stem.lower())
                fonts.append(Font(path, package, family_of(path.stem), codes))
    return fonts


def open_face(font: Font) -> ImageFont.FreeTypeFont | None:
    """Open the font for drawing, or say None where FreeType refuses it."""
    try:
        return ImageFont.truetype(str(font.path), POINT, layout_engine=ImageFont.Layout.BASIC)
    except OSError:
        return None


def draw_plain(face: ImageFont.FreeTypeFont, text: str) -> tuple[Image.Image, float] | None:
    """Draw a glyph centred on the canvas; returns it with its longer side, None if blank."""
    try:
        left, top, right, bottom = face.getbbox(text)
    except (OSError, ValueError):
        return None
    side = max(right - left, bottom - top)
    if side < 4 or side > 4 * CANVAS:
        return None
    image = Image.new("L", (CANVAS, CANVAS))
    origin = (CANVAS / 2 - (left + right) / 2, CANVAS / 2 - (top + bottom) / 2)
    ImageDraw.Draw(image).text(origin, text, fill=255, font=face)
    return image, side


def distort(plain: Image.Image, side: float, rng: np.random.Generator) -> np.ndarray:
    """Rotate, scale, shear and shift a glyph by a little, at 28 x 28."""
    angle = np.deg2rad(rng.uniform(-10, 10))
    scale = FIT / side * rng.uniform(0.85, 1.15)
    shear = rng.uniform(-0.15, 0.15)
    shift = rng.uniform(-4, 4, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    inverse = np.linalg.inv(scale * turn @ np.array([[1, shear], [0, 1]]))
    centre = np.full(2, CANVAS / 2)
    offset = centre - inverse @ (centre + shift)
    matrix = (*inverse[0], offset[0], *inverse[1], offset[1])
    moved = plain.transform(
        plain.size, Image.Transform.AFFINE, tuple(map(float, matrix)), Image.Resampling.BILINEAR
    )
    return np.asarray(moved.resize((SIDE, SIDE), Image.Resampling.BOX))


def _drawings(font: Font, chars: list[str]) -> Iterator[tuple[str, tuple[Image.Image, float]]]:
    """Draw those of the characters that the font can draw, undistorted."""
    face = open_face(font) if chars else None
    if face is None:
        return
    for char in chars:
        drawn = draw_plain(face, char)
        if drawn:
            yield char, drawn


def join_twins(fonts: list[Font], letters: str) -> None:
    """Give one family name to fonts that draw a letter with the very same pixels.

    Renamed copies of one design would otherwise stand on both sides of a split.
    """
    owner: dict[tuple[str, bytes], str] = {}
    parent: dict[str, str] = {font.family: font.family for font in fonts}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for font in fonts:
        wanted = [c for c in letters if ord(c) in font.codes]
        for char, (image, _) in _drawings(font, wanted):
            first = owner.setdefault((char, image.tobytes()), font.family)
            one, two = sorted((root(first), root(font.family)))
            parent[two] = one
    for font in fonts:
        font.family = root(font.family)


def _share_out(fonts: list[int], families: list[str], count: int) -> Counter[int]:
    """Spread `count` drawings over families evenly, then over the fonts of each family."""
    by_family: dict[str, list[int]] = {}
    for index in fonts:
        by_family.setdefault(families[index], []).append(index)
    turns: Counter[int] = Counter()
    groups = [by_family[name] for name in sorted(by_family)]
    for turn in range(count if groups else 0):
        group = groups[turn % len(groups)]
        turns[group[(turn // len(groups)) % len(group)]] += 1
    return turns


def render(fonts: list[Font], chars: list[str], per_class: int, seed: int) -> Glyphs:
    """Draw about `per_class` distorted glyphs of every character, families in equal shares."""
    names = [font.family for font in fonts]
    number = {name: i for i, name in enumerate(sorted(set(names)))}
    plan = [
        _share_out([i for i, f in enumerate(fonts) if ord(c) in f.codes], names, per_class)
        for c in chars
    ]
    images, labels, family = [], [], []
    for index, font in enumerate(fonts):
        wanted = {chars[label]: label for label, turns in enumerate(plan) if turns[index]}
        for char, drawn in _drawings(font, list(wanted)):
            label = wanted[char]
            rng = np.random.default_rng([seed, index, label])
            for _ in range(plan[label][index]):
                image = distort(*drawn, rng)
                if image.max() >= 40:
                    images.append(image)
                    labels.append(label)
                    family.append(number[font.family])
    order = np.random.default_rng([seed, 7]).permutation(len(images))
    return Glyphs(
        np.stack(images)[order],
        np.array(labels, np.int64)[order],
        np.array(family, np.int64)[order],
    )
