"""mergekit's way to name a model, and the source that means the same here."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from merger.errors import RecipeError
from merger.mergekit.findings import Findings
from merger.recipe_schema import kind_of

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


class Model(NamedTuple):
    """A model as mergekit names it: `path[@revision][+adapter[@revision]]`."""

    path: str
    revision: str | None = None
    adapter: str | None = None
    adapter_revision: str | None = None


def read_model(value: Any, where: str, findings: Findings) -> Model:
    """Read a model's name, a text or a mapping."""
    if isinstance(value, str) and value.strip():
        return _read_text(value.strip(), where)
    if not isinstance(value, Mapping) or "model" not in value:
        raise RecipeError(
            f"{where} must name a model, got {kind_of(value)}.", "Write a folder or org/name."
        )
    for key in value:
        if key not in ("model", "lora", "override_architecture"):
            findings.unknown(key, where, ("model", "lora", "override_architecture"))
    if value.get("override_architecture"):
        findings.note("override_architecture has no effect here: tensors go by name.", where)
    path, revision = _part(value["model"], where)
    adapter, adapter_revision = (None, None)
    if value.get("lora") is not None:
        adapter, adapter_revision = _part(value["lora"], where)
    return Model(path, revision, adapter, adapter_revision)


def _part(value: Any, where: str) -> tuple[str, str | None]:
    if isinstance(value, Mapping) and isinstance(value.get("path"), str):
        return value["path"], value.get("revision")
    if isinstance(value, str) and value:
        path, _, revision = value.partition("@")
        return path, revision or None
    raise RecipeError(f"{where} must name a model, got {kind_of(value)}.", "Write org/name.")


def _read_text(text: str, where: str) -> Model:
    model, plus, adapter = text.partition("+")
    if plus and ("+" in adapter or not adapter or not model):
        raise RecipeError(f"{where}: {text[:80]!r} is not a model with one adapter.", "")
    return Model(*_part(model, where), *(_part(adapter, where) if plus else (None, None)))


def source_of(
    model: Model,
    base: Model | None,
    stages: Mapping[str, str],
    folder: Path | None,
    where: str,
) -> str:
    """Return the source that means a model here.

    Args:
        model: The model.
        base: The configuration's base, on which adapters are put here.
        stages: Where the recipe of each other document is, by its name.
        folder: Where relative paths start.
        where: For messages.
    Raises:
        RecipeError: there is no such source here.
    """
    if model.adapter is not None:
        return _adapter_source(model, base, folder, where)
    if model.path in stages:
        return f"recipe:{stages[model.path]}"
    if _is_path(model.path, folder):
        return f"file:{model.path}"
    if REPOSITORY.fullmatch(model.path):
        return f"hub:{model.path}" + (f"@{model.revision}" if model.revision else "")
    raise RecipeError(
        f"{where}: {model.path[:80]!r} is neither a folder nor a name such as org/name.",
        "Check the path.",
    )


def stage_file(name: str) -> str:
    """Return the file that a named document is written to."""
    return re.sub(r"[^\w.-]", "-", name).lstrip(".-")[:80] + ".yaml"


def _is_path(text: str, folder: Path | None) -> bool:
    if text.startswith(("/", "./", "../", "~")) or re.match(r"[A-Za-z]:[\\/]", text):
        return True
    return ((folder or Path()) / text).is_dir()


def _adapter_source(model: Model, base: Model | None, folder: Path | None, where: str) -> str:
    assert model.adapter is not None
    if base is None or (model.path, model.revision) != (base.path, base.revision):
        raise RecipeError(
            f"{where}: the adapter {model.adapter[:80]!r} is on another model than base_model.",
            "Adapters are put on the recipe's base: merge this one into its model first.",
        )
    if _is_path(model.adapter, folder):
        return f"lora:{model.adapter}"
    if REPOSITORY.fullmatch(model.adapter):
        revision = model.adapter_revision
        return f"lora:hub:{model.adapter}" + (f"@{revision}" if revision else "")
    raise RecipeError(
        f"{where}: the adapter {model.adapter[:80]!r} is neither a folder nor a name such as "
        "org/name.",
        "Check the path.",
    )
