"""What happens to each tensor: recipe and headers in, a frozen plan out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from math import prod
from typing import Any, Literal

from merger.align import AlignReport, align
from merger.checkpoint import Checkpoint
from merger.errors import FeedError, RecipeError, did_you_mean
from merger.knobs import DepthLike, Param
from merger.places import count_layers, depth_of, layer_of
from merger.recipe import Recipe, Rule, Step
from merger.spec import METHODS, SCOPES, Method

BASE = -1
WORDS = {"float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64"}


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """Every setting at one depth under one rule; tensors that agree share one object.

    Args:
        params: Settings of the method.
        weights: One coefficient per expert in use.
        before: Settings of each verb before the method.
        after: Settings of each verb after it.
    """

    params: Mapping[str, Any]
    weights: tuple[float, ...]
    before: tuple[Mapping[str, Any], ...]
    after: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class TensorPlan:
    """What happens to one tensor.

    Args:
        key: Its name on disk.
        shape: Its shape.
        dtype: What it is stored as, in safetensors' words.
        out_dtype: What it is written as.
        action: "merge", "copy" (never merged, such as integers) or "take" (a rule copies it).
        source: Which expert it is copied from, -1 for the base; None when merged.
        settings: The settings that hold for it.
        layer: Number of its layer, None outside the layers.
        depth: Relative depth in [0, 1].
        offset: Its first entry in the order of all merged entries.
    """

    key: str
    shape: tuple[int, ...]
    dtype: str
    out_dtype: str
    action: Literal["merge", "copy", "take"]
    source: int | None
    settings: Settings
    layer: int | None
    depth: float
    offset: int

    @property
    def numel(self) -> int:
        """Number of entries."""
        return prod(self.shape)

    @property
    def params(self) -> Mapping[str, Any]:
        """Settings of the method for this tensor."""
        return self.settings.params

    @property
    def weights(self) -> tuple[float, ...]:
        """Coefficients of the experts for this tensor."""
        return self.settings.weights


@dataclass(frozen=True, slots=True)
class Stage:
    """A method or verb at its place in the recipe.

    Args:
        label: "before", "merge" or "after".
        index: Its place among the verbs of its kind.
        method: The method or verb.
    """

    label: Literal["before", "merge", "after"]
    index: int
    method: Method

    @property
    def salt(self) -> str:
        """What tells its random draws from those of the method."""
        return "" if self.label == "merge" else f"{self.label} {self.index} {self.method.name}"

    def knobs(self, settings: Settings) -> Mapping[str, Any]:
        """Return its own settings."""
        if self.label == "merge":
            return settings.params
        return getattr(settings, self.label)[self.index]


@dataclass(frozen=True)
class Plan:
    """What happens to every tensor of a merge.

    Args:
        recipe: Where it comes from.
        stages: Verbs before the method, the method, verbs after it.
        names: The experts in use, in order.
        unused: Experts that the method has no place for.
        tensors: Every tensor, sorted by name.
        has_base: Whether there is a base.
    """

    recipe: Recipe
    stages: tuple[Stage, ...]
    names: tuple[str, ...]
    unused: tuple[str, ...]
    tensors: tuple[TensorPlan, ...]
    has_base: bool

    @cached_property
    def method(self) -> Method:
        """The merge method."""
        return next(s.method for s in self.stages if s.label == "merge")

    @property
    def n(self) -> int:
        """How many experts are in use."""
        return len(self.names)

    @property
    def seed(self) -> int:
        """The recipe's seed."""
        return self.recipe.seed

    @cached_property
    def by_key(self) -> Mapping[str, TensorPlan]:
        """Every tensor by name."""
        return {t.key: t for t in self.tensors}

    @cached_property
    def merged(self) -> tuple[TensorPlan, ...]:
        """The tensors that are merged."""
        return tuple(t for t in self.tensors if t.action == "merge")

    @cached_property
    def numel(self) -> int:
        """How many entries are merged."""
        return sum(t.numel for t in self.merged)

    def scope_at(self, settings: Settings) -> str:
        """Return the smallest piece that the method and all verbs can work on."""
        scopes = [stage.method.scope_at(stage.knobs(settings)) for stage in self.stages]
        return max(scopes, key=SCOPES.index)

    def feeds(self, stage: Stage) -> set[str]:
        """Return the names of the feeds that a stage takes."""
        return {use.feed.name for use in stage.method.feeds}


