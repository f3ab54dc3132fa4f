"""A recipe inside a recipe is known by its headers until a number is needed."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from merger.recipe import Expert
from tests.engine.folders import family

ROOT = Path(__file__).resolve().parents[2]


def test_the_doctor_needs_no_torch_for_a_recipe_inside(tmp_path: Path) -> None:
    recipe = family(tmp_path)
    inner, outer = tmp_path / "inner.yaml", tmp_path / "outer.yaml"
    inner.write_text(recipe.to_yaml(), "utf-8")
    outer.write_text(replace(recipe, experts=(Expert(f"recipe:{inner}", "x"),)).to_yaml(), "utf-8")
    code = (
        "import sys\n"
        "from merger.doctor import doctor\n"
        "from merger.recipe import Recipe\n"
        "print(doctor(Recipe.load(sys.argv[1])).is_well, 'torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(outer)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["True", "False"]
