"""List the models of a folder, and find the one that the others were fine-tuned from."""

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from merger.errors import SourceError
from merger.front_matter import read_front_matter
from merger.layout import model_config, read_json
from merger.sources._steps import folder_at


class ModelFolder(NamedTuple):
    """One model of a models folder.

    Args:
        name: Name of its folder.
        source: How a recipe names it.
        path: Where it is.
        architecture: What its config calls the model, or "" where it does not say.
        is_base: Whether it is the one that the others were fine-tuned from.
    """

    name: str
    source: str
    path: Path
    architecture: str
    is_base: bool


def list_models(folder: Path, base: str | None = None) -> tuple[ModelFolder, ...]:
    """Return each subfolder with a config.json, by name, the base marked where it is known.

    Adapters count as models where there is a base to put them on.

    Args:
        folder: What holds the models.
        base: Name of the base, where somebody says which it is.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder.", "Give a folder that holds model folders.")
    paths = sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and (_final(path) / "config.json").is_file()
    )
    adapters = sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and (_final(path) / "adapter_config.json").is_file()
    )
    adapters = [path for path in adapters if path not in paths]
    configs = {path.name: _config(path) for path in paths}
    named = {p.name: named_bases(p, configs.get(p.name, {})) for p in [*paths, *adapters]}
    base = base or _base([path.name for path in paths], named)
    found = [
        ModelFolder(p.name, f"file:{p.name}", p, _architecture(configs[p.name]), p.name == base)
        for p in paths
    ]
    if base is not None:
        kind = _architecture(configs[base])
        found += [ModelFolder(p.name, f"lora:{p.name}", p, kind, False) for p in adapters]
    return tuple(sorted(found))


def _final(folder: Path) -> Path:
    """Return where the model itself lies: a Trainer may have left it as its last checkpoint."""
    return folder_at(folder, None, folder.name)


def _config(folder: Path) -> dict[str, Any]:
    # One damaged model must not hide the others; opening it says what is wrong.
    try:
        return model_config(_final(folder)) or {}
    except SourceError:
        return {}


def _adapter_config(folder: Path) -> dict[str, Any]:
    try:
        return read_json(_final(folder) / "adapter_config.json")
    except SourceError:
        return {}


def _architecture(config: dict[str, Any]) -> str:
    names = config.get("architectures")
    if isinstance(names, list) and names and isinstance(names[0], str):
        return names[0]
    kind = config.get("model_type")
    return kind if isinstance(kind, str) else ""


def _base(names: list[str], named: dict[str, list[str]]) -> str | None:
    votes: Counter[str] = Counter()
    for name, claims in named.items():
        # The last part: a hub id, a path on another machine and a plain name all end in it.
        last = {claim.replace("\\", "/").rstrip("/").rpartition("/")[2] for claim in claims}
        votes.update(sorted((last & set(names)) - {name}))
    if votes:
        most = max(votes.values())
        winners = [name for name in names if votes[name] == most]
        return winners[0] if len(winners) == 1 else None
    return "base" if "base" in names else None


def named_bases(folder: Path, config: dict[str, Any] | None = None) -> list[str]:
    """Return every name under which a model says what it was fine-tuned from."""
    card = read_front_matter(_final(folder) / "README.md")
    tables = [_config(folder) if config is None else config, card]
    if (_final(folder) / "adapter_config.json").is_file():
        tables.append(_adapter_config(folder))
    found: list[str] = []
    for table in tables:
        for key in ("base_model", "base_model_name_or_path", "_name_or_path"):
            value = table.get(key)
            listed = value if isinstance(value, list) else [value]
            found += [text for text in listed if isinstance(text, str) and text]
    return found
