import numpy as np
import pytest

from merger.diagnostics.cosine import CosineInfo, measure_cosine, weighted_cosine
from tests.stacks import random_stack
from tests.unit.figures.drawn import check, check_patch
from viz.figures.cosine import draw_cosine, patch_cosine


def info_of(table, names=None):
    table = np.array(table, float)
    names = names or tuple("abcdefgh"[: len(table)])
    return CosineInfo(tuple(names), table, table, np.zeros_like(table))


def test_every_pair_has_a_cell_and_the_diagonal_none():
    figure = draw_cosine(info_of([[1, 0.4, 0.1], [0.4, 1, -0.2], [0.1, -0.2, 1]]))
    shape = check(figure)
    cells = shape["data"][0]
    assert cells["z"] == [[None, 0.4, 0.1], [0.4, None, -0.2], [0.1, -0.2, None]]
    assert cells["text"][1] == ["0.40", "", "−0.20"]
    assert (cells["zmin"], cells["zmax"]) == (-0.5, 0.5)
    assert shape["meta"]["table"]["rows"] == [["a", "b", 0.4], ["a", "c", 0.1], ["b", "c", -0.2]]


def test_the_caption_names_the_extremes():
    caption = draw_cosine(info_of([[1, 0.4, 0.1], [0.4, 1, -0.2], [0.1, -0.2, 1]])).meta["look"]
    assert "a and b are most alike (0.40); b and c pull apart most (−0.20)." in caption
    caption = draw_cosine(info_of([[1, 0.01], [0.01, 1]])).meta["look"]
    assert "All pairs are nearly unrelated; the largest is a and b (0.01)." in caption


def test_a_patch_moves_cells_and_words_but_not_the_range():
    info = measure_cosine(random_stack(3, shared=1.0))
    figure = draw_cosine(info)
    patch = patch_cosine(weighted_cosine(info, [-1, 1, 1]))
    check_patch(figure, patch)
    assert patch["traces"]["pairs"]["z"][0][1] == -figure.data[0]["z"][0][1]
    assert "zmin" not in patch["traces"]["pairs"]


def test_one_expert_and_experts_like_the_base_still_draw():
    assert "takes two experts" in check(draw_cosine(info_of([[1.0]])))["meta"]["look"]
    check(draw_cosine(info_of([[np.nan, np.nan], [np.nan, np.nan]])))


def test_narrow_columns_have_numbers_for_names_and_rows_are_shortened():
    names = tuple(f"a-rather-long-expert-name-{i}" for i in range(6))
    shape = check(draw_cosine(info_of(np.eye(6), names)))
    assert shape["layout"]["xaxis"]["ticktext"][0] == "a-rather-long-e…"
    narrow = shape["meta"]["narrow"]
    assert narrow["below"] > 6 * 16 * 6
    assert narrow["layout"]["xaxis"]["ticktext"] == ["1", "2", "3", "4", "5", "6"]
    assert narrow["layout"]["yaxis"]["ticktext"][0] == "a-rather-long-e…  1"
    assert shape["data"][0]["customdata"][0][1][1] == f"{names[0]} and {names[1]}"


@pytest.mark.parametrize("n", [2, 10, 11, 20])
def test_numbers_stand_in_cells_only_where_they_can_be_read(n):
    shape = check(draw_cosine(measure_cosine(random_stack(n))))
    assert ("text" in shape["data"][0]) == (n <= 10)
