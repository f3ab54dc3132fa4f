"""Read all inputs of a recipe and write one output, with nothing in between.

python -m benchmarks.merge_floor RECIPE OUT 1 warm
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.merge_meter import report
from merger.recipe import Recipe
from merger.spec import METHODS

# Larger ones leave the cache of the processor, which takes a sixth longer.
BUFFER = 1 << 20


def prepare(recipe: Path, out: Path, threads: int) -> Callable[[], Any]:
    """Return a reading of all inputs and a writing of as many bytes as one of them has."""
    made = Recipe.from_yaml(recipe.read_text("utf-8"))
    sources = [expert.source for expert in made.experts]
    if made.base is not None and "base" in METHODS[made.method].needs:
        sources.append(made.base)
    folders = [recipe.parent / source.removeprefix("file:") for source in sources]
    return lambda: _copy(folders, out)


def _copy(folders: list[Path], out: Path) -> None:
    out.mkdir(parents=True)
    buffer = bytearray(BUFFER)
    for number, folder in enumerate(folders):
        for path in sorted(folder.glob("*.safetensors")):
            with path.open("rb", buffering=0) as source:
                target = (out / path.name).open("wb", buffering=0) if number == 0 else None
                while count := source.readinto(buffer):
                    if target is not None:
                        target.write(memoryview(buffer)[:count])
                if target is not None:
                    target.close()


if __name__ == "__main__":
    report(prepare)
