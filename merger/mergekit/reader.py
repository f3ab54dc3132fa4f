"""From a mergekit configuration to a recipe, or several that build on each other."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from merger.errors import RecipeError, did_you_mean
from merger.layers import Run, layers_source
from merger.mergekit.document import Document, Input, read_document
from merger.mergekit.findings import Finding, Findings
from merger.mergekit.inputs import split_inputs
from merger.mergekit.models import Model, source_of, stage_file
from merger.mergekit.probabilities import check_probabilities
from merger.mergekit.rules import build_rules
from merger.mergekit.settled import Settled
from merger.mergekit.sliced import Sliced, settle_slices
from merger.mergekit.tokenizer import choice_of
from merger.mergekit.traps import find_traps
from merger.mergekit.values import Condition
from merger.mergekit.yaml import parse_configurations
from merger.places import count_layers
from merger.recipe import OUT_DTYPES, Expert, Recipe, Rule
from merger.recipe_schema import default_name

TensorNames = Callable[[str], Collection[str] | None]
# Methods in which a model of weight 0 changes nothing, so that slices may have fewer models.
SILENT_AT_ZERO = (
    "linear", "task_arithmetic", "ties", "dare_linear", "dare_ties", "della", "della_linear",
    "breadcrumbs", "breadcrumbs_ties",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Imported:
    """One recipe from a configuration.

    Args:
        name: How other recipes of the same configuration call it; None for the last one.
        recipe: The recipe.
        findings: What to know about it.
    """

    name: str | None
    recipe: Recipe
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "name": self.name,
            "recipe": self.recipe.to_json(),
            "findings": [finding.to_json() for finding in self.findings],
        }


def import_mergekit(
    text: str,
    *,
    folder: Path | None = None,
    tensor_names: TensorNames | None = None,
    raw: bool = False,
    beside: Path | None = None,
) -> list[Imported]:
    """Read a configuration of mergekit's, and say what it passes over in silence.

    Args:
        text: YAML; several documents where stages build on each other.
        folder: Where relative paths start.
        tensor_names: Returns the tensor names of a source, or None where it is not at hand.
        raw: Read it as `mergekit-pytorch` does, which knows no layers.
        beside: Folder that the recipes of stages are written to, as seen from `folder`.
    Raises:
        RecipeError: not a configuration, or something that has no counterpart here.
    """
    documents = parse_configurations(text)
    stages: dict[str, str] = {}
    found: list[Imported] = []
    for i, data in enumerate(documents):
        findings = Findings()
        document = read_document(data, findings)
        if raw and document.is_sliced:
            raise RecipeError(
                "mergekit-pytorch knows no slices.", "List models, or leave --raw out."
            )
        if len(documents) > 1 and document.name is None and i + 1 < len(documents):
            raise RecipeError(
                f"Document {i + 1} of {len(documents)} needs a name for the others to use.",
                "Add 'name: …' to it.",
            )
        found.append(_Reader(document, findings, stages, folder, tensor_names, raw).read())
        if document.name is not None:
            stages[document.name] = str((beside or Path()) / stage_file(document.name))
    return found


class _Reader:
    """Turns one document into a recipe."""

    def __init__(
        self,
        document: Document,
        findings: Findings,
        stages: Mapping[str, str],
        folder: Path | None,
        tensor_names: TensorNames | None,
        raw: bool,
    ) -> None:
        self.document = document
        self.findings = findings
        self.stages = dict(stages)
        self.folder = folder
        self.tensor_names = tensor_names
        split = [(one, *split_inputs(document, one, findings)) for one in document.slices]
        self.slices = [
            Settled(document, one, base, inputs, findings, raw) for one, base, inputs in split
        ]
        self.raw = raw

    def read(self) -> Imported:
        document = self.document
        recipe = self._sliced() if self._needs_layers() else self._plain()
        tokenizer = choice_of(document.tokenizer, self._source)
        recipe = replace(recipe, out_dtype=self._out_dtype(), tokenizer=tokenizer)
        check_probabilities(recipe)
        recipe.resolved()
        names = [[self._names(item.model, item.where) for item in one.inputs]
                 for one in self.slices]  # fmt: skip
        find_traps(document, self.slices, names, self.raw, self.findings)
        return Imported(document.name, recipe, tuple(self.findings.all))

    def _source(self, model: Model, where: str) -> str:
        if self.document.is_sliced and model.adapter is not None:
            raise RecipeError(
                f"{where}: an adapter changes all layers of its model, and cannot stand in a "
                "slice here.",
                "Merge it into its model first.",
            )
        return source_of(model, self.document.base, self.stages, self.folder, where)

    def _names(self, model: Model, where: str) -> Collection[str] | None:
        if self.tensor_names is None or self.stages:
            return None
        return self.tensor_names(self._source(model, where))

    def _needs_layers(self) -> bool:
        """Return whether the new model is other than a merge of whole models."""
        if not self.document.is_sliced:
            return False
        if len(self.slices) > 1:
            return True
        (one,) = self.slices
        inputs = [*one.inputs, *([] if one.base is None else [one.base])]
        known = [self._names(item.model, item.where) for item in inputs]
        return any(
            names is None or item.start or count_layers(names) != one.slice.length
            for item, names in zip(inputs, known, strict=True)
        )

    def _plain(self) -> Recipe:
        (one,) = self.slices
        sources = [self._source(item.model, item.where) for item in one.inputs]
        reference = one.inputs[0] if one.base is None else one.base
        usual = one.matching(())
        names = self._names(reference.model, reference.where) if one.filters else None
        rules: tuple[Rule, ...] = ()
        if one.filters:
            rules = build_rules(one.filters, one.matching, names, self.findings)
        base = None if one.base is None else self._source(one.base.model, "base_model")
        return self._recipe(sources, base, Sliced(usual, rules))

    def _sliced(self) -> Recipe:
        slices = self._filled()
        known = [[self._names(i.model, i.where) for i in one.inputs] for one in slices]
        complete = [[n for n in own if n is not None] for own in known]
        at_hand = all(len(a) == len(b) for a, b in zip(known, complete, strict=True))
        settled = settle_slices(slices, complete if at_hand else None, self.findings)
        experts = [
            self._layers([one.inputs[j] for one in slices]) for j in range(len(slices[0].inputs))
        ]
        bases = [one.base for one in slices if one.base is not None]
        if len(bases) not in (0, len(slices)):
            raise RecipeError(
                "slices: some slices have a base_model and some have none.",
                "Set base_model for the whole configuration, or in every slice.",
            )
        return self._recipe(experts, self._layers(bases) if bases else None, settled)

    def _layers(self, inputs: Sequence[Input]) -> str:
        return layers_source(
            [
                Run(self._source(i.model, i.where), i.start, i.start + (one.slice.length or 0))
                for i, one in zip(inputs, self.slices, strict=True)
            ]
        )

    def _filled(self) -> list[Settled]:
        """Return slices with equally many models: what lacks some gets one of weight 0."""
        count = max(len(one.inputs) for one in self.slices)
        if all(len(one.inputs) == count for one in self.slices):
            return self.slices
        if self.document.method not in SILENT_AT_ZERO:
            raise RecipeError(
                f"slices: {self.document.method} has other numbers of models in other slices, and "
                "no model of weight 0 to fill them up with.",
                "Merge the slices one by one, and stack the results with passthrough.",
            )
        none = {"weight": [Condition(None, 0.0)]}
        filled = []
        for one in self.slices:
            first = replace(one.inputs[0], level={**one.inputs[0].level, **none})
            inputs = [*one.inputs, *[first] * (count - len(one.inputs))]
            filled.append(Settled(self.document, one.slice, one.base, inputs, self.findings))
        return filled

    def _recipe(self, sources: Sequence[str], base: str | None, settled: Sliced) -> Recipe:
        return Recipe(
            method=self.document.method,
            experts=_experts(sources),
            base=base,
            weights=settled.usual.weights,
            params=_changed(self.document.method, settled.usual.params),
            rules=settled.rules,
        )

    def _out_dtype(self) -> str | None:
        dtype = self.document.dtype
        if dtype is not None and dtype not in OUT_DTYPES:
            raise RecipeError(
                f"dtype must be one of {', '.join(OUT_DTYPES)}, got {dtype[:40]!r}.",
                did_you_mean(dtype, OUT_DTYPES),
            )
        return dtype


def _experts(sources: Sequence[str]) -> tuple[Expert, ...]:
    experts: list[Expert] = []
    taken = {"base"}
    for source in sources:
        plain = default_name(source).removesuffix(".yaml")
        name, count = plain, 2
        while name in taken:
            name, count = f"{plain}-{count}", count + 1
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
