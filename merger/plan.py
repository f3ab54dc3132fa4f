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
from merger.places import count_layers, depth_of, is_running_statistic, layer_of
from merger.recipe import Recipe, Rule
from merger.settings import Desk, Settings, Stage, read_stages
from merger.signature import FeedUse
from merger.spec import SCOPES, Method

BASE = -1
WORDS = {"float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64"}


@dataclass(frozen=True, slots=True)
class TensorPlan:
    """What happens to one tensor.

    Args:
        key: Its name on disk.
        shape: Its shape.
        dtype: What it is stored as, in safetensors' words.
        out_dtype: What it is written as.
        action: "merge", "copy" (never merged, such as integers), "take" (a rule copies it) or
            "mean" (running statistics, which no method may add up or extrapolate).
        source: Which expert it is copied from, -1 for the base; None when it is computed.
        settings: The settings that hold for it.
        layer: Number of its layer, None outside the layers.
        depth: Relative depth in [0, 1].
        offset: Its first entry in the order of all merged entries.
    """

    key: str
    shape: tuple[int, ...]
    dtype: str
    out_dtype: str
    action: Literal["merge", "copy", "take", "mean"]
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

    @cached_property
    def layers(self) -> int:
        """How many layers the names of the tensors number."""
        return count_layers(self.by_key)

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
    stages = read_stages(recipe)
    used = _used(recipe, stages)
    _check_needs(stages, base is not None, set(data))
    if report is None:
        report = align(base, experts, read_heads=False)
        report.raise_if_bad()
    reference = base if base is not None else experts[0]
    rules = _rules_by_key(recipe, [*report.mergeable, *report.copied])
    desk = Desk(recipe, stages, used)
    layers = count_layers(reference.tensors)
    tensors, offset = [], 0
    mergeable = set(report.mergeable)
    for key in sorted([*report.mergeable, *report.copied]):
        depth = depth_of(layer_of(key), layers)
        tensor = _place(recipe, reference, key, rules.get(key), desk, depth, offset, base)
        if key not in mergeable and tensor.action != "take":
            tensor = _copied(tensor, BASE if base is not None else 0)
        tensors.append(tensor)
        offset += tensor.numel if tensor.action == "merge" else 0
    at_hand = {id(t.settings): t.settings for t in tensors if t.action == "merge"}
    _check_needs(stages, base is not None, set(data), list(at_hand.values()))
    names = tuple(e.name for e in recipe.experts)
    return Plan(recipe, stages, names[:used], names[used:], tuple(tensors), base is not None)


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


def _check_needs(
    stages: Sequence[Stage],
    has_base: bool,
    data: set[str],
    settings: Sequence[Settings] | None = None,
) -> None:
    """Check the feeds that are always taken, or those that some of these settings take."""
    for stage in stages:
        for use in stage.method.feeds:
            knobs = [] if settings is None else [stage.knobs(s) for s in settings]
            always, sometimes = use.of.when is None, any(use.of.wanted_at(k) for k in knobs)
            if always if settings is None else sometimes:
                _check_need(stage.method.title, use, has_base, data)
        if stage.label != "merge" and not has_base:
            raise FeedError(
                f"{stage.method.title} needs a base model, and none is chosen.", "Set base."
            )


def _check_need(title: str, use: FeedUse, has_base: bool, data: set[str]) -> None:
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
    desk: Desk,
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
        return replace(tensor, action="mean") if is_running_statistic(key) else tensor
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