def plan(
    recipe: Recipe,
    base: Checkpoint | None,
    experts: Sequence[Checkpoint],
    report: AlignReport | None = None,
    data: Iterable[str] = (),
) -> Plan:
    """Decide what happens to each tensor.

    Args:
        recipe: What to do.
        base: The checkpoint that the experts were fine-tuned from.
        experts: One per expert of the recipe, in order.
        report: How they fit; asked for when None.
        data: Names of the feeds computed from calibration data that are at hand.
    Raises:
        RecipeError: an unknown method, setting or tensor, or too few experts.
        AlignmentError: the models do not fit.
        FeedError: something that the method needs is not there.
    """
    stages = _stages(recipe)
    used = _used(recipe, stages)
    _check_needs(stages, base is not None, set(data))
    if report is None:
        report = align(base, experts, read_heads=False)
        report.raise_if_bad()
    reference = base if base is not None else experts[0]
    rules = _rules_by_key(recipe, [*report.mergeable, *report.copied])
    desk = _Desk(recipe, stages, used)
    layers = count_layers(reference.tensors)
    tensors, offset = [], 0
    mergeable = set(report.mergeable)
    for key in sorted([*report.mergeable, *report.copied]):
        depth = depth_of(layer_of(key), layers)
        tensor = _place(recipe, reference, key, rules.get(key), desk, depth, offset, base)
        if key not in mergeable and tensor.action == "merge":
            tensor = _copied(tensor, BASE if base is not None else 0)
        tensors.append(tensor)
        offset += tensor.numel if tensor.action == "merge" else 0
    names = tuple(e.name for e in recipe.experts)
    return Plan(recipe, stages, names[:used], names[used:], tuple(tensors), base is not None)


def _stages(recipe: Recipe) -> tuple[Stage, ...]:
    before = [Stage("before", i, _find(s.verb, "before")) for i, s in enumerate(recipe.before)]
    after = [Stage("after", i, _find(s.verb, "after")) for i, s in enumerate(recipe.after)]
    method = _find(recipe.method, "merge")
    if after and method.output == "per_task":
        raise RecipeError(
            f"{method.title} gives one model per expert, and {after[0].method.title} needs one.",
            "Take the verbs out of 'after', or use another method.",
        )
    return (*before, Stage("merge", 0, method), *after)


def _find(name: str, stage: str) -> Method:
    method = METHODS.get(name)
    if method is None or method.stage != stage:
        known = [m.name for m in METHODS.values() if m.stage == stage]
        what = "merge method" if stage == "merge" else f"verb for {stage!r}"
        raise RecipeError(f"There is no {what} {name!r}.", did_you_mean(name, known))
    return method


def _used(recipe: Recipe, stages: Sequence[Stage]) -> int:
    """Return how many of the experts are used, the first ones."""
    method = next(s.method for s in stages if s.label == "merge")
    low, high = method.experts
    n = len(recipe.experts)
    if n < low:
        raise RecipeError(
            f"{method.title} needs at least {low} expert{'s' * (low != 1)}, got {n}.",
            "Switch more experts on." if n else "Pick some experts first.",
        )
    return n if high is None else min(n, high)


def _check_needs(stages: Sequence[Stage], has_base: bool, data: set[str]) -> None:
    for stage in stages:
        title = stage.method.title
        for use in stage.method.feeds:
            for need in use.feed.needs:
                if need == "base" and not has_base:
                    raise FeedError(
                        f"{title} needs a base model, and none is chosen.",
                        "Set base to what the experts were fine-tuned from, or use Average.",
                    )
                if need != "base" and use.feed.name not in data:
                    raise FeedError(
                        f"{title} needs {need}, and none is chosen.",
                        "Pick a task under Evaluate, or use Average.",
                    )
        if stage.label != "merge" and not has_base:
            raise FeedError(f"{title} needs a base model, and none is chosen.", "Set base.")


def _rules_by_key(recipe: Recipe, keys: Sequence[str]) -> dict[str, int]:
    """Return the index of the first rule that matches, for each tensor that one does."""
    found: dict[str, int] = {}
    for i, rule in enumerate(recipe.rules):
        hits = [key for key in keys if fnmatchcase(key, rule.match)]
        if not hits:
            raise RecipeError(
                f"rules: {rule.match!r} matches no tensor.", did_you_mean(rule.match, keys)
            )
        for key in hits:
            found.setdefault(key, i)
    return found


