"""From a recipe to a configuration that mergekit 0.1.5 runs with the same result."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from merger.errors import RecipeError
from merger.layers import is_layers
from merger.mergekit.findings import Finding, Findings
from merger.mergekit.reverse import Written, write_settings
from merger.mergekit.table import KINDS, Kind
from merger.mergekit.tokenizer import write_tokenizer
from merger.recipe import Depth, Recipe, Rule
from merger.recipe_schema import default_name

TensorNames = Callable[[str], Collection[str] | None]


@dataclass(frozen=True, slots=True)
class Exported:
    """A configuration for mergekit.

    Args:
        text: YAML.
        findings: Where mergekit's result differs.
    """

    text: str
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"text": self.text, "findings": [f.to_json() for f in self.findings]}


def export_mergekit(recipe: Recipe, *, tensor_names: TensorNames | None = None) -> Exported:
    """Write a recipe as a configuration of mergekit's.

    Args:
        recipe: What to write.
        tensor_names: Returns the tensor names of a source, or None where it is not at hand;
            asked for models that are put together from layers.
    Raises:
        RecipeError: mergekit cannot do what the recipe says; the reason is named.
    """
    recipe = recipe.resolved()
    kind = KINDS.get(recipe.method)
    if kind is None:
        raise RecipeError(
            f"mergekit has no {recipe.method}.", f"It has {', '.join(sorted(KINDS))}."
        )
    for stage in ("before", "after"):
        if getattr(recipe, stage):
            raise RecipeError(
                f"mergekit has no verbs {stage} the method.", f"Take {stage!r} out of the recipe."
            )
    findings = Findings()
    usual = _settings(recipe, recipe.params, recipe.weights, findings)
    if any(is_layers(source) for source in [recipe.base or "", *_sources(recipe)]):
        # Slices are written with what is declared here.
        from merger.mergekit.slicing import write_slices  # noqa: PLC0415

        settle = [(rule, rule_settings(recipe, rule, findings)) for rule in recipe.rules]
        table = write_slices(recipe, kind, usual, settle, tensor_names, findings)
    else:
        levels = [
            (filter_of(rule.match), rule_settings(recipe, rule, findings)) for rule in recipe.rules
        ]
        table = _document(recipe, kind, usual, levels)
    table |= _dtypes(recipe, findings)
    if recipe.tokenizer is not None:
        first = recipe.base if recipe.base is not None else recipe.experts[0].source
        by_name = {"base": first} | {e.name: e.source for e in recipe.experts}
        table |= write_tokenizer(
            recipe.tokenizer, lambda name: model_text(by_name.get(name, name), recipe.base, None)
        )
    if recipe.seed:
        findings.note("Pass --random-seed to mergekit; its masks differ anyway.", "seed")
    text = yaml.safe_dump(
        table, sort_keys=False, default_flow_style=None, allow_unicode=True, width=10_000
    )
    return Exported(text, tuple(findings.all))


def _sources(recipe: Recipe) -> list[str]:
    return [expert.source for expert in recipe.experts]


def _settings(
    recipe: Recipe, params: Mapping[str, Any], weights: Any, findings: Findings
) -> Written:
    n = len(recipe.experts)
    return write_settings(recipe.method, params, tuple(weights or (1.0,) * n), findings)


def rule_settings(recipe: Recipe, rule: Rule, findings: Findings) -> Written:
    """Return mergekit's parameters where a rule holds."""
    from merger.spec import METHODS  # noqa: PLC0415  (reads every method)

    if rule.take is not None:
        raise RecipeError(
            f"rules: mergekit cannot take {rule.match!r} from one model.",
            "Give the rule weights instead: 1 for that model and 0 for the others.",
        )
    params = METHODS[recipe.method].resolve({**recipe.params, **rule.params}, len(recipe.experts))
    weights = recipe.weights if rule.weights is None else rule.weights
    return _settings(recipe, params, weights, findings)


def filter_of(match: str) -> str:
    """Return the part of a name that a glob looks for.

    Raises:
        RecipeError: it looks for more than a part of a name.
    """
    inner = match.removeprefix("*").removesuffix("*")
    literal = re.sub(r"\[([\[*?])\]", r"\1", inner)
    plain = re.sub(r"\[[\[*?]\]", "", inner)
    if match != f"*{inner}*" or not inner or re.search(r"[\[*?]", plain):
        raise RecipeError(
            f"rules: mergekit looks for a part of a name, and cannot match {match!r}.",
            "Write rules such as '*mlp*'.",
        )
    return literal


def _document(
    recipe: Recipe, kind: Kind, usual: Written, levels: Sequence[tuple[str, Written]]
) -> dict[str, Any]:
    base = _base_of(recipe, kind)
    used = recipe.experts[: kind.inputs[1]] if kind.inputs[1] else recipe.experts
    models = []
    for i, expert in enumerate(used):
        own = {
            s.name: value_of(usual.each[i][s.name], [(f, w.each[i][s.name]) for f, w in levels])
            for s in kind.settings
            if s.name in usual.each[i]
        }
        table: dict[str, Any] = {"model": model_text(expert.source, recipe.base, expert.step)}
        models.append(table | ({"parameters": own} if own else {}))
    shared = {
        name: value_of(value, [(f, w.shared[name]) for f, w in levels])
        for name, value in usual.shared.items()
    }
    table = {"merge_method": recipe.method}
    table |= {"base_model": base} if base is not None else {}
    table |= {"models": models}
    return table | ({"parameters": shared} if shared else {})


def _base_of(recipe: Recipe, kind: Kind) -> str | None:
    if recipe.method == "slerp":
        return model_text(recipe.experts[0].source, recipe.base, recipe.experts[0].step)
    if kind.base == "input" and recipe.base not in [e.source for e in recipe.experts]:
        return None
    if kind.base == "optional" and recipe.params.get("space") != "task_vectors":
        return None
    return None if recipe.base is None else model_text(recipe.base, recipe.base, None)


def model_text(source: str, base: str | None, step: int | None = None) -> str:
    """Return how mergekit names a source."""
    scheme, found, rest = source.partition(":")
    if not found or len(scheme) == 1:
        scheme, rest = "file", source
    if step is None and scheme in ("file", "hub"):
        return rest
    if step is None and scheme == "lora" and base is not None and base != source:
        return f"{model_text(base, None)}+{rest}"
    raise RecipeError(
        f"mergekit cannot read {default_name(source)!r} from {scheme}:.",
        "Save that model into a folder first: `merge` writes one.",
    )


def value_of(usual: Any, by_filter: Sequence[tuple[str, Any]]) -> Any:
    """Return a value, or conditions where it differs by tensor."""
    if all(value == usual for _, value in by_filter):
        return _plain(usual)
    table = [{"filter": text, "value": _plain(value)} for text, value in by_filter]
    return [*table, {"value": _plain(usual)}]


def _plain(value: Any) -> Any:
    return list(value.values) if isinstance(value, Depth) else value


def _dtypes(recipe: Recipe, findings: Findings) -> dict[str, Any]:
    if recipe.out_dtype is not None:
        return {"dtype": "float32", "out_dtype": recipe.out_dtype}
    findings.note(
        "mergekit computes and writes in the dtype of the models; here it is float32 in between.",
        "dtype",
        "Set out_dtype in the recipe, and mergekit computes in float32 too.",
    )
    return {}
