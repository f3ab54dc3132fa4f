"""The page about dialects names every known difference, and only tests that exist."""

import ast
import re
from pathlib import Path

from merger.spec import METHODS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/dialects.md").read_text("utf-8")
NAMED = set(re.findall(r"`(test_\w+)`", PAGE))


def defined_in(path: Path) -> set[str]:
    """Return the names of the tests of a file, without importing it."""
    tree = ast.parse(path.read_text("utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return {name for name in names if name.startswith("test_")}


def test_every_test_that_the_page_names_exists():
    files = (ROOT / "tests/conformance").glob("test_*.py")
    assert set().union(*(defined_in(path) for path in files)) >= NAMED


def test_every_known_difference_is_on_the_page():
    for name in ("test_deviations.py", "test_fusion_deviations.py"):
        assert defined_in(ROOT / "tests/conformance" / name) <= NAMED


def test_every_dialect_is_on_the_page():
    words = {word for method in METHODS.values() for word in method.dialects}
    assert all(f"`{word}`" in PAGE or f"`dialect: {word}`" in PAGE for word in words)
