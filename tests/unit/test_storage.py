"""Bits stored: the published figure of TALL-masks, and the others by hand."""

import pytest

from merger.spec import METHODS
from merger.storage import (
    WORDS,
    emr_bits,
    free_bits,
    separate_bits,
    stored_bits,
    tall_bits,
    twin_bits,
)

# CLIP ViT-B/32's image encoder with 20 tasks.
TRAINED, FROZEN, TASKS = 87_849_216, 25_599_489, 20


def test_tall_masks_shrink_57_to_8_gigabits():
    assert separate_bits(TRAINED, FROZEN, TASKS) / 1e9 == pytest.approx(57.0427, abs=1e-4)
    assert tall_bits(TRAINED, FROZEN, TASKS) / 1e9 == pytest.approx(8.1985, abs=1e-4)


def test_emr_adds_one_number_per_expert():
    assert emr_bits(10, 3, 4) == 64 * 10 + 4 * 10 + 32 * 3 + 32 * 4


def test_twin_stores_directions_of_matrices_and_vectors_whole():
    shapes = [(8, 20), (5,), (4, 2, 5), (0, 3)]
    # Ranks 2 of (8, 20) and 1 of (4, 10), and a vector of 5.
    assert twin_bits(shapes, 7, 3, 0.25) == 32 * (205 + 7 + 3 * (2 * 28 + 5 + 14))
    assert twin_bits(shapes, 7, 3, 1.0) == 32 * (205 + 7 + 3 * 205)
    assert twin_bits(shapes, 7, 3, 0.0) == 32 * (205 + 7)


def test_free_stores_values_and_places_of_matrices_only():
    assert free_bits([(8, 200), (5,)], 0, 3, 0.01) == 32 * (1605 + 2 * 3 * 8 * 2)
    assert free_bits([(8, 20), (5,)], 0, 3, 0.0) == 32 * 165


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("tall_masks", 66 * 165),
        ("emr", 66 * 165 + 64),
        ("twin_per_task", 32 * (165 + 2 * (28 * 2 + 5))),
        ("free_merging", 32 * (165 + 2 * 2 * 8 * 2)),
        ("tsv_c", 32 * (165 + 2 * (28 * 4 + 5))),
        ("rmm", 32 * (165 + 2 * (165 + 2 * 2))),
        ("mine", 32 * 330),
    ],
)
def test_a_method_is_known_by_its_id(method, expected):
    params = {"rank": 0.3, "density": None if method == "tsv_c" else 0.1, "basis": 8}
    assert stored_bits(method, [(8, 20), (5,)], 0, 2, params) == expected


def test_every_method_with_one_model_per_expert_says_what_it_stores():
    assert set(WORDS) == {m.name for m in METHODS.values() if m.output == "per_task"}