def _place(
    recipe: Recipe,
    reference: Checkpoint,
    key: str,
    rule_index: int | None,
    desk: "_Desk",
    depth: float,
    offset: int,
    base: Checkpoint | None,
) -> TensorPlan:
    info = reference.tensors[key]
    out = info.dtype if recipe.out_dtype is None else WORDS[recipe.out_dtype]
    settings = desk.settings(rule_index, depth)
    tensor = TensorPlan(
        key, tuple(info.shape), info.dtype, out, "merge", None, settings, layer_of(key), depth,
        offset,
    )  # fmt: skip
    rule = None if rule_index is None else recipe.rules[rule_index]
    if rule is None or rule.take is None:
        return tensor
    source = _source(recipe, rule, base)
    copied = _copied(tensor, source) if not info.is_float else tensor
    return replace(copied, action="take", source=source)


def _copied(tensor: TensorPlan, source: int) -> TensorPlan:
    # What is not merged keeps its numbers as they are, integers and tables of sines alike.
    return replace(tensor, action="copy", source=source, out_dtype=tensor.dtype)


def _source(recipe: Recipe, rule: Rule, base: Checkpoint | None) -> int:
    names = [e.name for e in recipe.experts]
    if rule.take == "base" and base is not None:
        return BASE
    if rule.take in names:
        return names.index(rule.take)
    known = ["base", *names] if base is not None else names
    raise RecipeError(
        f"rules: take must be 'base' or an expert's name, got {rule.take!r}.",
        did_you_mean(str(rule.take), known),
    )


class _Desk:
    """Resolves settings once per rule and depth, so that tensors that agree share them."""

    def __init__(self, recipe: Recipe, stages: Sequence[Stage], used: int) -> None:
        self._recipe = recipe
        self._used = used
        self._method = next(s.method for s in stages if s.label == "merge")
        self._before = [self._verb(s, recipe.before) for s in stages if s.label == "before"]
        self._after = [self._verb(s, recipe.after) for s in stages if s.label == "after"]
        self._rules: dict[int | None, tuple[dict[str, Any], tuple[Any, ...], bool]] = {}
        self._made: dict[tuple[int | None, float | None], Settings] = {}

    def _verb(self, stage: Stage, steps: Sequence[Step]) -> tuple[Method, dict[str, Any]]:
        return stage.method, stage.method.resolve(steps[stage.index].params, self._used)

    def settings(self, rule: int | None, depth: float) -> Settings:
        """Return the settings of a tensor at this depth under this rule."""
        params, weights, varies = self._resolved(rule)
        at = (rule, depth if varies else None)
        if at not in self._made:
            self._made[at] = Settings(
                _at_depth(params, self._method, depth),
                tuple(w.at(depth) if isinstance(w, DepthLike) else float(w) for w in weights),
                tuple(_at_depth(p, m, depth) for m, p in self._before),
                tuple(_at_depth(p, m, depth) for m, p in self._after),
            )
        return self._made[at]

    def _resolved(self, rule: int | None) -> tuple[dict[str, Any], tuple[Any, ...], bool]:
        if rule not in self._rules:
            recipe = self._recipe
            own = {} if rule is None else dict(recipe.rules[rule].params)
            params = self._method.resolve({**recipe.params, **own}, self._used)
            given = None if rule is None else recipe.rules[rule].weights
            weights = self._weights(recipe.weights if given is None else given)
            verbs = [v for _, p in (*self._before, *self._after) for v in p.values()]
            varies = any(_has_depth(v) for v in (*params.values(), *weights, *verbs))
            self._rules[rule] = (params, weights, varies)
        return self._rules[rule]

    def _weights(self, weights: tuple[Any, ...] | None) -> tuple[Any, ...]:
        n = len(self._recipe.experts)
        if weights is None:
            return (1.0,) * self._used
        if len(weights) != n:
            raise RecipeError(
                f"weights must have one number per expert ({n}), got {len(weights)}.",
                "Add or remove numbers, or leave weights out for 1 each.",
            )
        checked = [_COEFFICIENT.check(w, "recipe") for w in weights]
        return tuple(checked[: self._used])


_COEFFICIENT = Param("weights", float, 1.0)


def _has_depth(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(_has_depth(v) for v in value)
    return isinstance(value, DepthLike)


def _at_depth(params: Mapping[str, Any], method: Method, depth: float) -> dict[str, Any]:
    return {name: _value_at(v, method.param(name), depth) for name, v in params.items()}


def _value_at(value: Any, param: Param, depth: float) -> Any:
    if isinstance(value, tuple):
        return tuple(_value_at(v, param, depth) for v in value)
    if isinstance(value, DepthLike):
        found = value.at(depth)
        return round(found) if param.type is int else found
    return value
