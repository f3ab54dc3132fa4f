"""Every method keeps the laws that it claims, and a method that breaks one is caught."""

from collections.abc import Iterator
from typing import Annotated

import pytest

from merger.algebra import mean, total
from merger.spec import (
    L1,
    LAWS,
    METHODS,
    Base,
    Delta,
    Deltas,
    Uniform,
    merge_method,
    of,
)
from tests.contract.cases import GRID
from tests.contract.laws import CHECKS, experts_for

CLAIMS = [
    (name, law, n)
    for name in METHODS
    for law in METHODS[name].laws
    for n in (GRID if law != "single" else (1,))
    if experts_for(METHODS[name], n)
]


def test_every_law_has_a_check():
    assert set(CHECKS) == set(LAWS)


@pytest.mark.parametrize(("name", "law", "n"), CLAIMS)
def test_every_method_keeps_the_laws_it_claims(name, law, n):
    CHECKS[law](name, n)


@pytest.fixture
def broken() -> Iterator[dict[str, str]]:
    """Register one method per law that breaks it."""
    register = merge_method("Broken", family="broken", paper="none", laws=())

    @register
    def favours_the_first(tau: Deltas) -> Delta:
        """Break most laws at once."""
        return tau[0] * 1.01

    @register
    def squares(tau: Deltas) -> Delta:
        """Break homogeneity and oddness."""
        return mean(tau) * mean(tau)

    @register
    def sees_the_base(tau: Deltas, base: Base) -> Delta:
        """Break the shift law."""
        return mean(tau) * base

    @register
    def sees_the_model(
        tau: Deltas, size: Annotated[L1, of(scope="global", on=_averaged)]
    ) -> Delta:
        """Break locality."""
        return mean(tau) * size

    @register
    def adds_noise(tau: Deltas, draws: Uniform) -> Delta:
        """Break the zero law."""
        return total(tau) + draws[0]

    names = {
        "symmetric": "favours_the_first",
        "single": "favours_the_first",
        "idempotent": "favours_the_first",
        "seeded": "favours_the_first",
        "homogeneous": "squares",
        "odd": "squares",
        "shift": "sees_the_base",
        "local": "sees_the_model",
        "zero": "adds_noise",
    }
    yield names
    for name in sorted(set(names.values())):
        METHODS.remove(name)


def _averaged(tau: Deltas) -> Delta:
    return mean(tau)


@pytest.mark.parametrize("law", list(LAWS))
@pytest.mark.parametrize("n", [2, 3])
def test_a_method_that_breaks_a_law_is_caught(broken, law, n):
    with pytest.raises(AssertionError):
        CHECKS[law](broken[law], n)
