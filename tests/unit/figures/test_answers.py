"""Answers to an image: rows of chances, and a sentence made from them."""

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.diagnostics.test_answers import INFO
from tests.unit.figures.drawn import check, check_patch
from viz.figures.answer_words import answers_in_words, classes_in_words
from viz.figures.answers import draw_answers, patch_answers


def test_one_row_per_model_with_its_chances_in_percent() -> None:
    shape = check(draw_answers(INFO))
    (trace,) = shape["data"]
    assert trace["z"][0] == [0.2, 0.5, 0.3] and trace["z"][5] == [None] * 3
    assert trace["text"][0] == ["20%", "50%", "30%"] and trace["customdata"][5] == [None] * 3
    assert trace["customdata"][0][1][1:] == ["merged: b", "50.0%", "its answer, the right answer"]
    assert shape["layout"]["yaxis"]["ticktext"] == list(INFO.names)
    assert "z: It was not asked." in shape["meta"]["caption"]


def test_the_table_holds_every_chance_and_who_is_right() -> None:
    table = draw_answers(INFO).meta["table"]
    assert table["columns"] == ["model", "answer", "right", "a", "b", "c"]
    assert table["rows"][0] == ["merged", "b", "yes", 0.2, 0.5, 0.3]
    assert table["rows"][2][:3] == ["base", "a", "no"]
    assert table["rows"][5] == ["z", "", "", None, None, None]


def test_a_patch_moves_the_chances() -> None:
    figure = draw_answers(INFO)
    check_patch(figure, patch_answers(INFO))


def test_the_sentence_counts_base_and_experts_and_says_what_the_merge_follows() -> None:
    words = answers_in_words(INFO)
    assert words == (
        "2 of 3 models say “b”, 1 “a”. The merge says “b” (50.0%) and follows x, the task's own "
        "expert. The label is “b”: the merge is right."
    )
    assert classes_in_words(INFO).startswith("merged b 50.0%, A c 80.0%, base a 60.0%")


def changed(**rows: list[float]):
    chances = INFO.chances.copy()
    for name, row in rows.items():
        chances[INFO.names.index(name)] = row
    return replace(INFO, chances=chances, truth=-1)


def test_a_merge_that_leaves_its_expert_says_who_thinks_alike() -> None:
    words = answers_in_words(changed(merged=[0.7, 0.2, 0.1]))
    assert words == (
        "2 of 3 models say “b”, 1 “a”. "
        "The merge says “a” (70.0%), like base, not “b” like x, the task's expert."
    )


def test_an_answer_that_no_single_model_gives_is_told() -> None:
    assert "“c” (90.0%), which none of them says." in answers_in_words(
        changed(merged=[0.05, 0.05, 0.9])
    )


def test_models_that_are_split_or_of_one_mind_are_told() -> None:
    split = changed(base=[0.9, 0.1, 0.0], x=[0.1, 0.9, 0.0], y=[0.0, 0.1, 0.9])
    assert answers_in_words(split).startswith("The 3 models are split: 1 “a”, 1 “b”, 1 “c”.")
    same = changed(base=[0.1, 0.9, 0.0])
    assert answers_in_words(same).startswith("All 3 models say “b”.")


def test_without_an_own_expert_the_merge_is_like_those_who_agree() -> None:
    words = answers_in_words(replace(INFO, own=-1, truth=2))
    assert "The merge says “b” (50.0%), like x and y." in words and words.endswith("wrong.")


@pytest.mark.parametrize("many", [13, 40])
def test_many_classes_keep_colours_and_table(many: int) -> None:
    chances = np.full((1, many), 1 / many)
    classes = tuple(f"class number {i}" for i in range(many))
    wide = replace(INFO, names=("base",), roles=("base",), own=-1, classes=classes,
                   chances=chances, whys=("",))  # fmt: skip
    shape = check(draw_answers(wide))
    assert "texttemplate" not in shape["data"][0]
