"""Recipes over layers of other models, written as mergekit's slices."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from typing import Any

from merger.errors import RecipeError
from merger.layers import Run
from merger.mergekit.export import TensorNames, model_text, value_of
from merger.mergekit.findings import Findings
from merger.mergekit.heads import keep_all_in_head
from merger.mergekit.levels import Level, level_of
from merger.mergekit.reverse import Written
from merger.mergekit.segments import Segment, cut, runs_of
from merger.mergekit.table import KINDS, Kind
from merger.places import LAYER, comes_before_layers, depth_of
from merger.recipe import Depth, Recipe, Rule


class Slicer:
    """Writes the slices of one recipe."""

    def __init__(
        self,
        recipe: Recipe,
        usual: Written,
        levels: Sequence[Level],
        segments: Sequence[Segment],
        base: int | None,
    ) -> None:
        self.recipe = recipe
        self.usual = usual
        self.levels = levels
        self.segments = segments
        self.base = base
        self.layers = segments[-1].stop
        self.filters = list(dict.fromkeys(level.filter for level in levels if level.filter))

    def value(self, filter_: str | None, layer: int | None, name: str, j: int | None) -> Any:
        """Return a parameter where a filter holds or none, in a layer or outside the layers."""
        for level in self.levels:
            if (level.filter is not None and level.filter == filter_) or (
                level.layer is not None and level.layer == layer
            ):
                return self._at(level.written, layer, name, j)
        return self._at(self.usual, layer, name, j)

    def _at(self, written: Written, layer: int | None, name: str, j: int | None) -> Any:
        found = written.shared[name] if j is None else written.each[j][name]
        return found.at(depth_of(layer, self.layers)) if isinstance(found, Depth) else found

    def over(self, segment: Segment, filter_: str | None, name: str, j: int | None) -> Any:
        """Return a parameter for all layers of a segment: one value, or a list."""
        layers: Sequence[int | None] = range(segment.start, segment.stop) or [None]
        values = [self.value(filter_, layer, name, j) for layer in layers]
        if all(value == values[0] for value in values):
            return values[0]
        if any(isinstance(value, bool) for value in values):
            raise RecipeError(
                f"{name} changes within layers {segment.start} to {segment.stop - 1}, which only "
                "numbers do safely in mergekit.",
                "Divide the layers into more runs.",
            )
        return values

    def conditions(
        self, segment: Segment, ends: Sequence[tuple[str, Written]], name: str, j: int | None
    ) -> Any:
        """Return what mergekit tries for a parameter, tensors by name first."""
        own = self._named(segment, name, j)
        own += [(text, self._at(w, None, name, j)) for text, w in ends]
        by_filter = [(f, self.over(segment, f, name, j)) for f in self.filters]
        return value_of(self.over(segment, None, name, j), [*own, *by_filter])

    def _named(self, segment: Segment, name: str, j: int | None) -> list[tuple[str, Any]]:
        """Return values for single tensors of layers, under the name that mergekit looks at."""
        found = []
        for level in self.levels:
            hit = None if level.name is None else LAYER.search(level.name)
            if hit is None or level.name is None:
                continue
            layer = int(hit[1])
            if segment.start <= layer < segment.stop:
                run = None if j is None else segment.runs[j + (self.base is not None)]
                shift = 0 if run is None else run.start - segment.start
                head, tail = level.name[: hit.start(1)], level.name[hit.end(1) :]
                value = self._at(level.written, layer, name, j)
                found.append((f"{head}{layer + shift}{tail}", value))
        return found

    def ends(self, segment: Segment, names: Collection[str]) -> list[tuple[str, Written]]:
        """Return tensors outside the layers that mergekit would give something else."""
        found = []
        for name in sorted(names):
            rule = next((lv for lv in self.levels if fnmatchcase(name, lv.rule.match)), None)
            wanted = self.usual if rule is None else rule.written
            hit = next((f for f in self.filters if f in name), None)
            if self._differs(segment, hit, wanted):
                found.append((name, wanted))
        return found

    def _differs(self, segment: Segment, hit: str | None, wanted: Written) -> bool:
        def first(value: Any) -> Any:
            return value[0] if isinstance(value, list) else value

        shared = any(
            first(self.over(segment, hit, name, None)) != self._at(wanted, None, name, None)
            for name in wanted.shared
        )
        return shared or any(
            first(self.over(segment, hit, name, j)) != self._at(wanted, None, name, j)
            for j, own in enumerate(wanted.each)
            for name in own
        )

    def check_ends_without_names(self) -> None:
        """Refuse where names would be needed to tell embeddings and heads apart."""
        for segment in (self.segments[0], self.segments[-1]):
            for filter_ in (None, *self.filters):
                by_filter = [lv.written for lv in self.levels if lv.filter == filter_ is not None]
                wanted = by_filter[0] if by_filter else self.usual
                if self._differs(segment, filter_, wanted):
                    raise RecipeError(
                        "mergekit gives lm_head and the final norm what its last slice begins "
                        "with, which is something else here.",
                        "Use local folders: with the names of the tensors this can be written.",
                    )


def write_slices(
    recipe: Recipe,
    kind: Kind,
    usual: Written,
    rules: Sequence[tuple[Rule, Written]],
    tensor_names: TensorNames | None,
    findings: Findings,
) -> dict[str, Any]:
    """Return a configuration with slices.

    Raises:
        RecipeError: mergekit cannot do what the recipe says; the reason is named.
    """
    used = recipe.experts[: kind.inputs[1]] if kind.inputs[1] else recipe.experts
    stacks = runs_of([e.source for e in used])
    base = None
    wants_base = kind.base == "required" or recipe.params.get("space") == "task_vectors"
    if wants_base and kind.base != "input" and recipe.base is not None:
        base = 0
        stacks = runs_of([recipe.base, *(e.source for e in used)])
    segments = cut(stacks)
    slicer = Slicer(recipe, usual, [level_of(*pair) for pair in rules], segments, base)
    before, after = _outside(segments, tensor_names)
    if before is None or after is None:
        slicer.check_ends_without_names()
    slices = []
    for i, segment in enumerate(segments):
        ends = slicer.ends(segment, before or ()) if i == 0 else []
        ends += slicer.ends(segment, after or ()) if i + 1 == len(segments) else []
        slices.append(_slice(slicer, segment, ends))
    keep_all_in_head(slices, segments, findings)
    return _table(recipe, kind, slicer, slices)


def _outside(
    segments: Sequence[Segment], tensor_names: TensorNames | None
) -> tuple[Collection[str] | None, Collection[str] | None]:
    """Return the names before the layers and after them, where the models are at hand."""
    found: list[Collection[str] | None] = []
    for segment, before in ((segments[0], True), (segments[-1], False)):
        names = None if tensor_names is None else tensor_names(segment.runs[0].source)
        found.append(
            None
            if names is None
            else [n for n in names if LAYER.search(n) is None and comes_before_layers(n) == before]
        )
    return found[0], found[1]


def _slice(
    slicer: Slicer, segment: Segment, ends: Sequence[tuple[str, Written]]
) -> dict[str, Any]:
    """Return one slice: its sources with their parameters, and those for all of them."""
    settings = KINDS[slicer.recipe.method].settings
    sources = []
    skip = slicer.base is not None
    if skip:
        sources.append(_source(segment.runs[0], {}))
    for j, run in enumerate(segment.runs[skip:]):
        own = {
            s.name: slicer.conditions(segment, ends, s.name, j)
            for s in settings
            if s.name in slicer.usual.each[j]
        }
        fills_up = own.get("weight") == 0.0 and run in segment.runs[skip : skip + j]
        if not fills_up:
            sources.append(_source(run, own))
    models = [source["model"] for source in sources]
    if len(set(models)) < len(models):
        raise RecipeError(
            f"Layers {segment.start} to {segment.stop - 1} are merged from one model twice, and "
            "mergekit takes each model once in a slice.",
            "Copy the model into a second folder.",
        )
    shared = {name: slicer.conditions(segment, ends, name, None) for name in slicer.usual.shared}
    return {"sources": sources} | ({"parameters": shared} if shared else {})


def _source(run: Run, parameters: dict[str, Any]) -> dict[str, Any]:
    table: dict[str, Any] = {
        "model": model_text(run.source, None), "layer_range": [run.start, run.stop]
    }  # fmt: skip
    return table | ({"parameters": parameters} if parameters else {})


def _table(
    recipe: Recipe, kind: Kind, slicer: Slicer, slices: list[dict[str, Any]]
) -> dict[str, Any]:
    table: dict[str, Any] = {"merge_method": recipe.method}
    firsts = [one["sources"][0]["model"] for one in slices]
    if slicer.base is not None or recipe.method == "slerp":
        table["base_model"] = firsts[0]
        for one, name in zip(slices, firsts, strict=True):
            if name != firsts[0]:
                one["base_model"] = name
    elif kind.base == "input":
        # It says whose config is taken, which mergekit else decides by chance.
        table["base_model"] = firsts[0]
    return table | {"slices": slices}
