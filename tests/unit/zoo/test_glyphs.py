"""Families, sides and capture conditions do what they say."""

from pathlib import Path

import numpy as np
import pytest

from merger.zoo.conditions import CONDITIONS

fonts = pytest.importorskip("merger.zoo.fonts", reason="fonttools draws glyphs only for a rebuild")


@pytest.mark.parametrize(
    ("stem", "family"),
    [
        ("NotoSansArabic-Bold", "notosansarabic"),
        ("DejaVuSansCondensed", "dejavusans"),
        ("lmroman10-regular", "lmroman"),
        ("ae_Cortoba", "cortoba"),
        ("Mono", "mono"),
    ],
)
def test_a_family_is_what_its_cuts_share(stem, family):
    assert fonts.family_of(stem) == fonts.family_of(stem + "-Italic") == family


def test_no_family_of_a_task_is_on_two_sides_and_each_side_has_some():
    from merger.zoo.data import TASKS, assign_sides

    codes = frozenset(ord(c) for task in TASKS for c in task.chars)
    made = [fonts.Font(Path(f"f{i}"), "package", f"family{i:02}", codes) for i in range(16)]
    sides = assign_sides([*made, fonts.Font(Path("x"), "package", "other", frozenset())])
    assert len(sides) == 17 and sides["other"] == "train"
    mine = [sides[font.family] for font in made]
    assert [mine.count(side) for side in ("train", "validation", "test")] == [8, 4, 4]


@pytest.mark.parametrize("name", sorted(CONDITIONS))
def test_a_condition_keeps_shape_and_type_and_repeats(name):
    images = np.zeros((3, 28, 28), np.uint8)
    images[:, 8:20, 12:16] = 255
    one = CONDITIONS[name](images, np.random.default_rng(1))
    two = CONDITIONS[name](images, np.random.default_rng(1))
    assert one.shape == images.shape and one.dtype == np.uint8
    assert np.array_equal(one, two)


def test_an_outline_is_empty_inside():
    images = np.zeros((1, 28, 28), np.uint8)
    images[0, 8:20, 8:20] = 255
    drawn = CONDITIONS["outline"](images, np.random.default_rng(0))[0]
    assert drawn[14, 14] == 0 and drawn[8, 14] == 255 and drawn[0, 0] == 0


def test_twins_get_one_family(tmp_path):
    path = next(Path("/usr/share/fonts").rglob("*.ttf"), None)
    if path is None:
        pytest.skip("no font is installed")
    codes = frozenset(map(ord, "ag"))
    twins = [fonts.Font(path, "p", name, codes) for name in ("one", "two")]
    fonts.join_twins(twins, "ag")
    assert twins[0].family == twins[1].family
