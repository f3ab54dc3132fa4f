"""Which entries survive, without looking at more than is needed."""

import pytest
import torch

from merger.memory import merge_tensors
from merger.passes import survey_block
from merger.pieces import BLOCK, LONG_BLOCK
from merger.ranking import Ranking


def models(n: int) -> list[dict[str, torch.Tensor]]:
    draw = torch.Generator().manual_seed(0)
    return [{"w": torch.randn(6, 8, generator=draw)} for _ in range(n)]


@pytest.mark.parametrize("scope", ["tensor", "global"])
def test_a_cut_that_keeps_everything_is_known_without_a_look(scope, monkeypatch) -> None:
    base, *experts = models(4)
    settings = {"density": 0.5, "keep_share": 1.0, "trim": scope}
    expected = merge_tensors("dare_ties", experts, base, params=settings | {"keep_share": 0.999})
    with monkeypatch.context() as patched:

        def refuse(*_: object) -> torch.Tensor:
            raise AssertionError("somebody looked")

        patched.setattr(Ranking, "_looked_at", refuse)
        found = merge_tensors("dare_ties", experts, base, params=settings)
        with pytest.raises(AssertionError, match="somebody looked"):
            merge_tensors("dare_ties", experts, base, params=settings | {"keep_share": 0.5})
    # Of 48 entries one is missing, which the lot may have dropped anyway.
    assert int((found["w"] != expected["w"]).sum()) <= 3


def test_a_device_is_given_longer_pieces() -> None:
    assert survey_block("cpu") == BLOCK
    assert survey_block("cuda") == survey_block(torch.device("cuda", 1)) == LONG_BLOCK
