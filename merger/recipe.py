"""A recipe: experts, the checkpoint of each, a method and its settings, as plain data."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from merger.errors import RecipeError, did_you_mean
from merger.tokenizer_choice import TokenizerChoice, plain_tokenizer

if TYPE_CHECKING:
    from merger.method import Registry

VERSION = 1
OUT_DTYPES = ("float16", "bfloat16", "float32", "float64")
EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Depth:
    """A number that changes with depth: listed values, evenly spaced, joined by lines.

    Args:
        values: Two or more numbers, from the first block (depth 0) to the last (depth 1).
    """

    values: tuple[float, ...]

    def at(self, u: float) -> float:
        """Return the value at depth u in [0, 1] (mergekit's gradient rule, last index clamped)."""
        if len(self.values) == 1:
            return self.values[0]
        s = u * (len(self.values) - 1)
        # One value per layer must be that value: 1 / 49 · 49 is less than 1.
        s = float(round(s)) if abs(s - round(s)) < 1e-9 else s
        i = min(int(s), len(self.values) - 2)
        frac = s - i
        if frac == 0.0:
            return self.values[i]
        return self.values[i] * (1.0 - frac) + self.values[i + 1] * frac


Value = bool | str | int | float | None | Depth | tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Expert:
    """One fine-tuned checkpoint.

    Args:
        source: Where it comes from, such as `zoo:mnist`, `file:models/a` or `hub:org/name@rev`;
            `layers:…` stands for runs of layers of other models, which recipes write as a list.
        name: How it is called; unique in a recipe, and part of the key of random draws.
        step: Which training step of the source; None is its final checkpoint.
    """

    source: str
    name: str
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Other settings for the tensors whose name matches a glob; the first rule that matches wins.

    Args:
        match: Glob over tensor names on disk, such as `*.attention.*`.
        take: "base" or an expert's name: copy that tensor from there instead of merging it.
        weights: Per-expert coefficients for these tensors.
        params: Knob values for these tensors.
    """

    match: str
    take: str | None = None
    weights: tuple[Any, ...] | None = None
    params: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Step:
    """One verb that runs before or after the method, with its settings."""

    verb: str
    params: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a merged model.

    Args:
        method: Id of a merge method.
        experts: The experts, in order.
        base: Source of the checkpoint that the experts were fine-tuned from.
        weights: One coefficient per expert; None means 1 each.
        params: Knob values of the method; what is missing takes its default.
        rules: Other settings by tensor name.
        before: Verbs on task vectors before the method.
        after: Verbs on the merged update after the method.
        out_dtype: float16, bfloat16, float32 or float64; None keeps the base's, per tensor.
        seed: Seed of random methods, 0 to 2**63 − 1.
        tokenizer: Whose tokenizer the result has; None keeps that of the base.
    """

    method: str
    experts: tuple[Expert, ...]
    base: str | None = None
    weights: tuple[Any, ...] | None = None
    params: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    rules: tuple[Rule, ...] = ()
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    out_dtype: str | None = None
    seed: int = 0
    tokenizer: TokenizerChoice | None = None

    @classmethod
    def from_yaml(cls, text: str) -> "Recipe":
        """Read a recipe from YAML, and check it against the methods there are."""
        from merger.recipe_yaml import parse_yaml  # noqa: PLC0415  (needs Recipe)

        return cls.from_json(parse_yaml(text))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Recipe":
        """Read a recipe from plain data, and check it against the methods there are."""
        from merger.recipe_schema import build_recipe  # noqa: PLC0415  (needs Recipe)

        recipe = build_recipe(data)
        recipe.resolved()
        return recipe

    @classmethod
    def load(cls, path: str | Path) -> "Recipe":
        """Read a recipe from a YAML file."""
        from merger.recipe_yaml import read_text  # noqa: PLC0415  (needs Recipe)

        return cls.from_yaml(read_text(Path(path)))

    def to_json(self) -> dict[str, Any]:
        """Return the canonical plain data; what has its default is left out."""
        from merger.recipe_schema import plain_recipe  # noqa: PLC0415  (needs Recipe)

        return plain_recipe(self)

    def to_yaml(self) -> str:
        """Return the canonical YAML text."""
        from merger.recipe_yaml import dump_yaml  # noqa: PLC0415  (needs Recipe)

        return dump_yaml(self)

    def resolved(self) -> "Recipe":
        """Return the recipe with dialects and defaults filled in and every value checked.

        Raises:
            RecipeError: a method, verb, knob, value or count that is not valid.
        """
        n = len(self.experts)
        method = _methods().find(self.method, "merge")
        low, high = method.experts
        if n < low:
            raise RecipeError(
                f"{method.title} needs at least {low} expert{'s' * (low != 1)}, got {n}.",
                "Switch more experts on." if n else "Pick some experts first.",
            )
        used = min(n, high) if high is not None else n
        weights = _weights(self.weights, n)
        rules = tuple(self._resolve_rule(rule, n) for rule in self.rules)
        return replace(
            self,
            params=MappingProxyType(dict(method.resolve(self.params, used))),
            weights=weights,
            rules=rules,
            before=tuple(_resolve_step(s, "before", n) for s in self.before),
            after=tuple(_resolve_step(s, "after", n) for s in self.after),
        )

    def _resolve_rule(self, rule: Rule, n: int) -> Rule:
        method = _methods().find(self.method, "merge")
        names = [e.name for e in self.experts]
        if rule.take is not None and rule.take not in ("base", *names):
            raise RecipeError(
                f"rules: take must be 'base' or an expert's name, got {rule.take!r}.",
                did_you_mean(rule.take, ["base", *names]),
            )
        method.resolve({**self.params, **rule.params}, n)
        return replace(rule, weights=None if rule.weights is None else _weights(rule.weights, n))

    @property
    def has_parts(self) -> bool:
        """Whether the method gives one model per expert instead of one for all."""
        return _methods().find(self.method).output == "per_task"

    def digest(self, content_ids: Mapping[str, str] | None = None) -> str:
        """Return the sha256 that names this merge.

        Args:
            content_ids: Content id by source key (see `source_key`); a source without one
                stands for itself, so the digest then names the text, not the bytes.
        """
        ids = content_ids or {}
        r = self.resolved()
        plain = {
            "version": VERSION,
            "method": r.method,
            "base": None if r.base is None else ids.get(r.base, r.base),
            "experts": [[ids.get(source_key(e), source_key(e)), e.name] for e in r.experts],
            "weights": plain_value(r.weights),
            "params": plain_value(r.params),
            "rules": [plain_value((x.match, x.take, x.weights, x.params)) for x in r.rules],
            "before": [[s.verb, plain_value(s.params)] for s in r.before],
            "after": [[s.verb, plain_value(s.params)] for s in r.after],
            "out_dtype": r.out_dtype,
            "seed": r.seed,
        }
        if r.tokenizer is not None:
            plain["tokenizer"] = plain_tokenizer(r.tokenizer)
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


def source_key(expert: Expert) -> str:
    """Return the source with its step, the name under which content ids are listed."""
    return expert.source if expert.step is None else f"{expert.source}@{expert.step}"


def _methods() -> "Registry":
    from merger.spec import METHODS  # noqa: PLC0415  (registers on import)

    return METHODS


def _resolve_step(step: Step, stage: str, n: int) -> Step:
    verb = _methods().find(step.verb, stage)
    return Step(step.verb, MappingProxyType(dict(verb.resolve(step.params, n))))


def _weights(weights: tuple[Any, ...] | None, n: int) -> tuple[Any, ...]:
    if weights is None:
        return (1.0,) * n
    if len(weights) != n:
        raise RecipeError(
            f"weights must have one number per expert ({n}), got {len(weights)}.",
            "Add or remove numbers, or leave weights out for 1 each.",
        )
    return tuple(w if isinstance(w, Depth) else float(w) for w in weights)


def plain_value(value: Any) -> Any:
    """Return a setting as JSON has it: depths as mappings, tuples as lists."""
    if isinstance(value, Depth):
        return {"depth": list(value.values)}
    if isinstance(value, Mapping):
        return {str(k): plain_value(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [plain_value(v) for v in value]
    return value
