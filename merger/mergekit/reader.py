"""From a mergekit configuration to a recipe, or several that build on each other."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merger.errors import RecipeError, did_you_mean
from merger.mergekit.document import Document, Input, read_document
from merger.mergekit.findings import Finding, Findings
from merger.mergekit.models import Model, source_of
from merger.mergekit.rules import build_rules
from merger.mergekit.table import Setting, Translated
from merger.mergekit.values import Condition, merged, pick
from merger.places import count_layers
from merger.recipe import OUT_DTYPES, Depth, Expert, Recipe
from merger.recipe_schema import default_name
from merger.recipe_yaml import parse_documents

TensorNames = Callable[[str], Collection[str] | None]
RANDOM = ("dare_linear", "dare_ties", "della", "della_linear")


@dataclass(frozen=True, slots=True)
class Imported:
    """One recipe from a configuration.

    Args:
        name: How other recipes of the same configuration call it; None for the last one.
        recipe: The recipe.
        findings: What to know about it.
        carried: Tokenizer fields, which a recipe has no place for.
    """

    name: str | None
    recipe: Recipe
    findings: tuple[Finding, ...]
    carried: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "name": self.name,
            "recipe": self.recipe.to_json(),
            "findings": [finding.to_json() for finding in self.findings],
            "carried": dict(self.carried),
        }


def import_mergekit(
    text: str,
    *,
    folder: Path | None = None,
    tensor_names: TensorNames | None = None,
    raw: bool = False,
) -> list[Imported]:
    """Read a configuration of mergekit's, and say what it passes over in silence.

    Args:
        text: YAML; several documents where stages build on each other.
        folder: Where relative paths start.
        tensor_names: Returns the tensor names of a source, or None where it is not at hand.
        raw: Read it as `mergekit-pytorch` does, which knows no layers.
    Raises:
        RecipeError: not a configuration, or something that has no counterpart here.
    """
    documents = parse_documents(text)
    stages: list[str] = []
    found: list[Imported] = []
    for i, data in enumerate(documents):
        findings = Findings()
        document = read_document(data, findings)
        if len(documents) > 1 and document.name is None and i + 1 < len(documents):
            raise RecipeError(
                f"Document {i + 1} of {len(documents)} needs a name for the others to use.",
                "Add 'name: …' to it.",
            )
        found.append(_Reader(document, findings, stages, folder, tensor_names, raw).read())
        stages += [document.name] if document.name is not None else []
    return found


class _Reader:
    """Turns one document into a recipe."""

    def __init__(
        self,
        document: Document,
        findings: Findings,
        stages: Sequence[str],
        folder: Path | None,
        tensor_names: TensorNames | None,
        raw: bool,
    ) -> None:
        self.document = document
        self.findings = findings
        self.stages = tuple(stages)
        self.folder = folder
        self.tensor_names = tensor_names
        self.raw = raw

    def read(self) -> Imported:
        document, kind = self.document, self.document.kind
        base, inputs = self._base_and_inputs()
        sources = [self._source(item.model, item.where) for item in inputs]
        base_source = None if base is None else self._source(base, "base_model")
        names = None
        if self.tensor_names is not None and not self.stages:
            names = self.tensor_names(base_source or sources[0])
        self._check_layers(names)
        tried = self._conditions(inputs)
        filters = _filters(tried)

        def at(matching: Collection[str]) -> Translated:
            found = self._translate(tried, inputs, matching)
            if kind.base == "optional" and base is not None:
                found.params["space"] = "task_vectors"
            return found

        usual = at(())
        rules = build_rules(filters, at, names, self.findings) if filters else ()
        recipe = Recipe(
            method=document.method,
            experts=_experts(sources),
            base=base_source,
            weights=usual.weights,
            params=_changed(document.method, usual.params),
            rules=rules,
            out_dtype=self._out_dtype(),
        )
        self._check_probabilities(recipe)
        recipe.resolved()
        self._notes(tried)
        return Imported(document.name, recipe, tuple(self.findings.all), document.carried)

    def _source(self, model: Model, where: str) -> str:
        return source_of(model, self.document.base, self.stages, self.folder, where)

    def _base_and_inputs(self) -> tuple[Model | None, list[Input]]:
        """Return the base and the experts, as the method sees them."""
        document, kind, base = self.document, self.document.kind, self.document.base
        inputs = list(document.inputs)
        listed = [item for item in inputs if item.model == base]
        if kind.base == "required" and base is None:
            raise RecipeError(f"{document.method} needs base_model.", "Add 'base_model: …'.")
        if kind.base == "input":
            inputs = self._with_base(inputs, base, bool(listed))
        else:
            for item in listed:
                if item.level:
                    self.findings.trap("Parameters of the base have no effect.", item.where)
            inputs = [item for item in inputs if item.model != base]
        low, high = kind.inputs
        if len(inputs) < low or (high is not None and len(inputs) > high):
            wanted = f"{low}" if low == high else f"at least {low}"
            beside = "" if kind.base == "input" or base is None else " beside the base"
            raise RecipeError(
                f"{document.method} takes {wanted} model{'s' * (wanted != '1')}{beside}, "
                f"got {len(inputs)}.",
                "Add or remove models.",
            )
        return base, inputs

    def _with_base(self, inputs: list[Input], base: Model | None, listed: bool) -> list[Input]:
        method = self.document.method
        if method == "slerp":
            if base is None or not listed:
                raise RecipeError(
                    "slerp needs base_model to be one of its two models.",
                    "Set base_model to the model where t = 0.",
                )
            return sorted(inputs, key=lambda item: item.model != base)
        if base is None or listed:
            return inputs
        if method == "karcher":
            self.findings.trap(
                "base_model joins the mean, though models does not list it.",
                "base_model",
                "Take base_model out if it should not count.",
            )
            return [*inputs, Input(base, {}, "base_model")]
        raise RecipeError(
            f"{method} takes base_model for one of the models, and models does not list it.",
            "List it with its parameters, or take base_model out.",
        )

    def _conditions(self, inputs: Sequence[Input]) -> dict[tuple[str, int], list[Condition]]:
        """Return what is tried for each parameter, by its name and the model's place."""
        found: dict[tuple[str, int], list[Condition]] = {}
        for setting in self.document.kind.settings:
            shared = [level.get(setting.name, []) for level in self.document.shared]
            if not setting.each:
                found[setting.name, -1] = merged(shared)
                for item in inputs:
                    if setting.name in item.level:
                        self.findings.trap(
                            f"{setting.name} is one for all models, and has no effect here.",
                            item.where,
                            "Move it to the parameters of the whole configuration.",
                        )
                continue
            for i, item in enumerate(inputs):
                found[setting.name, i] = merged([item.level.get(setting.name, []), *shared])
        return found

    def _translate(
        self,
        tried: Mapping[tuple[str, int], list[Condition]],
        inputs: Sequence[Input],
        matching: Collection[str],
    ) -> Translated:
        kind = self.document.kind

        def value(setting: Setting, i: int, where: str) -> Any:
            found = pick(tried[setting.name, i], matching, setting, f"{where}: {setting.name}")
            # mergekit-pytorch knows no layers, and takes the first of a gradient.
            return found.values[0] if self.raw and isinstance(found, Depth) else found

        shared = {s.name: value(s, -1, "parameters") for s in kind.settings if not s.each}
        each = [
            {s.name: value(s, i, item.where) for s in kind.settings if s.each}
            for i, item in enumerate(inputs)
        ]
        return kind.translate(shared, each)

    def _check_layers(self, names: Collection[str] | None) -> None:
        layers = self.document.layers
        if layers is None:
            return
        if names is None:
            self.findings.note(
                f"The slice covers {layers} layers; here all layers are merged.",
                "slices",
                "Check that the models have no more.",
            )
        elif count_layers(names) != layers:
            raise RecipeError(
                f"slices: the slice covers {layers} of {count_layers(names)} layers, and a merge "
                "keeps all layers of its base.",
                "Cover all of them.",
            )

    def _out_dtype(self) -> str | None:
        dtype = self.document.dtype
        if dtype is not None and dtype not in OUT_DTYPES:
            raise RecipeError(
                f"dtype must be one of {', '.join(OUT_DTYPES)}, got {dtype[:40]!r}.",
                did_you_mean(dtype, OUT_DTYPES),
            )
        return dtype

    def _check_probabilities(self, recipe: Recipe) -> None:
        if recipe.method not in ("della", "della_linear"):
            return
        params = recipe.resolved().params
        for density, epsilon in _pairs(params["density"], params["epsilon"]):
            if 0.0 < density < 1.0 and not 0.0 < density - epsilon < density + epsilon < 1.0:
                raise RecipeError(
                    f"{recipe.method}: density {density:g} ± epsilon {epsilon:g} leaves 0 … 1, "
                    "and mergekit stops there too.",
                    "Lower epsilon; its default is 0.15.",
                )

    def _notes(self, tried: Mapping[tuple[str, int], list[Condition]]) -> None:
        document, findings = self.document, self.findings
        values = [c.value for found in tried.values() for c in found]
        if any(isinstance(v, list) and len(v) > 1 for v in values):
            findings.trap(
                "mergekit-pytorch knows no layers, and takes the first value of a list."
                if self.raw
                else "lm_head, embeddings and the final norm take the first value of a list.",
                "parameters",
            )
        if document.method in RANDOM:
            findings.note("Random masks are drawn from another generator here.", "merge_method")
        if document.method == "task_arithmetic" and any(
            found and name == "density" for (name, _), found in tried.items()
        ):
            findings.trap("task_arithmetic ignores density.", "parameters", "Use ties.")
        if any(found and name == "int8_mask" for (name, _), found in tried.items()):
            findings.note("int8_mask changes no result.", "parameters")
        if document.base is None and document.name is None:
            findings.trap(
                "Without base_model mergekit takes config and tokenizer from any of the models, "
                "another one each run; here they come from the first.",
                "base_model",
            )
        if document.dtype in ("float16", "bfloat16"):
            findings.note(
                f"mergekit computes in {document.dtype}; here in float32, rounded once.", "dtype"
            )
        _tokenizer_notes(document, findings)


