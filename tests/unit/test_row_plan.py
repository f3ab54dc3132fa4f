"""Which row stands for which token: mergekit's rules, computed by hand."""

import pytest

from merger.errors import AlignmentError
from merger.row_plan import FILL, MEAN, Row, Voice, plan_rows, union_of
from merger.tokenizer_choice import Token
from merger.vocabulary import Vocabulary


def voice(label: str, words: str, rows: int | None = None) -> Voice:
    ids = {word: i for i, word in enumerate(words)}
    return Voice(label, Vocabulary(ids), len(words) if rows is None else rows)


BASE, ONE, TWO = voice("base", "ab"), voice("one", "bax"), voice("two", "abyx")
NAMES = {"base": 0, "one": 1, "two": 2}


def planned(voices=(BASE, ONE, TWO), ids=None, donor=0, tokens=None, has_base=True, pad=None):
    ids = union_of(voices) if ids is None else ids
    return plan_rows(voices, ids, donor, tokens or {}, NAMES, has_base=has_base, pad=pad)


def test_a_union_has_the_bases_ids_first_and_new_tokens_in_the_order_of_the_experts():
    assert union_of([BASE, ONE, TWO]) == {"a": 0, "b": 1, "x": 2, "y": 3}


def test_a_token_without_a_row_is_not_known_to_its_model():
    cut = voice("cut", "abyz", rows=3)
    assert union_of([BASE, cut]) == {"a": 0, "b": 1, "y": 2}


def test_every_model_keeps_its_own_rows_and_gets_those_it_lacks():
    plan = planned()
    assert plan.rows == 4
    assert [list(own) for own in plan.own] == [
        [0, 1, FILL, FILL],
        [1, 0, 2, FILL],
        [0, 1, 3, 2],
    ]
    # x has two owners and the base is none of them: their mean; y has one.
    assert plan.fills == {2: (Row(1, 2), Row(2, 3)), 3: (Row(2, 2),)}


def test_the_bases_row_goes_before_the_mean_and_only_where_there_is_a_base():
    short = voice("short", "b")
    ids = {"a": 0, "b": 1}
    with_base = planned((BASE, ONE, short), ids)
    assert with_base.fills == {0: (Row(0, 0),)}
    without = planned((BASE, ONE, short), ids, has_base=False)
    assert without.fills == {0: (Row(0, 0), Row(1, 1))}


def test_a_token_that_nobody_has_is_zero():
    plan = planned((BASE,), {"a": 0, "b": 1, "new": 2}, tokens={"new": Token()})
    assert plan.fills == {2: ()} and plan.own[0][2] == FILL


@pytest.mark.parametrize(
    ("token", "fill", "own"),
    [
        (Token("zero"), (), 1),
        (Token("zero", force=True), (), FILL),
        (Token("one"), (Row(1, 0),), 1),
        (Token("one", force=True), (Row(1, 0),), FILL),
        (Token("two", token="y", force=True), (Row(2, 2),), FILL),
        (Token("two", token_id=3, force=True), (Row(2, 3),), FILL),
        (Token(force=True), (Row(0, 1),), FILL),
    ],
)
def test_a_token_can_be_taken_from_where_the_recipe_says(token, fill, own):
    without = voice("without", "a")
    plan = planned((BASE, ONE, TWO, without), {"a": 0, "b": 1}, tokens={"b": token})
    assert plan.fills[1] == fill
    assert plan.own[0][1] == own
    assert plan.own[3][1] == FILL


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (Token("nobody"), "nobody is none of the models"),
        (Token("base", token="x"), "base has no row for x"),
        (Token("base", token_id=9), "rows 0 to 1, got 9"),
        (Token("base", token_id=-1), "rows 0 to 1, got -1"),
    ],
)
def test_a_token_that_is_not_where_the_recipe_says_is_refused(token, expected):
    # Even where every model knows the token and no row would be taken.
    with pytest.raises(AlignmentError, match=expected):
        planned((BASE, ONE), {"a": 0, "b": 1}, tokens={"b": token})


def test_rows_beyond_the_vocabulary_are_kept_where_they_mean_nothing_to_their_model():
    padded = voice("padded", "ab", rows=5)
    longer = voice("longer", "abcz", rows=6)
    plan = planned((padded, longer), {"a": 0, "b": 1})
    assert plan.rows == 5
    assert list(plan.own[0]) == [0, 1, 2, 3, 4]
    # Rows 2 and 3 are words of the second model, row 4 is one of its spare rows too.
    assert list(plan.own[1]) == [0, 1, FILL, FILL, 4]
    assert plan.fills == {2: (Row(0, 2),), 3: (Row(0, 3),), 4: (Row(0, 4),)}


def test_rows_that_pad_to_a_multiple_are_the_mean_of_all_tokens():
    plan = planned((BASE, ONE), {"a": 0, "b": 1}, pad=4)
    assert plan.rows == 4
    assert [list(own) for own in plan.own] == [[0, 1, MEAN, MEAN], [1, 0, MEAN, MEAN]]
    assert list(plan.tokens) == [0, 1]
    assert planned((BASE,), {"a": 0, "b": 1}, pad=2).is_same(0, 2)
    assert not planned((BASE,), {"a": 0, "b": 1}, pad=3).is_same(0, 2)
