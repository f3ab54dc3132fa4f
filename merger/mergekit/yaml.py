"""YAML as mergekit's users write it: anchors, aliases and merge keys too, within bounds."""

import re
from typing import Any

import yaml

from merger.errors import RecipeError
from merger.recipe_yaml import SafeYaml, load_documents

# A few lines of aliases can stand for more entries than any memory holds.
MAX_NODES = 50_000
MAX_DEPTH = 40
# A node whose entries are still being counted.
OPEN = (-1, -1)


class _Loader(SafeYaml):
    """The reader of recipes, with anchors: every document is measured before it is built."""

    allows_anchors = True

    def construct_document(self, node: Any) -> Any:
        _measure(node, {})
        return super().construct_document(node)


_Loader.yaml_implicit_resolvers = {
    key: list(value) for key, value in SafeYaml.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile("^<<$"), ["<"])


def parse_configurations(text: str) -> list[Any]:
    """Return what each document of a configuration holds, aliases written out.

    Raises:
        RecipeError: not YAML, too long, or more than it should be once it is written out.
    """
    return load_documents(text, _Loader)


def _measure(node: Any, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Return how many entries a node is with its aliases written out, and how deep they nest.

    Raises:
        RecipeError: too many, too deep, or a node inside itself.
    """
    if id(node) in known:
        if known[id(node)] == OPEN:
            raise RecipeError("A YAML alias stands inside its own anchor.", "Write it out.")
        return known[id(node)]
    known[id(node)] = OPEN
    count, depth = 1, 0
    if isinstance(node, yaml.MappingNode):
        parts = [part for pair in node.value for part in pair]
    else:
        parts = node.value if isinstance(node, yaml.SequenceNode) else []
    for part in parts:
        more, below = _measure(part, known)
        count, depth = count + more, max(depth, below + 1)
        if count > MAX_NODES or depth > MAX_DEPTH:
            raise RecipeError(
                f"The configuration has more than {MAX_NODES:,} entries, or nests more than "
                f"{MAX_DEPTH} deep, once its aliases are written out.",
                "Use fewer aliases.",
            )
    known[id(node)] = (count, depth)
    return count, depth
