"""What two recipes have not in common, thing by thing, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from merger.recipe import Expert, Recipe, Step, plain_value
from merger.spec import METHODS
from merger.words import listed, value_in_words

NONE = "–"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two recipes do not have in common.

    Args:
        what: What differs, such as "density" or "greek: step".
        a: How it is in the first recipe.
        b: How it is in the second.
    """

    what: str
    a: str
    b: str


def differences(a: Recipe, b: Recipe) -> tuple[Difference, ...]:
    """Return what differs between two recipes; a setting left out counts as its default.

    Example:
        >>> from merger.recipe import Recipe
        >>> one = Recipe.from_json({"method": "ties", "base": "zoo:base",
        ...     "experts": ["zoo:mnist", "zoo:greek"], "params": {"density": 0.1}})
        >>> two = Recipe.from_json({"method": "ties", "base": "zoo:base",
        ...     "experts": ["zoo:mnist", "zoo:greek@64"]})
        >>> [(d.what, d.a, d.b) for d in differences(one, two)]
        [('greek: step', 'last', '64'), ('density', '0.1', '0.2')]
    """
    return tuple(_all(a, b))


def _all(a: Recipe, b: Recipe) -> Iterator[Difference]:
    if a.method != b.method:
        yield Difference("method", METHODS[a.method].title, METHODS[b.method].title)
    if a.base != b.base:
        yield Difference("base", a.base or NONE, b.base or NONE)
    yield from _experts(a, b)
    if a.method == b.method:
        yield from _settings(a.method, a.params, b.params)
    else:
        yield from _own_settings(a, b)
    for when, mine, theirs in (("before", a.before, b.before), ("after", a.after, b.after)):
        yield from _verbs(when, mine, theirs)
    if a.rules != b.rules:
        yield Difference("rules by tensor name", *(_rules(r) for r in (a, b)))
    if a.out_dtype != b.out_dtype:
        yield Difference("saved as", *(r.out_dtype or "as the base" for r in (a, b)))
    if a.seed != b.seed:
        yield Difference("seed", str(a.seed), str(b.seed))
    if a.tokenizer != b.tokenizer:
        yield Difference("tokenizer", *(_tokenizer(r) for r in (a, b)))


def _experts(a: Recipe, b: Recipe) -> Iterator[Difference]:
    mine, theirs = ({e.source: (e, w) for e, w in _weighted(r)} for r in (a, b))
    both = [source for source in mine if source in theirs]
    alone = [[e.name for s, (e, _) in side.items() if s not in both] for side in (mine, theirs)]
    if any(alone):
        yield Difference("experts only here", *(listed(x) if x else NONE for x in alone))
    for source in both:
        (one, before), (two, after) = mine[source], theirs[source]
        if one.step != two.step:
            steps = ("last" if e.step is None else str(e.step) for e in (one, two))
            yield Difference(f"{two.name}: step", *steps)
        if before != after:
            yield Difference(f"{two.name}: coefficient", *_values(before, after))
        if one.name != two.name:
            yield Difference("name of an expert", one.name, two.name)
    turns = [source for source in theirs if source in mine]
    if turns != both:
        yield Difference("order", *(listed([s[x][0].name for x in order])
                                    for s, order in ((mine, both), (theirs, turns))))  # fmt: skip


def _weighted(recipe: Recipe) -> list[tuple[Expert, Any]]:
    weights = recipe.weights or (1.0,) * len(recipe.experts)
    return list(zip(recipe.experts, weights, strict=True))


def _settings(name: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    one, two = (METHODS[name].resolve(params) for params in (a, b))
    for key in [p.name for p in METHODS[name].params]:
        if one.get(key) != two.get(key):
            yield Difference(key.replace("_", " "), *_values(one.get(key), two.get(key)))


def _own_settings(a: Recipe, b: Recipe) -> Iterator[Difference]:
    """Settings of different methods are not compared, only those that were chosen are named."""
    for key in dict.fromkeys([*a.params, *b.params]):
        said = [value_in_words(r.params[key]) if key in r.params else None for r in (a, b)]
        if said[0] != said[1]:
            names = (NONE if s is None else s for s in said)
            yield Difference(key.replace("_", " "), *names)


def _verbs(when: str, a: Sequence[Step], b: Sequence[Step]) -> Iterator[Difference]:
    mine, theirs = ({step.verb: step.params for step in steps} for steps in (a, b))
    for verb in dict.fromkeys([*mine, *theirs]):
        title = METHODS[verb].title
        if (verb in mine) != (verb in theirs):
            yield Difference(
                f"{title} {when}", *("on" if verb in s else "off" for s in (mine, theirs))
            )
        else:
            for found in _settings(verb, mine[verb], theirs[verb]):
                yield Difference(f"{title}: {found.what}", found.a, found.b)
    if list(mine) != list(theirs) and set(mine) == set(theirs):
        orders = (listed([METHODS[v].title for v in side]) for side in (mine, theirs))
        yield Difference(f"order {when}", *orders)


def _rules(recipe: Recipe) -> str:
    return listed([rule.match for rule in recipe.rules]) if recipe.rules else NONE


def _tokenizer(recipe: Recipe) -> str:
    return "as the base" if recipe.tokenizer is None else "chosen by the recipe"


def _values(a: Any, b: Any) -> tuple[str, str]:
    """Return two values in words; those that look the same are written out in full."""
    one, two = value_in_words(a), value_in_words(b)
    return (one, two) if one != two else (str(plain_value(a)), str(plain_value(b)))
