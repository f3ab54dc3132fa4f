"""Combine fine-tuned models, and see what a merge does before you ship it.

The names below are the public face. Each is imported at its first use, so that listing methods
or asking the doctor starts without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merger.diagnostics.measure import measure
    from merger.engine import merge
    from merger.errors import MergeError
    from merger.memory import merge_tensors
    from merger.recipe import Expert, Recipe
    from merger.scoring import score
    from merger.spec import METHODS

__version__ = "0.1.0"

__all__ = [
    "METHODS",
    "Expert",
    "MergeError",
    "Recipe",
    "measure",
    "merge",
    "merge_tensors",
    "score",
]

_HOME = {
    "METHODS": "merger.spec",
    "Expert": "merger.recipe",
    "MergeError": "merger.errors",
    "Recipe": "merger.recipe",
    "measure": "merger.diagnostics.measure",
    "merge": "merger.engine",
    "merge_tensors": "merger.memory",
    "score": "merger.scoring",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'merger' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
