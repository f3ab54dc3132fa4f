"""Surprise of a text: rows of bits, and a sentence made from them."""

from dataclasses import replace

import numpy as np

from tests.unit.diagnostics.test_surprise import INFO
from tests.unit.figures.drawn import check, check_patch
from viz.figures.answer_words import surprise_in_words, visible
from viz.figures.surprise import draw_surprise, limit_of, patch_surprise


def test_one_row_per_model_with_the_bits_of_each_token() -> None:
    shape = check(draw_surprise(INFO))
    (trace,) = shape["data"]
    assert trace["z"] == [[1, 2], [3, 4], [2, 1], [None, None]]
    assert trace["customdata"][1][0][1:] == ["base: “h”", "3.00 bits", "token 2"]
    assert shape["layout"]["xaxis"]["ticktext"] == ["h", "e"]
    assert "y: It was not asked." in shape["meta"]["caption"]


def test_the_scale_does_not_follow_the_slider() -> None:
    assert limit_of(INFO) == 4
    bits = INFO.bits.copy()
    bits[0] = 30
    assert limit_of(replace(INFO, bits=bits)) == 4
    bits[1] = 5
    assert limit_of(replace(INFO, bits=bits)) == 8


def test_the_table_holds_bits_per_byte_and_what_follows() -> None:
    table = draw_surprise(INFO).meta["table"]
    assert table["columns"][:6] == [
        "model",
        "bits per byte",
        "bytes",
        "next 1",
        "next 2",
        "next 3",
    ]
    assert table["columns"][6:] == ["2: h", "3: e"]
    assert table["rows"][0] == ["merged", 1.5, 2, "! 50.0%", "", "", 1.0, 2.0]
    assert table["rows"][3] == ["y", None, 2, "", "", "", None, None]


def test_the_sentence_says_who_is_surprised_least_and_where_models_part() -> None:
    assert surprise_in_words(INFO) == (
        "x finds this text least surprising (1.500 bits per byte). The merge needs 1.500 bits per "
        "byte. The models differ most on “e”, token 3."
    )
    bits = INFO.bits.copy()
    bits[0] = [2, 2]
    worse = surprise_in_words(replace(INFO, bits=bits))
    assert "The merge needs 2.000 bits per byte, 0.500 more than x." in worse
    bits[0] = [1, 1]
    assert "0.500 less than x." in surprise_in_words(replace(INFO, bits=bits))


def test_a_single_token_tells_what_is_expected_next() -> None:
    single = replace(INFO, words=("T",), bits=np.empty((4, 0)), bytes=0)
    words = surprise_in_words(single)
    assert words.endswith("After it the merge expects “!” (50.0%).")
    check(draw_surprise(single))


def test_a_patch_moves_the_bits_and_spaces_can_be_seen() -> None:
    check_patch(draw_surprise(INFO), patch_surprise(INFO))
    assert visible(" a\n") == "␣a⏎" and visible("") == "⋯"


def test_a_cut_text_says_how_much_is_left_out() -> None:
    assert "The 7 tokens before" in draw_surprise(replace(INFO, left_out=7)).meta["caption"]
