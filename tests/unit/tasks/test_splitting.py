"""Splits by content: what is the same, or nearly, never lies on both sides."""

import random

import numpy as np

from merger.tasks.image_files import group_looks
from merger.tasks.splitting import divide, group_texts, plain_key

WORDS = [f"word{i}" for i in range(400)]


def texts(count: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=40)) for _ in range(count)]


def sides(found: list[str]) -> np.ndarray:
    return divide([plain_key(text) for text in found], group_texts(found)) < 0.5


def test_case_spaces_and_punctuation_make_no_other_text() -> None:
    groups = group_texts(["It's good!", "ITS   GOOD", "its goods"])
    assert groups.tolist() == [0, 0, 2]


def test_texts_that_share_most_of_their_word_runs_belong_together() -> None:
    plain = texts(200)
    # 38 runs of three words each; one other word at the end changes one of them.
    near = [text.rsplit(" ", 1)[0] + " else" for text in plain]
    groups = group_texts(plain + near)
    assert groups[:200].tolist() == groups[200:].tolist() == list(range(200))
    both = sides(plain + near)
    assert np.array_equal(both[:200], both[200:])


def test_other_texts_stay_apart_and_fall_to_both_sides_alike() -> None:
    plain = texts(400)
    assert len(np.unique(group_texts(plain))) == 400
    # Of 400 fair coins, 120 to 280 heads in all but one of 10¹⁵ cases.
    assert 120 < sides(plain).sum() < 280


def test_the_order_of_the_rows_decides_nothing() -> None:
    plain = texts(60)
    found = plain + [f"{text} and more" for text in plain[:20]]
    turned = found[::-1]
    assert np.array_equal(sides(found), sides(turned)[::-1])


def test_pictures_that_look_alike_belong_together() -> None:
    rng = np.random.default_rng(0)
    thumbs = rng.uniform(0, 255, (5, 16, 16, 3)).astype(np.float32)
    again, apart = thumbs[1] + 2.0, thumbs[2] + 5.0  # levels of 255; at most 4 are alike
    groups = group_looks(np.concatenate([thumbs, again[None], apart[None]]))
    assert groups.tolist() == [0, 1, 2, 3, 4, 1, 6]
