"""Models whose rows are read in the order of another vocabulary."""

from array import array

import pytest
import torch

from merger.checkpoint import MemoryCheckpoint
from merger.errors import FeedError
from merger.matched import MatchedCheckpoint, added_parameters, plain, plain_at
from merger.row_plan import FILL, MEAN, Row, RowPlan
from merger.vocabulary import vocabulary_keys, vocabulary_rows

EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def model(rows: int, start: float, dtype=torch.float32, config=None) -> MemoryCheckpoint:
    table = (torch.arange(rows * 2, dtype=torch.float32) + start).reshape(rows, 2)
    tensors = {EMBED: table, HEAD: -table, "lm_head.bias": table[:, 0], "norm.weight": table[0]}
    return MemoryCheckpoint(
        {key: value.to(dtype) for key, value in tensors.items()},
        f"from {start:g}",
        config=config or {"vocab_size": rows},
    )


def plan(*own: list[int], tokens=(0, 1, 2), fills=None) -> RowPlan:
    rows = len(own[0])
    return RowPlan(rows, array("q", tokens), tuple(array("q", o) for o in own), fills or {})


def matched(models, made, index=0) -> MatchedCheckpoint:
    return MatchedCheckpoint(models, index, 0, made)


def test_rows_are_moved_in_embedding_head_and_bias_and_nothing_else():
    one = model(3, 0)
    seen = matched([one], plan([2, 0, 1]))
    assert seen.read(EMBED).tolist() == [4, 5, 0, 1, 2, 3]
    assert seen.read(HEAD).tolist() == [-4, -5, 0, -1, -2, -3]
    assert seen.read("lm_head.bias").tolist() == [4, 0, 2]
    assert seen.read("norm.weight").tolist() == [0, 1]
    assert plain(seen) is one and plain_at(seen, "norm.weight") is one
    assert plain_at(seen, EMBED) is seen


@pytest.mark.parametrize("start", range(9))
@pytest.mark.parametrize("length", [0, 1, 2, 5, 99])
def test_any_part_is_the_part_of_the_whole(start, length):
    models = [model(3, 0), model(2, 100)]
    fills = {2: (Row(0, 1), Row(1, 0))}
    seen = matched(models, plan([1, 2, FILL, MEAN, MEAN], [0, 1, FILL, MEAN, MEAN], fills=fills))
    whole = seen.read(EMBED)
    assert whole.tolist() == [2, 3, 4, 5, 51, 52, 19, 20, 19, 20]
    assert seen.read(EMBED, start, start + length).equal(whole[start : start + length])


def test_many_single_rows_are_the_same_rows():
    one = model(300, 0)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0)).tolist()
    seen = matched([one], plan([*order, FILL], tokens=range(301), fills={300: (Row(0, 7),)}))
    expected = torch.cat([one.read(EMBED).reshape(-1, 2)[order], torch.tensor([[14.0, 15.0]])])
    assert seen.read(EMBED).reshape(-1, 2).equal(expected)
    assert seen.read(EMBED, 101, 477).equal(expected.reshape(-1)[101:477])


def test_a_mean_row_is_the_mean_of_the_rows_of_tokens_even_between_them():
    seen = matched([model(3, 0)], plan([0, MEAN, 1], tokens=(0, 2)))
    assert seen.read(EMBED).tolist() == [0, 1, 1, 2, 2, 3]


def test_zeros_stand_where_nobody_knows_the_token():
    seen = matched([model(1, 5)], plan([0, FILL], fills={1: ()}))
    assert seen.read(EMBED).tolist() == [5, 6, 0, 0]


def test_a_row_that_stands_in_is_rounded_as_the_reference_stores_it():
    base = model(1, 0, torch.bfloat16)
    fine = model(2, 1.0009765625)
    fills = {1: (Row(1, 1),)}
    models, made = [base, fine], plan([0, FILL], [0, FILL], fills=fills)
    here, there = matched(models, made), matched(models, made, 1)
    assert here.tensors[EMBED].dtype == "BF16" and there.tensors[EMBED].dtype == "F32"
    assert here.read(EMBED, 2).float().equal(there.read(EMBED, 2))
    half = matched([base, model(2, 1, torch.float16)], made, 1)
    assert half.tensors[EMBED].dtype == "F32"


def test_config_shapes_and_parameters_follow_the_rows():
    inner = {"text_config": {"vocab_size": 3}, "eos_token_id": 1}
    seen = MatchedCheckpoint(
        [model(3, 0, config=inner)], 0, 0, plan([0, 1, 2, MEAN]), {"eos_token_id": 2}
    )
    assert seen.config() == {"text_config": {"vocab_size": 4}, "eos_token_id": 2}
    assert matched([model(3, 0)], plan([0, 1, 2, MEAN])).config() == {"vocab_size": 4}
    assert seen.tensors[EMBED].shape == (4, 2) and seen.tensors["lm_head.bias"].shape == (4,)
    assert added_parameters(seen) == 2 + 2 + 1


def test_the_content_follows_rows_and_the_models_that_stand_in():
    fills = {1: (Row(1, 1),)}
    made = plan([0, FILL], [0, 1], fills=fills)
    ids = {
        matched([model(1, 0), model(2, 9)], made).content_id(),
        matched([model(1, 0), model(2, 8)], made).content_id(),
        matched([model(1, 0), model(2, 9)], made._replace(fills={1: ()})).content_id(),
        matched([model(1, 0), model(2, 9)], plan([0, MEAN], [0, 1])).content_id(),
    }
    assert len(ids) == 4


def test_a_head_that_a_model_lacks_cannot_lend_a_row():
    without = MemoryCheckpoint({EMBED: torch.zeros(2, 2)}, "without")
    seen = matched([model(1, 0), without], plan([0, FILL], [0, 1], fills={1: (Row(1, 1),)}))
    with pytest.raises(FeedError, match="without has no lm_head.weight"):
        seen.read(HEAD)


def test_tensors_with_other_rows_are_no_vocabulary():
    tensors = {
        EMBED: torch.zeros(3, 2),
        "other.embed_tokens.weight": torch.zeros(4, 2),
        "final_logits_bias": torch.zeros(1, 3),
        "score.weight": torch.zeros(3, 2),
    }
    seen = MemoryCheckpoint(tensors)
    assert vocabulary_rows(seen) == 3
    assert vocabulary_keys(seen) == ("final_logits_bias", EMBED)
    assert vocabulary_rows(MemoryCheckpoint({"a.weight": torch.zeros(3, 2)})) is None
    bias = matched([seen], plan([2, 0, 1, FILL], fills={3: (Row(0, 0),)}))
    assert bias.tensors["final_logits_bias"].shape == (1, 4)
