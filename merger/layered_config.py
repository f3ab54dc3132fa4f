"""The config of a model that is put together from layers of others."""

from collections.abc import Mapping, Sequence
from typing import Any

from merger.layers import Run

# How config.json counts the layers; the first that is there is the one that holds.
COUNTS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
# Settings that list numbers of layers, where all others that list anything have one for each.
NUMBERS = ("mlp_only_layers", "full_attn_idxs")


def layered_config(
    config: Mapping[str, Any],
    parts: Sequence[tuple[Run, Mapping[str, Any]]],
    *,
    own_head: bool,
) -> dict[str, Any]:
    """Return a config with the new number of layers, and each layer's own settings.

    Args:
        config: The first model's.
        parts: Each run of layers with the config of its model.
        own_head: Whether embedding and head are those of different models.
    """
    changed = _counted(config, [(run, table) for run, table in parts])
    if isinstance(config.get("text_config"), Mapping):
        inner = [(run, table.get("text_config") or {}) for run, table in parts]
        changed["text_config"] = _counted(config["text_config"], inner)
    if own_head:
        for table in (changed, changed.get("text_config")):
            if isinstance(table, dict) and table.get("tie_word_embeddings"):
                table["tie_word_embeddings"] = False
        # Where nothing is said, transformers ties some architectures.
        changed.setdefault("tie_word_embeddings", False)
    return changed


def _counted(
    config: Mapping[str, Any], parts: Sequence[tuple[Run, Mapping[str, Any]]]
) -> dict[str, Any]:
    changed = dict(config)
    count = next((name for name in COUNTS if isinstance(config.get(name), int)), None)
    if count is None:
        return changed
    for name, value in config.items():
        if name in NUMBERS and isinstance(value, list):
            changed[name] = _numbers(name, parts)
        elif _is_for_each(name, value, config[count]):
            lists = [(run, _own(table, name)) for run, table in parts]
            if all(values is not None for _, values in lists):
                changed[name] = [v for run, values in lists for v in values[run.start : run.stop]]
    changed[count] = sum(len(run) for run, _ in parts)
    return changed


def _is_for_each(name: str, value: Any, layers: int) -> bool:
    """Return whether a setting has one value for each layer."""
    return ("layer" in name or "block" in name) and isinstance(value, list) and (
        len(value) == layers
    )  # fmt: skip


def _own(table: Mapping[str, Any], name: str) -> Any:
    count = next((table[c] for c in COUNTS if isinstance(table.get(c), int)), None)
    value = table.get(name)
    return value if count is not None and _is_for_each(name, value, count) else None


def _numbers(name: str, parts: Sequence[tuple[Run, Mapping[str, Any]]]) -> list[int]:
    found, base = [], 0
    for run, table in parts:
        listed = table.get(name) or []
        found += [base + i for i in range(len(run)) if run.start + i in listed]
        base += len(run)
    return found
