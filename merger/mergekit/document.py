"""The structure of a mergekit configuration: documents, models, and their parameters by level."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from merger.errors import RecipeError, did_you_mean
from merger.mergekit.findings import Findings
from merger.mergekit.models import Model, read_model
from merger.mergekit.table import KINDS, Kind
from merger.mergekit.values import Condition, conditions
from merger.recipe_schema import kind_of

TOP = (
    "name", "merge_method", "models", "slices", "modules", "base_model", "dtype", "out_dtype",
    "parameters", "tokenizer_source", "tokenizer", "chat_template",
)  # fmt: skip
CARRIED = ("tokenizer_source", "tokenizer", "chat_template")
Level = Mapping[str, list[Condition]]


@dataclass(frozen=True, slots=True)
class Input:
    """One model of a configuration, with its own parameters."""

    model: Model
    level: Level
    where: str


@dataclass(frozen=True, slots=True)
class Document:
    """One configuration.

    Args:
        name: How other documents call it; None for the last one.
        method: mergekit's name of the method.
        base: The base model.
        inputs: The models in order.
        shared: Parameters for all models, the most particular level first.
        layers: How many layers the slices cover; None where there are no slices.
        dtype: What mergekit writes.
        carried: Tokenizer fields, which a recipe has no place for.
    """

    name: str | None
    method: str
    base: Model | None
    inputs: tuple[Input, ...]
    shared: tuple[Level, ...]
    layers: int | None
    dtype: str | None
    carried: Mapping[str, Any]

    @property
    def kind(self) -> Kind:
        """What the method is set by."""
        return KINDS[self.method]


def read_document(data: Any, findings: Findings) -> Document:
    """Check the structure of one configuration.

    Raises:
        RecipeError: it is not one, or says what has no counterpart here.
    """
    if not isinstance(data, Mapping):
        raise RecipeError(
            f"A mergekit configuration must be a mapping, got {kind_of(data)}.",
            "Start with 'merge_method:' and 'models:'.",
        )
    for key in data:
        if key not in TOP:
            findings.unknown(key, "configuration", TOP)
    method = _method(data)
    body = [key for key in ("models", "slices", "modules") if data.get(key)]
    if len(body) != 1:
        raise RecipeError(
            "A mergekit configuration has exactly one of models, slices and modules, got "
            f"{', '.join(body) or 'none'}.",
            _near_misses(data),
        )
    if body[0] == "modules":
        raise RecipeError(
            "modules: models of several parts have no counterpart here.",
            "Merge each part by itself, with models.",
        )
    known = KINDS[method].names
    shared = [_level(data.get("parameters"), "parameters", known, findings)]
    layers, base = None, data.get("base_model")
    if body[0] == "models":
        inputs = tuple(
            _input(item, f"models: model {i + 1}", ("model", "parameters"), known, findings)
            for i, item in enumerate(_list(data["models"], "models"))
        )
    else:
        one = _only_slice(_list(data["slices"], "slices"), findings)
        shared.insert(0, _level(one.get("parameters"), "slices: parameters", known, findings))
        base = one.get("base_model", base)
        inputs, layers = _sources(one, known, findings)
    return Document(
        name=str(data["name"]) if data.get("name") is not None else None,
        method=method,
        base=None if base is None else read_model(base, "base_model", findings),
        inputs=inputs,
        shared=tuple(shared),
        layers=layers,
        dtype=_dtype(data),
        carried={key: data[key] for key in CARRIED if data.get(key) is not None},
    )


def _method(data: Mapping[str, Any]) -> str:
    method = data.get("merge_method")
    if not isinstance(method, str):
        raise RecipeError(
            f"merge_method must name a method, got {kind_of(method)}.", _near_misses(data)
        )
    if method not in KINDS:
        raise RecipeError(
            f"mergekit has no merge_method {method[:60]!r}.", did_you_mean(method, KINDS)
        )
    return method


def _near_misses(data: Mapping[str, Any]) -> str:
    odd = [str(key) for key in data if key not in TOP]
    return f"{odd[0][:60]!r}: {did_you_mean(odd[0], TOP)}" if odd else ""


def _level(value: Any, where: str, known: tuple[str, ...], findings: Findings) -> Level:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise RecipeError(f"{where} must be a mapping, got {kind_of(value)}.", "")
    for key in value:
        if key not in known:
            findings.unknown(key, where, known)
    return {
        name: conditions(value[name], f"{where}: {name}", findings)
        for name in known
        if value.get(name) is not None
    }


def _input(
    item: Any, where: str, keys: tuple[str, ...], known: tuple[str, ...], findings: Findings
) -> Input:
    if isinstance(item, str):
        item = {"model": item}
    if not isinstance(item, Mapping) or item.get("model") is None:
        raise RecipeError(f"{where} must have 'model', got {kind_of(item)}.", "")
    for key in item:
        if key not in keys:
            findings.unknown(key, where, keys)
    level = _level(item.get("parameters"), f"{where}: parameters", known, findings)
    return Input(read_model(item["model"], where, findings), level, where)


def _only_slice(slices: list[Any], findings: Findings) -> Mapping[str, Any]:
    if len(slices) != 1:
        raise RecipeError(
            f"slices: {len(slices)} slices stack layers into another model, which has no "
            "counterpart here: a merge keeps the layers of its base.",
            "Use one slice over all layers, with gradients for what changes with depth.",
        )
    one = slices[0]
    if not isinstance(one, Mapping):
        raise RecipeError(f"slices: a slice must be a mapping, got {kind_of(one)}.", "")
    keys = ("sources", "base_model", "parameters", "residual_weight")
    for key in one:
        if key not in keys or key == "residual_weight":
            findings.unknown(key, "slices: slice 1", keys[:3])
    return one


def _sources(
    one: Mapping[str, Any], known: tuple[str, ...], findings: Findings
) -> tuple[tuple[Input, ...], int]:
    inputs, ranges = [], []
    for i, item in enumerate(_list(one.get("sources"), "slices: sources")):
        where = f"slices: source {i + 1}"
        inputs.append(_input(item, where, ("model", "layer_range", "parameters"), known, findings))
        found = item.get("layer_range") if isinstance(item, Mapping) else None
        if (
            not isinstance(found, list)
            or len(found) != 2
            or not all(isinstance(v, int) and not isinstance(v, bool) for v in found)
        ):
            raise RecipeError(
                f"{where}: layer_range must be [first, one past the last], got {kind_of(found)}.",
                "",
            )
        ranges.append(tuple(found))
    first = ranges[0] if ranges else (0, 0)
    if any(found != first for found in ranges) or first[0] != 0 or first[1] <= 0:
        raise RecipeError(
            "slices: all sources must cover the same layers from 0 on, got "
            + ", ".join(f"[{a}, {b}]" for a, b in ranges)
            + ".",
            "A merge keeps the layers of its base; write models instead of slices.",
        )
    return tuple(inputs), first[1]


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise RecipeError(f"{where} must be a list, got {kind_of(value)}.", "")
    return value


def _dtype(data: Mapping[str, Any]) -> str | None:
    for key in ("out_dtype", "dtype"):
        if data.get(key) is not None:
            return str(data[key])
    return None
