"""Recipes as plain data: a checked structure in, canonical data out."""

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from merger.errors import RecipeError, did_you_mean
from merger.layers import build_layers, is_layers, layers_source, plain_layers, read_layers
from merger.recipe import OUT_DTYPES, VERSION, Depth, Expert, Recipe, Rule, Step, plain_value
from merger.tokenizer_choice import build_tokenizer, plain_tokenizer

KEYS = (
    "version", "method", "base", "experts", "weights", "params",
    "rules", "before", "after", "out_dtype", "seed", "tokenizer",
)  # fmt: skip


def build_recipe(data: Mapping[str, Any]) -> Recipe:
    """Return the recipe that plain data describes, without asking the methods."""
    if "merge_method" in data:
        raise RecipeError(
            "This is a mergekit configuration, not a recipe.",
            "Turn it into one: python -m merger import-mergekit CONFIG.yml.",
        )
    _keys(data, KEYS, "recipe")
    version = data.get("version", VERSION)
    if version != VERSION or isinstance(version, bool):
        raise RecipeError(
            f"version must be {VERSION}, got {version!r}.", "Use a newer Mergescope."
        )
    if "method" not in data:
        raise RecipeError(
            "A recipe needs a method, got none.", "Add a line such as 'method: ties'."
        )
    return Recipe(
        method=_text(data["method"], "method"),
        experts=_experts(data.get("experts")),
        base=None if data.get("base") is None else _base(data["base"]),
        weights=_number_list(data.get("weights"), "weights"),
        params=_params(data.get("params"), "params"),
        rules=tuple(_rule(r, i) for i, r in enumerate(_list(data.get("rules"), "rules"))),
        before=tuple(_step(s, "before") for s in _list(data.get("before"), "before")),
        after=tuple(_step(s, "after") for s in _list(data.get("after"), "after")),
        out_dtype=_out_dtype(data.get("out_dtype")),
        seed=_seed(data.get("seed", 0)),
        tokenizer=build_tokenizer(data.get("tokenizer")),
    )


def plain_recipe(recipe: Recipe) -> dict[str, Any]:
    """Return the canonical plain data of a recipe; defaults are left out."""
    out: dict[str, Any] = {"version": VERSION, "method": recipe.method}
    if recipe.base is not None:
        out["base"] = _plain_base(recipe.base)
    out["experts"] = [_plain_expert(e) for e in recipe.experts]
    if recipe.weights is not None:
        out["weights"] = plain_value(recipe.weights)
    if recipe.params:
        out["params"] = {k: plain_value(recipe.params[k]) for k in sorted(recipe.params)}
    if recipe.rules:
        out["rules"] = [_plain_rule(r) for r in recipe.rules]
    for stage in ("before", "after"):
        steps = getattr(recipe, stage)
        if steps:
            out[stage] = [{s.verb: plain_value(dict(sorted(s.params.items())))} for s in steps]
    if recipe.out_dtype is not None:
        out["out_dtype"] = recipe.out_dtype
    if recipe.seed:
        out["seed"] = recipe.seed
    if recipe.tokenizer is not None:
        out["tokenizer"] = plain_tokenizer(recipe.tokenizer)
    return out


def _plain_base(source: str) -> Any:
    return {"layers": plain_layers(read_layers(source))} if is_layers(source) else source


def _plain_expert(expert: Expert) -> Any:
    if is_layers(expert.source):
        return {"name": expert.name, "layers": plain_layers(read_layers(expert.source))}
    if expert.step is None and expert.name == default_name(expert.source):
        return expert.source
    out: dict[str, Any] = {"source": expert.source, "name": expert.name}
    if expert.step is not None:
        out["step"] = expert.step
    return out


def _plain_rule(rule: Rule) -> dict[str, Any]:
    out: dict[str, Any] = {"match": rule.match}
    if rule.take is not None:
        out["take"] = rule.take
    if rule.weights is not None:
        out["weights"] = plain_value(rule.weights)
    return out | {k: plain_value(rule.params[k]) for k in sorted(rule.params)}


def default_name(source: str) -> str:
    """Return the last part of a source, without scheme, revision or step.

    Example:
        >>> default_name("hub:org/model@main"), default_name("zoo:mnist@256")
        ('model', 'mnist')
    """
    if is_layers(source):
        names = (default_name(run.source) for run in read_layers(source))
        return "+".join(dict.fromkeys(names))[:100]
    rest = source.split(":", 1)[1] if re.match(r"^[a-z]+:", source) else source
    if not source.startswith(("file:", "recipe:")):
        rest = rest.split("@", 1)[0]
    return rest.rstrip("/").rsplit("/", 1)[-1] or source


def _experts(value: Any) -> tuple[Expert, ...]:
    experts = tuple(_expert(item, i) for i, item in enumerate(_list(value, "experts")))
    names: dict[str, int] = {}
    for i, e in enumerate(experts):
        if e.name in names or e.name == "base":
            other = f"as expert {names[e.name] + 1}" if e.name in names else "as the base"
            raise RecipeError(
                f"experts: expert {i + 1} has the same name {other}, {e.name!r}.",
                "Give it another one: {source: …, name: …}.",
            )
        names[e.name] = i
    return experts


