"""mergekit 0.1.5 as an oracle: called on state dicts in memory, its random draws replaced."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from merger.randomness import key_of, uniforms
from tests.conformance.double import KEY

HINT = "mergekit is not installed here; `make conformance` installs it beside the app"

with warnings.catch_warnings():
    # What it and its own requirements warn about at import is not ours to judge.
    warnings.simplefilter("ignore")
    mergekit = pytest.importorskip("mergekit.merge_methods", reason=HINT)
    api = pytest.importorskip("mergekit.merge_methods.api", reason=HINT)


def ask(
    method: str,
    experts: Sequence[Tensor],
    base: Tensor | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Tensor:
    """Return mergekit's merge of one tensor of each model.

    Args:
        method: Its name there.
        experts: One tensor per expert.
        base: The base's tensor, or None.
        parameters: Under mergekit's names; lists hold one value per expert.
    """
    models = {f"e{i}": {KEY: expert} for i, expert in enumerate(experts)}
    if base is not None:
        models = {"base": {KEY: base}, **models}
    named = {
        name: {f"e{i}": v for i, v in enumerate(value)} if isinstance(value, list) else value
        for name, value in (parameters or {}).items()
    }
    found = api.merge_state_dicts(
        models, method, parameters=named, base=None if base is None else "base"
    )
    return found[KEY]


@contextmanager
def our_draws(monkeypatch: pytest.MonkeyPatch, seed: int) -> Iterator[None]:
    """Let mergekit draw, expert after expert, the random numbers that we draw."""
    experts = iter(range(100))

    def bernoulli(chances: Tensor) -> Tensor:
        numel = chances.numel()
        draws = uniforms(key_of(seed, f"e{next(experts)}", KEY, ""), 0, numel)
        drawn = torch.from_numpy(draws).reshape(chances.shape)
        return (drawn < chances).to(chances.dtype)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "bernoulli", bernoulli)
        yield
