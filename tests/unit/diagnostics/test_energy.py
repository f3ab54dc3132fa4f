"""How much of a change its strongest directions hold, by hand."""

import json
import math

import numpy as np
import pytest

from merger.diagnostics.energy import (
    Change,
    EnergyInfo,
    Stored,
    adapter_bytes,
    measure_energy,
)

Q, UP, HEAD = (
    "model.layers.0.self_attn.q_proj.weight",
    "model.layers.1.mlp.up_proj.weight",
    "lm_head.weight",
)
# Squared strengths 6 3 1, 8 2 and 5: in all 25.
CHANGES = (
    Change(Q, np.array([6.0, 9.0, 10.0]), 7),
    Change(UP, np.array([8.0, 10.0]), 9),
    Change(HEAD, np.array([5.0]), 4),
)
STORED = Stored(100, 1000, 2)


def test_shares_of_the_whole_of_kinds_and_of_layers_by_hand():
    info = measure_energy(CHANGES, 1, STORED)
    assert info.ranks.tolist() == [1, 2, 3]
    assert info.whole == pytest.approx([19 / 25, 24 / 25, 1.0])
    assert info.modules == ("q", "up", "head") and info.layers == ("out", "0", "1")
    assert info.by_module == pytest.approx(np.array([[0.6, 0.9, 1], [0.8, 1, 1], [1, 1, 1]]))
    assert info.by_layer == pytest.approx(np.array([[1, 1, 1], [0.6, 0.9, 1], [0.8, 1, 1]]))
    assert info.levels == (0.9, 0.95, 0.99)
    assert info.needed.tolist() == [2, 2, 3]
    assert info.needed_by_module.tolist() == [[2, 3, 3], [2, 2, 2], [1, 1, 1]]
    assert info.kept == pytest.approx(0.76) and info.error == pytest.approx(math.sqrt(0.24))
    assert info.kept_by_module == pytest.approx([0.6, 0.8, 1.0]) and not info.written
    assert info.matrices == 3
    assert (info.adapter_bytes, info.full_bytes, info.kept_whole, info.impossible) == STORED


def test_ranks_that_differ_and_a_measured_loss_are_taken_as_they_are():
    info = measure_energy(CHANGES, 2, STORED, error=0.25, ranks={Q: 1, UP: 2, HEAD: 1})
    assert info.kept == pytest.approx((6 + 10 + 5) / 25)
    assert info.error == 0.25 and info.written


def test_an_adapter_takes_its_factors_and_what_is_stored_whole():
    assert adapter_bytes(CHANGES, 2, 11) == 4 * (2 * 7 + 2 * 9 + 1 * 4 + 11)
    assert adapter_bytes(CHANGES, 1, 0, size=2) == 2 * (7 + 9 + 4)


def test_long_spectra_are_shown_at_few_ranks_up_to_the_last():
    squares = np.arange(1.0, 4097.0)
    info = measure_energy([Change(Q, squares, 8192)], 16, STORED)
    assert info.ranks[:32].tolist() == list(range(1, 33)) and info.ranks[-1] == 4096
    assert len(info.ranks) < 100 and (np.diff(info.ranks) > 0).all()
    assert info.whole[-1] == 1.0 and info.needed.tolist() == [3687, 3892, 4056]


def test_nothing_that_changes_is_an_empty_curve():
    info = measure_energy([], 4, STORED)
    assert len(info.ranks) == 0 and info.kept == 1.0 and info.error == 0.0
    assert info.needed.tolist() == [0, 0, 0]


def test_plain_data_and_back_is_the_same():
    for info in (measure_energy(CHANGES, 2, STORED, error=0.5), measure_energy([], 1, STORED)):
        assert EnergyInfo.from_json(json.loads(json.dumps(info.to_json()))) == info