def _expert(value: Any, index: int) -> Expert:
    where = f"experts: expert {index + 1}"
    if isinstance(value, str):
        value = {"source": value}
    if not isinstance(value, Mapping):
        raise RecipeError(f"{where} must be a source, got {kind_of(value)}.", "Write zoo:NAME.")
    _keys(value, ("source", "name", "step", "layers"), where)
    if value.get("layers") is not None and (value.get("source"), value.get("step")) != (None,) * 2:
        raise RecipeError(f"{where} has layers beside a source or step.", "Keep one of them.")
    source = _source(value, where)
    step = value.get("step")
    found = re.fullmatch(r"(zoo:.*)@(\d{1,9})", source)
    if found:
        source, inline = found[1], int(found[2])
        if step not in (None, inline):
            raise RecipeError(f"{where} names step {inline} and step {step}.", "Keep one.")
        step = inline
    if step is not None and (isinstance(step, bool) or not isinstance(step, int) or step < 0):
        raise RecipeError(
            f"{where}: step must be a whole number, got {step!r}.", "Write step: 256."
        )
    return Expert(source, _text(value.get("name", default_name(source)), f"{where}: name"), step)


def _base(value: Any) -> str:
    if isinstance(value, str):
        value = {"source": value}
    if not isinstance(value, Mapping):
        raise RecipeError(f"base must be a source, got {kind_of(value)}.", "Write zoo:base.")
    _keys(value, ("source", "layers"), "base")
    if None not in (value.get("source"), value.get("layers")):
        raise RecipeError("base has layers beside a source.", "Keep one of them.")
    return _source(value, "base")


def _source(value: Mapping[str, Any], where: str) -> str:
    """Return the source of a base or an expert; layers become their one canonical text."""
    if value.get("layers") is not None:
        return layers_source(build_layers(value["layers"], f"{where}: layers"))
    source = value.get("source")
    if isinstance(source, str) and is_layers(source):
        return layers_source(read_layers(source))
    return _text(source, where if where == "base" else f"{where}: source")


def _rule(value: Any, index: int) -> Rule:
    where = f"rules: rule {index + 1}"
    if not isinstance(value, Mapping) or "match" not in value:
        raise RecipeError(f"{where} must be a mapping with 'match', got {kind_of(value)}.", "")
    rest = {k: v for k, v in value.items() if k not in ("match", "take", "weights")}
    return Rule(
        match=_text(value["match"], f"{where}: match"),
        take=None if value.get("take") is None else _text(value["take"], f"{where}: take"),
        weights=_number_list(value.get("weights"), f"{where}: weights"),
        params=_params(rest, where),
    )


def _step(value: Any, stage: str) -> Step:
    if isinstance(value, str):
        return Step(value)
    if not isinstance(value, Mapping) or len(value) != 1:
        raise RecipeError(
            f"{stage} must list verbs such as {{lines: {{beta: 0.5}}}}, got {kind_of(value)}.", ""
        )
    ((verb, params),) = value.items()
    return Step(_text(verb, stage), _params(params, f"{stage}: {verb}"))


def _params(value: Any, where: str) -> Mapping[str, Any]:
    if value is None:
        return MappingProxyType({})
    if not isinstance(value, Mapping):
        raise RecipeError(f"{where} must be a mapping of settings, got {kind_of(value)}.", "")
    return MappingProxyType(
        {_text(k, where): _setting(v, f"{where}: {k}") for k, v in value.items()}
    )


def _setting(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return _finite(value, where)
    if isinstance(value, Mapping):
        return _depth(value, where)
    if isinstance(value, list | tuple):
        return tuple(_setting(v, where) for v in value)
    raise RecipeError(f"{where} must be a number, a word or a list, got {kind_of(value)}.", "")


def _depth(value: Mapping[str, Any], where: str) -> Depth:
    _keys(value, ("depth",), where)
    values = value.get("depth")
    if not isinstance(values, list | tuple) or not 1 <= len(values) <= 1000:
        raise RecipeError(
            f"{where}: depth must list 1 to 1000 numbers, got {kind_of(values)}.", ""
        )
    return Depth(tuple(_number(v, where) for v in values))


def _number_list(value: Any, where: str) -> tuple[Any, ...] | None:
    if value is None:
        return None
    items = _list(value, where)
    return tuple(_depth(v, where) if isinstance(v, Mapping) else _number(v, where) for v in items)


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RecipeError(f"{where} must hold numbers, got {kind_of(value)}.", "")
    return _finite(float(value) if abs(value) < 1e308 else math.inf, where)


def _finite(value: float, where: str) -> float:
    if not math.isfinite(value):
        raise RecipeError(f"{where} must be a finite number, got {value}.", "Write a number.")
    return value


def _seed(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise RecipeError(f"seed must be a whole number from 0 to 2**63 − 1, got {value!r}.", "")
    return value


def _out_dtype(value: Any) -> str | None:
    if value is not None and value not in OUT_DTYPES:
        raise RecipeError(
            f"out_dtype must be one of {', '.join(OUT_DTYPES)}, got {str(value)[:40]!r}.",
            did_you_mean(str(value), OUT_DTYPES),
        )
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 500:
        raise RecipeError(
            f"{where} must be a text of 1 to 500 characters, got {kind_of(value)}.", ""
        )
    if any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in value):
        raise RecipeError(f"{where} must not hold control characters, got {value[:40]!r}.", "")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise RecipeError(f"{where} must be a list, got {kind_of(value)}.", "Write [a, b].")
    return list(value)


def _keys(data: Mapping[Any, Any], known: tuple[str, ...], where: str) -> None:
    for key in data:
        if key not in known:
            raise RecipeError(
                f"{where}: {str(key)[:60]!r} is not known.", did_you_mean(str(key), known)
            )


def kind_of(value: Any) -> str:
    """Return a few words that say what a value is, for messages."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return f"{str(value)[:60]!r}"
