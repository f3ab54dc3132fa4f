"""The structure of a mergekit configuration: slices, models, and their parameters by level."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from merger.errors import RecipeError, did_you_mean
from merger.mergekit.findings import Findings
from merger.mergekit.models import Model, read_model
from merger.mergekit.table import KINDS, Kind
from merger.mergekit.tokenizer import read_tokenizer
from merger.mergekit.values import Condition, conditions
from merger.recipe_schema import kind_of

TOP = (
    "name", "merge_method", "models", "slices", "modules", "base_model", "dtype", "out_dtype",
    "parameters", "tokenizer_source", "tokenizer", "chat_template",
)  # fmt: skip
Level = Mapping[str, list[Condition]]


@dataclass(frozen=True, slots=True)
class Input:
    """One model of a slice, with its own parameters.

    Args:
        model: The model.
        level: Its own parameters.
        where: For messages.
        start: The first of its layers; 0 where all layers are meant.
    """

    model: Model
    level: Level
    where: str
    start: int = 0


@dataclass(frozen=True, slots=True)
class Slice:
    """Some layers of the new model, and what they are merged from.

    Args:
        inputs: The models in order.
        base: The base model there.
        shared: Parameters for all of its models, the most particular level first.
        length: How many layers; None where all layers of the models are meant.
        where: For messages.
    """

    inputs: tuple[Input, ...]
    base: Model | None
    shared: tuple[Level, ...]
    length: int | None
    where: str


@dataclass(frozen=True, slots=True)
class Document:
    """One configuration.

    Args:
        name: How other documents call it; None for the last one.
        method: mergekit's name of the method.
        base: The base model of the whole configuration.
        slices: What the new model is made of; one without a length where models are listed.
        dtype: What mergekit writes.
        dtype_is_said: Whether the configuration says what to compute in or to write.
        tokenizer: What it says about the tokenizer, models as mergekit names them.
    """

    name: str | None
    method: str
    base: Model | None
    slices: tuple[Slice, ...]
    dtype: str | None
    dtype_is_said: bool
    tokenizer: Mapping[str, Any] | None

    @property
    def kind(self) -> Kind:
        """What the method is set by."""
        return KINDS[self.method]

    @property
    def is_sliced(self) -> bool:
        """Whether layers are listed."""
        return self.slices[0].length is not None


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
    kind = _body(data)
    known = KINDS[method].names
    levels = [read_level(data.get("parameters"), "parameters", known, findings)]
    body: Mapping[str, Any] = data
    if kind == "modules":
        body = _only_module(data["modules"], findings)
        kind = _body(body, ("models", "slices"))
        levels.insert(0, read_level(body.get("parameters"), "modules", known, findings))
    named = data.get("base_model")
    base = None if named is None else read_model(named, "base_model", findings)
    if kind == "models":
        items = as_list(body["models"], "models")
        inputs = tuple(
            read_input(item, f"models: model {i + 1}", ("model", "parameters"), known, findings)
            for i, item in enumerate(items)
        )
        slices = (Slice(inputs, base, tuple(levels), None, "models"),)
    else:
        # Slices are read with what is declared here.
        from merger.mergekit.slices import read_slices  # noqa: PLC0415

        slices = read_slices(body["slices"], base, tuple(levels), known, findings)
    said = [data[key] for key in ("out_dtype", "dtype") if data.get(key) is not None]
    return Document(
        name=str(data["name"]) if data.get("name") is not None else None,
        method=method,
        base=base,
        slices=slices,
        dtype=str(said[0]) if said else None,
        dtype_is_said=bool(said),
        tokenizer=read_tokenizer(data, findings),
    )


def _body(data: Mapping[str, Any], keys: tuple[str, ...] = ("models", "slices", "modules")) -> str:
    body = [key for key in keys if data.get(key)]
    if len(body) != 1:
        raise RecipeError(
            f"A mergekit configuration has exactly one of {', '.join(keys[:-1])} and {keys[-1]}, "
            f"got {', '.join(body) or 'none'}.",
            _near_misses(data),
        )
    return body[0]


def _only_module(modules: Any, findings: Findings) -> Mapping[str, Any]:
    """Return the one module of a model that is in one part."""
    if not isinstance(modules, Mapping) or list(modules) != ["default"]:
        names = ", ".join(str(m)[:40] for m in modules) if isinstance(modules, Mapping) else "none"
        raise RecipeError(
            f"modules: which tensors belong to {names} is written in mergekit's own tables only.",
            "Use models, or modules with the one part 'default'.",
        )
    module = modules["default"]
    if not isinstance(module, Mapping):
        raise RecipeError(f"modules: default must be a mapping, got {kind_of(module)}.", "")
    for key in module:
        if key not in ("models", "slices", "parameters"):
            findings.unknown(key, "modules: default", ("models", "slices", "parameters"))
    return module


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


def read_level(value: Any, where: str, known: tuple[str, ...], findings: Findings) -> Level:
    """Read the parameters of one level."""
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


def read_input(
    item: Any, where: str, keys: tuple[str, ...], known: tuple[str, ...], findings: Findings
) -> Input:
    """Read one model with its parameters."""
    if isinstance(item, str):
        item = {"model": item}
    if not isinstance(item, Mapping) or item.get("model") is None:
        raise RecipeError(f"{where} must have 'model', got {kind_of(item)}.", "")
    for key in item:
        if key not in keys:
            findings.unknown(key, where, keys)
    level = read_level(item.get("parameters"), f"{where}: parameters", known, findings)
    return Input(read_model(item["model"], where, findings), level, where)


def as_list(value: Any, where: str) -> list[Any]:
    """Return a list that is not empty."""
    if not isinstance(value, list) or not value:
        raise RecipeError(f"{where} must be a list, got {kind_of(value)}.", "")
    return value
