"""Settings of several slices, as a recipe's settings by depth and rules by name."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from merger.errors import RecipeError
from merger.mergekit.findings import Findings
from merger.mergekit.rules import literal
from merger.mergekit.settled import Settled
from merger.mergekit.table import Translated
from merger.mergekit.values import ONLY, OUTSIDE, Place
from merger.places import LAYER, comes_before_layers
from merger.recipe import Depth, Rule

Names = Callable[[str], Collection[str] | None]
Kinds = Sequence[Translated]


class Layer(NamedTuple):
    """One layer of the new model: which slice it is in, and which of its layers it is."""

    settled: Settled
    index: int

    @property
    def place(self) -> Place:
        """Where it is between the first layer of its slice and the last."""
        length = self.settled.slice.length or 1
        return ONLY if length == 1 else Place(self.index, length - 1)


class Tensor(NamedTuple):
    """One tensor of the new model, and what the slices say about it."""

    name: str
    layer: int | None
    kind: Translated


class Sliced(NamedTuple):
    """Settings for all tensors, and rules for some."""

    usual: Translated
    rules: tuple[Rule, ...]


def layers_of(slices: Sequence[Settled]) -> list[Layer]:
    """Return the layers of the new model."""
    return [Layer(one, i) for one in slices for i in range(one.slice.length or 0)]


def settle_slices(
    slices: Sequence[Settled],
    names: Sequence[Sequence[Collection[str]]] | None,
    findings: Findings,
) -> Sliced:
    """Return settings that give every tensor what its slice says.

    Args:
        slices: The slices, all with as many experts.
        names: For each slice the tensor names of each expert; None where a model is not at hand.
        findings: Told of filters that match nothing.
    Raises:
        RecipeError: it cannot be told without the models.
    """
    layers = layers_of(slices)
    filters = list(dict.fromkeys(f for one in slices for f in one.filters))
    if names is not None:
        # What is meant for one tensor becomes a rule with its name.
        known = {name for own in names for model in own for name in model}
        for f in filters:
            if not any(f in name for name in known):
                findings.trap(f"No tensor is left for the filter {f!r}.", "parameters")
        filters = [f for f in filters if not _is_one(f, known)]
    usual = _over_depth([one.settled.matching((), one.place) for one in layers])
    patterns = {
        f: _over_depth([one.settled.matching((f,), one.place) for one in layers]) for f in filters
    }
    if names is not None:
        filters = [f for f in filters if patterns[f] != usual]
    if names is None:
        _refuse_what_names_decide(slices, layers, usual, patterns)
        found = [(f"*{literal(f)}*", pattern) for f, pattern in patterns.items()]
        return Sliced(usual, tuple(_rule(m, usual, kind) for m, kind in found))
    tensors = _tensors(slices, layers, names)
    hits = {t.name: next((f for f in filters if f in t.name), None) for t in tensors}
    found = [(f"*{literal(f)}*", patterns[f]) for f in filters if f in hits.values()]
    rules = _patches(tensors, hits, usual, patterns)
    return Sliced(usual, (*rules, *(_rule(m, usual, kind) for m, kind in found)))


def _is_one(text: str, names: Collection[str]) -> bool:
    """Return whether a filter is the whole name of a tensor, or has the number of a layer."""
    return any(letter.isdigit() for letter in text) or text in names


def _tensors(
    slices: Sequence[Settled], layers: Sequence[Layer], names: Sequence[Sequence[Collection[str]]]
) -> list[Tensor]:
    """Return every tensor of the new model, by name, and what its slice says about it."""
    by_slice = {id(one): own for one, own in zip(slices, names, strict=True)}
    found = []
    for one, before in ((slices[0], True), (slices[-1], False)):
        for name in by_slice[id(one)][0]:
            if LAYER.search(name) is None and comes_before_layers(name) == before:
                kind = one.named(name, [name] * len(one.inputs), OUTSIDE)
                found.append(Tensor(name, None, kind))
    for number, layer in enumerate(layers):
        starts = [item.start + layer.index for item in layer.settled.inputs]
        for name in by_slice[id(layer.settled)][0]:
            hit = LAYER.search(name)
            if hit is None or int(hit[1]) != starts[0]:
                continue
            head, tail = name[: hit.start(1)], name[hit.end(1) :]
            sources = [f"{head}{start}{tail}" for start in starts]
            here = f"{head}{number}{tail}"
            found.append(Tensor(here, number, layer.settled.named(here, sources, layer.place)))
    return sorted(found)


def _patches(
    tensors: Sequence[Tensor],
    hits: Mapping[str, str | None],
    usual: Translated,
    patterns: Mapping[str, Translated],
) -> list[Rule]:
    """Return rules for the tensors that settings by depth and filters alone would get wrong."""
    odd: dict[int | None, list[Tensor]] = {}
    whole: dict[int | None, int] = {}
    for tensor in tensors:
        hit = hits[tensor.name]
        guess = _pinned(usual if hit is None else patterns[hit], tensor.layer)
        whole[tensor.layer] = whole.get(tensor.layer, 0) + 1
        if guess != tensor.kind:
            odd.setdefault(tensor.layer, []).append(tensor)
    rules: list[Rule] = []
    for layer, found in odd.items():
        common = _pinned(usual, layer)
        same = all(tensor.kind == found[0].kind for tensor in found)
        hit = LAYER.search(found[0].name)
        if hit is not None and same and len(found) == whole[layer]:
            match = f"{literal(found[0].name[: hit.end(1)])}.*"
            rules.append(_rule(match, common, found[0].kind))
        else:
            rules += [_rule(literal(t.name), common, t.kind) for t in found]
    return rules


def _refuse_what_names_decide(
    slices: Sequence[Settled],
    layers: Sequence[Layer],
    usual: Translated,
    patterns: Mapping[str, Translated],
) -> None:
    filters = list(patterns)

    def refuse(what: str) -> RecipeError:
        return RecipeError(
            f"slices: {what} cannot be told without the models.",
            "Use local folders, which have the names of the tensors.",
        )

    if any(re.search(r"\d", text) for text in filters):
        raise refuse("which layer a filter with a number means")
    if any(sum(f in matching for f in filters) > 1 for matching in filters):
        raise refuse("what holds where two filters are part of one name")
    for matching, guess in [((), usual), *(((f,), kind) for f, kind in patterns.items())]:
        ends = [slices[0].matching(matching, OUTSIDE), slices[-1].matching(matching, OUTSIDE)]
        if any(end != _pinned(guess, None) for end in ends):
            raise refuse("which tensors stand before the layers and which after them")
        if any(
            _pinned(guess, i) != one.settled.matching(matching, one.place)
            for i, one in enumerate(layers)
        ):
            raise refuse("true and false that change from slice to slice")
    for i, one in enumerate(filters):
        for other in filters[i + 1 :]:
            both = [layer.settled.matching((one, other), layer.place) for layer in layers]
            alone = [layer.settled.matching((one,), layer.place) for layer in layers]
            if both != alone:
                raise refuse("what holds where two filters are part of one name")


def _over_depth(kinds: Kinds) -> Translated:
    """Return one setting for each parameter, with a value for each layer where they differ.

    What is no number keeps the first layer's value: rules say where it is another.
    """
    first = kinds[0]
    params = {name: _column([kind.params[name] for kind in kinds]) for name in first.params}
    if all(kind.weights is None for kind in kinds):
        return Translated(params, None)
    count = max(len(kind.weights or ()) for kind in kinds)
    rows = [kind.weights or (1.0,) * count for kind in kinds]
    weights = tuple(_column(column) for column in zip(*rows, strict=True))
    return Translated(params, weights)


def _column(values: Sequence[Any]) -> Any:
    if all(value == values[0] for value in values):
        return values[0]
    if any(isinstance(value, tuple) for value in values):
        count = max(len(value) for value in values if isinstance(value, tuple))
        rows = [value if isinstance(value, tuple) else (value,) * count for value in values]
        return tuple(_column(column) for column in zip(*rows, strict=True))
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return Depth(tuple(values))
    return values[0]


def _pinned(kind: Translated, layer: int | None) -> Translated:
    """Return what settings by depth are in one layer, or outside the layers."""

    def at(value: Any) -> Any:
        if isinstance(value, tuple):
            pinned = tuple(at(v) for v in value)
            return pinned[0] if all(v == pinned[0] for v in pinned) else pinned
        return value.values[layer or 0] if isinstance(value, Depth) else value

    weights = None if kind.weights is None else tuple(at(w) for w in kind.weights)
    if weights is not None and all(w == 1.0 for w in weights):
        weights = None
    return Translated({name: at(value) for name, value in kind.params.items()}, weights)


def _rule(match: str, usual: Translated, own: Translated) -> Rule:
    params = {name: value for name, value in own.params.items() if usual.params[name] != value}
    weights = None
    if own.weights != usual.weights:
        count = len(own.weights or usual.weights or ())
        weights = own.weights or (1.0,) * count
    return Rule(match, weights=weights, params=params)
