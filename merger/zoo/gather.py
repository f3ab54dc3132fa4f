"""Gather the images that a build needs: draw the glyphs, read the collections."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from merger.zoo.data import (
    TASKS,
    TaskImages,
    TaskSpec,
    assign_sides,
    fashion_task,
    glyph_task,
    mnist_task,
)
from merger.zoo.debian import have_packages
from merger.zoo.fonts import Font, Glyphs, find_fonts, join_twins
from merger.zoo.pretrain import PretrainSettings, base_glyphs
from merger.zoo.provenance import font_sources, photo_sources
from merger.zoo.store import Store, glyphs_in, glyphs_out, task_in, task_out
from merger.zoo.train import ExpertSettings

PACKAGES = Path(__file__).with_name("packages.txt")
# One letter of each script is enough to see that two fonts are the same drawings.
TWIN_LETTERS = "agαアあع"


@dataclass(frozen=True)
class Slice:
    """What a build starts from: images, settings, the model's shape, and where images are from."""

    glyphs: Glyphs
    tasks: tuple[TaskImages, ...]
    pretrain: PretrainSettings = PretrainSettings()
    experts: ExpertSettings = ExpertSettings()
    shape: dict[str, int] = field(default_factory=dict)
    sources: dict[str, Any] = field(default_factory=dict)


class Library:
    """The installed fonts, listed once and only when something must be drawn."""

    @cached_property
    def fonts(self) -> list[Font]:
        """Every usable font, twins joined to one family."""
        packages = PACKAGES.read_text(encoding="utf-8").split()
        fonts = find_fonts([name for name in packages if name.startswith("fonts-")])
        join_twins(fonts, TWIN_LETTERS)
        return fonts

    @cached_property
    def sides(self) -> dict[str, str]:
        """The side of every family."""
        return assign_sides(self.fonts)

    def sources(self) -> dict[str, Any]:
        """Which packages the images come from."""
        return {"fonts": font_sources(self.fonts), "photographs": photo_sources()}


def gather(store: Store, seed: int) -> Slice:
    """Collect the images of the whole zoo from the installed packages."""
    have_packages(PACKAGES.read_text(encoding="utf-8").split())
    library = Library()
    settings = PretrainSettings()

    def draw() -> dict:
        return glyphs_out(base_glyphs(library.fonts, library.sides, settings.per_class, seed))

    tasks = []
    for turn, spec in enumerate(TASKS):
        state = store.get(
            f"task-{spec.name}",
            (spec, seed),
            lambda spec=spec, turn=turn: task_out(_images(spec, library, seed, turn)),
        )
        tasks.append(task_in(spec, state))
    glyphs = glyphs_in(store.get("glyphs", (settings.per_class, seed), draw))
    return Slice(glyphs, tuple(tasks), settings, sources=library.sources())


def _images(spec: TaskSpec, library: Library, seed: int, turn: int) -> TaskImages:
    if spec.name == "mnist":
        return mnist_task(seed)
    if spec.name == "fashion":
        return fashion_task(seed)
    # Far apart, since each split of a task takes a seed of its own.
    return glyph_task(spec, library.fonts, library.sides, seed + 100 * (turn - 1))
