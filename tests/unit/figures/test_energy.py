import numpy as np
import pytest

from merger.diagnostics.energy import Change, Stored, measure_energy
from tests.unit.figures.drawn import check, check_patch
from viz.figures.energy import ALL, CHOSEN, KINDS, LAYERS, draw_energy, frame_energy, patch_energy

Q, UP = "model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.up_proj.weight"
CHANGES = [Change(Q, np.array([6.0, 9.0, 10.0]), 7), Change(UP, np.array([8.0, 10.0]), 9)]


def test_lines_of_all_of_kinds_and_of_layers_and_the_chosen_rank():
    shape = check(draw_energy(measure_energy(CHANGES, 2, Stored(100, 1000, 1))))
    traces = {trace["name"]: trace for trace in shape["data"]}
    assert traces[ALL]["x"] == [1, 2, 3] and traces[ALL]["y"] == pytest.approx([0.7, 0.95, 1])
    assert traces[KINDS]["customdata"] == ["q", "q", "q", "", "up", "up", "up", ""]
    assert traces[KINDS]["y"][:4] == [0.6, 0.9, 1.0, None]
    assert traces[LAYERS]["customdata"][0] == "layer 0"
    assert traces[CHOSEN]["x"] == [2, 2] and traces[CHOSEN]["y"] == pytest.approx([0, 0.95])
    look = shape["meta"]["look"]
    assert "At rank 2 the adapter keeps 95.00% of the change's energy" in look
    assert "loses is 22.36% as long as the change itself." in look
    assert "90% takes rank 2, 95% takes rank 2 and 99% takes rank 3." in look
    assert (
        "1 tensor stored whole; the full model's take 1.0 kB (10.0% of that)."
        in (shape["meta"]["caption"])
    )
    rows = shape["meta"]["table"]["rows"]
    assert [row[0] for row in rows] == ["all matrices", "q", "up", "layer 0", "layer 1"]
    assert rows[1][1:] == [0.9, 2, 3, 3, 0.6, 0.9]


def test_another_rank_is_a_patch_of_the_same_figure():
    first = measure_energy(CHANGES, 1, Stored(100, 1000, 0))
    then = measure_energy(CHANGES, 3, Stored(300, 1000, 0), error=0.01)
    assert frame_energy(first) == frame_energy(then)
    patch = patch_energy(then)
    check_patch(draw_energy(first), patch)
    assert patch["traces"][CHOSEN]["y"] == [0.0, 1.0]
    assert "1.00% as long as the change itself once rounded" in patch["meta"]["look"]


def test_an_adapter_larger_than_its_model_says_so():
    shape = check(draw_energy(measure_energy(CHANGES, 3, Stored(2000, 1000, 0))))
    assert "more than the full model's 1.0 kB." in shape["meta"]["caption"]


def test_nothing_that_changes_still_draws():
    shape = check(draw_energy(measure_energy([], 4, Stored(0, 0, 0))))
    assert shape["meta"]["look"] == "No matrix changes, so there is nothing to factor."
