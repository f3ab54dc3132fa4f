"""Recipes as YAML text: a strict reader and one canonical way to write."""

import re
from pathlib import Path
from typing import Any

import yaml

from merger.errors import RecipeError
from merger.recipe import Recipe
from merger.recipe_schema import kind_of, plain_recipe

MAX_BYTES = 1_000_000


class SafeYaml(yaml.SafeLoader):
    """YAML 1.2 scalars only: `no` is a name, 1e-5 is a number; no tags, anchors or double keys."""

    allows_anchors = False

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if getattr(event, "anchor", None) and not self.allows_anchors:
            raise RecipeError("A recipe must not use YAML anchors or aliases.", "Write it out.")
        if getattr(event, "tag", None):
            raise RecipeError(
                f"A recipe must not use YAML tags, got {str(event.tag)[:80]!r}.",
                "Remove the tag; plain text, numbers and lists are enough.",
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: list[Any] = []
        for key, _ in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise RecipeError(
                    f"{key.value!r} stands twice (line {line}).", "Keep one of them."
                )
            seen.append(key.value)
        return super().construct_mapping(node, deep)


SafeYaml.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|false)$", "tf"),
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    (
        "float",
        r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.inf$|^\.nan$",
        "-+0123456789.",
    ),
):
    SafeYaml.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def read_text(path: Path) -> str:
    """Return the text of a recipe file, refusing what cannot be one."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RecipeError(
                f"{path.name} has {path.stat().st_size:,} bytes, a recipe {MAX_BYTES:,} at most.",
                "Give the recipe file, not a model.",
            )
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"There is no recipe file {str(path)!r}.", "Check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{str(path)!r} cannot be read: {error}.", "Check the file.") from None


def parse_yaml(text: str) -> dict[str, Any]:
    """Return the mapping that a recipe's YAML text holds.

    Raises:
        RecipeError: too long, not YAML, tags, anchors, double keys, or not a mapping.
    """
    documents = parse_documents(text)
    data = documents[0] if documents else None
    if len(documents) > 1:
        raise RecipeError("A recipe must be one YAML document.", "Remove the line '---'.")
    if not isinstance(data, dict):
        raise RecipeError(
            f"A recipe must be a mapping such as 'method: ties', got {kind_of(data)}.",
            "Start with 'method:' and 'experts:'.",
        )
    return data


def parse_documents(text: str) -> list[Any]:
    """Return what each document of a YAML text holds.

    Raises:
        RecipeError: too long, not YAML, tags, anchors or double keys.
    """
    return load_documents(text, SafeYaml)


def load_documents(text: str, loader: type[SafeYaml]) -> list[Any]:
    """Return what each document of a YAML text holds, read by a kind of `SafeYaml`."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise RecipeError(f"A recipe has at most {MAX_BYTES:,} bytes.", "Shorten it.")
    try:
        return list(yaml.load_all(text, Loader=loader))  # noqa: S506  (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise RecipeError(f"Not valid YAML: {where}{error.problem}.", "Fix that line.") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise RecipeError(f"Not valid YAML: {type(error).__name__}.", "Simplify it.") from None


def dump_yaml(recipe: Recipe) -> str:
    """Return the canonical YAML text of a recipe: settings on one line each."""
    lines = []
    for key, value in plain_recipe(recipe).items():
        if key in ("experts", "rules", "before", "after") and value:
            lines.append(f"{key}:")
            lines += [line for item in value for line in _item(item)]
        elif key == "base" and isinstance(value, dict):
            lines += ["base:", "  layers:", *(f"  - {_flow(run)}" for run in value["layers"])]
        elif key == "params":
            lines.append("params:")
            lines += [f"  {k}: {_flow(v)}" for k, v in value.items()]
        else:
            lines.append(f"{key}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def _item(item: Any) -> list[str]:
    if not (isinstance(item, dict) and "layers" in item):
        return [f"- {_flow(item)}"]
    runs = [f"  - {_flow(run)}" for run in item["layers"]]
    return [f"- name: {_flow(item['name'])}", "  layers:", *runs]


class _Dumper(yaml.SafeDumper):
    """Writes what `SafeYaml` reads back unchanged."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_float(dumper: Any, value: float) -> Any:
    text = repr(value)
    if "e" in text and "." not in text:
        # To the dumper 1e-05 is a text, so that it would write the number with a tag.
        text = text.replace("e", ".0e")
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


def _represent_text(dumper: Any, value: str) -> Any:
    # The dumper thinks in YAML 1.1; asking our own resolver keeps `1e5` a text when it is one.
    plain = SafeYaml("").resolve(yaml.ScalarNode, value, (True, False))
    style = None if plain == "tag:yaml.org,2002:str" else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(float, _represent_float)
_Dumper.add_representer(str, _represent_text)


def _flow(value: Any) -> str:
    text = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, width=10**9,
        allow_unicode=True,
    )  # fmt: skip
    return text.removesuffix("...\n").strip()