def _tokenizer_notes(document: Document, findings: Findings) -> None:
    source = document.carried.get("tokenizer_source")
    if source is not None and source != "base":
        findings.note(
            "The tokenizer of the base is copied; another one, or a union, is not made here.",
            "tokenizer_source",
            "Check that all models have the same vocabulary.",
        )
    for key in ("tokenizer", "chat_template"):
        if key in document.carried:
            findings.note(f"{key} is kept for an export, and changes nothing here.", key)


def _filters(tried: Mapping[tuple[str, int], list[Condition]]) -> list[str]:
    texts = [c.filter for found in tried.values() for c in found if c.filter is not None]
    return list(dict.fromkeys(texts))


def _experts(sources: Sequence[str]) -> tuple[Expert, ...]:
    experts: list[Expert] = []
    taken = {"base"}
    for source in sources:
        name, count = default_name(source).removesuffix(".yaml"), 2
        while name in taken:
            name = f"{default_name(source).removesuffix('.yaml')}-{count}"
            count += 1
        taken.add(name)
        experts.append(Expert(source, name))
    return tuple(experts)


def _changed(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that differ from the method's own defaults."""
    from merger.spec import METHODS  # noqa: PLC0415  (reads every method)

    known = METHODS[method]
    dialect = {"dialect": params["dialect"]} if "dialect" in params else {}
    usual = known.resolve(dialect)
    return dialect | {k: v for k, v in params.items() if k not in usual or usual[k] != v}


def _pairs(density: Any, epsilon: Any) -> list[tuple[float, float]]:
    def spread(value: Any) -> list[Any]:
        return list(value) if isinstance(value, tuple) else [value]

    def numbers(value: Any) -> list[float]:
        return list(value.values) if isinstance(value, Depth) else [value]

    densities, epsilons = spread(density), spread(epsilon)
    count = max(len(densities), len(epsilons))
    both = zip((densities * count)[:count], (epsilons * count)[:count], strict=True)
    return [(d, e) for ds, es in both for d in numbers(ds) for e in numbers(es)]
