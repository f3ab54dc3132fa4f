"""Which settings hold for which tensor: by rule, by depth, by default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from merger.errors import RecipeError
from merger.knobs import DepthLike, Param
from merger.recipe import Recipe, Step
from merger.spec import METHODS, Method


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


def read_stages(recipe: Recipe) -> tuple[Stage, ...]:
    """Return verbs before the method, the method, and verbs after it.

    Raises:
        RecipeError: an unknown name, or a verb that cannot follow the method.
    """
    before = [
        Stage("before", i, METHODS.find(s.verb, "before")) for i, s in enumerate(recipe.before)
    ]
    after = [Stage("after", i, METHODS.find(s.verb, "after")) for i, s in enumerate(recipe.after)]
    method = METHODS.find(recipe.method, "merge")
    if after and method.output == "per_task":
        raise RecipeError(
            f"{method.title} gives one model per expert, and {after[0].method.title} needs one.",
            "Take the verbs out of 'after', or use another method.",
        )
    return (*before, Stage("merge", 0, method), *after)


class Desk:
    """Resolves settings once per rule and depth, so that tensors that agree share them.

    Args:
        recipe: What was asked for.
        stages: The method and its verbs.
        used: How many experts are used.
    """

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
