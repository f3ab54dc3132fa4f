"""Methods say honestly where the order of the experts counts."""

from typing import Any

import pytest

from merger.spec import METHODS, Method
from tests.contract.cases import assert_close, models, run, variants

MERGES = [name for name, method in METHODS.items() if method.stage == "merge"]
SEVERAL = [name for name in MERGES if METHODS[name].experts[1] != 1]
CLAIMED = [
    name for name in SEVERAL if METHODS[name].order or "symmetric" not in METHODS[name].laws
]


def _plain_variants(method: Method, n: int) -> list[dict[str, Any]]:
    """Return settings without lists per expert, which would have to be turned with the experts."""
    more = [{"last": 2}] if method.name == "checkpoint_average" else []
    found = [*variants(method.name, n), *more]
    return [v for v in found if not any(isinstance(value, tuple) for value in v.values())]


def _turns(method: Method, params: dict[str, Any], n: int) -> bool:
    """Return whether turning the experts round changes the result."""
    base, experts = models(n)
    weights = tuple(0.5 + 0.25 * i for i in range(n))
    names = [f"expert {i}" for i in range(n)]
    result = run(method.name, experts, base, params, weights=weights, names=names)
    turned = [*experts[1:], experts[0]]
    weights, names = (*weights[1:], weights[0]), [*names[1:], names[0]]
    again = run(method.name, turned, base, params, weights=weights, names=names)
    try:
        assert_close(result, again)
    except AssertionError:
        return True
    return False


def _count(method: Method) -> int:
    low, high = method.experts
    return max(low, min(3, high or 3))


@pytest.mark.parametrize("name", SEVERAL)
def test_where_the_order_is_said_not_to_count_it_does_not(name):
    method, n = METHODS[name], _count(METHODS[name])
    for params in _plain_variants(method, n):
        if not method.is_ordered(method.resolve(params, n), n):
            assert not _turns(method, params, n), params


@pytest.mark.parametrize("name", CLAIMED)
def test_where_the_order_is_said_to_count_it_does(name):
    method, n = METHODS[name], _count(METHODS[name])
    claimed = [v for v in _plain_variants(method, n) if method.is_ordered(method.resolve(v, n), n)]
    assert claimed and any(_turns(method, params, n) for params in claimed)


@pytest.mark.parametrize("name", MERGES)
def test_with_more_experts_than_are_used_the_first_ones_are_chosen_by_order(name):
    method = METHODS[name]
    knobs, high = method.resolve({}), method.experts[1]
    assert not method.is_ordered(knobs, 1)
    assert method.is_ordered(knobs, 9) or high is None
    if high is not None:
        assert "first" in method.order_words
