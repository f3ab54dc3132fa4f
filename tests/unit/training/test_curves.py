"""Curves from answers, worked out by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest

from merger.training import CurveStore, TrainingInfo
from merger.training.curves import Measured, curves_of, gain_of, tasks_that_count
from tests.unit.training.pieces import bits, first, quiz, subject

MNIST, LATIN = quiz("mnist"), quiz("latin")


def measured(own: tuple[int, ...], merged: tuple[int, ...]) -> Measured:
    """Two experts and a merge with so many of ten right, at each step."""
    rows = [{"mnist": {"mnist": first(n)}, "latin": {"latin": first(n)}} for n in own]
    both = [{"mnist": first(n), "latin": first(n)} for n in merged]
    base = {"mnist": first(2), "latin": first(4)}
    tried = [{0.5: row, 1.0: row, 2.0: row} for row in both]
    return Measured(base=base, own=rows, fixed=both, tried=tried)


def test_scores_are_means_over_the_tasks_of_the_experts() -> None:
    info = curves_of(subject(MNIST, LATIN), measured((5, 8, 10), (4, 7, 3)), complete=True)
    assert info.own[:, :, 0].tolist() == [[0.5, 0.8, 1.0]] * 2
    assert info.own_mean[:, 0].tolist() == [0.5, 0.8, 1.0]
    assert info.fixed[:, 0] == pytest.approx([0.4, 0.7, 0.3])
    assert info.base[0] == pytest.approx(0.3)
    assert info.normalised[0] == pytest.approx([0.4, 0.7, 0.3])  # best own score is 1
    assert (info.n, info.own_n.tolist(), info.owned) == (20, [10, 10], True)
    assert (info.fixed[:, 1] < info.fixed[:, 0]).all() and info.kept.tolist() == [[8, 16, 32]] * 2


def test_the_best_steps_differ_and_the_gain_is_paired() -> None:
    info = curves_of(subject(MNIST, LATIN), measured((5, 8, 10), (4, 9, 1)), complete=True)
    assert (info.best(info.own_mean), info.best(info.fixed)) == (2, 1)
    # Eight of ten examples change hands, all one way: the interval leaves 0 out.
    assert info.fixed_gain[0] == pytest.approx(0.8) and info.fixed_gain[1] > 0
    assert info.fixed_fall.tolist() == info.fixed_gain.tolist()
    assert info.own_gain[0] == pytest.approx(0.2)


def test_a_small_gain_is_not_called_a_difference() -> None:
    info = curves_of(subject(MNIST, LATIN), measured((5, 8, 10), (4, 6, 5)), complete=True)
    low, high = info.fixed_gain[1:]
    assert info.fixed_gain[0] == pytest.approx(0.1) and low < 0 < high


def test_of_equal_steps_the_earliest_is_best() -> None:
    info = curves_of(subject(MNIST, LATIN), measured((5, 9, 9), (4, 4, 4)), complete=True)
    assert (info.best(info.own_mean), info.best(info.fixed)) == (1, 0)


def test_half_a_curve_has_no_verdict() -> None:
    found = measured((5, 8, 10), (4, 7, 3))
    half = replace(found, own=found.own[:2], fixed=found.fixed[:2], tried=[])
    info = curves_of(subject(MNIST, LATIN), half, complete=False)
    assert np.isnan(info.fixed[2]).all() and np.isnan(info.fixed_gain).all()
    assert np.isnan(info.tuned).all() and not info.complete


def test_fewer_bits_are_better_and_gains_stay_positive_for_better() -> None:
    task = quiz("text:mnist", "bits_per_byte")
    costs = ((30.0, 29.0), (20.0, 21.0), (25.0, 26.0))
    rows = [{"text:mnist": bits(*pair)} for pair in costs]
    own = [{"mnist": row} for row in rows[::-1]]
    found = Measured(rows[0], own, rows, [{1.0: row} for row in rows])
    info = curves_of(subject(task, experts=("mnist",)), found, complete=True)
    assert info.fixed[:, 0] == pytest.approx([2.95, 2.05, 2.55])
    assert info.best(info.fixed) == 1 and not info.higher_is_better
    assert info.fixed_fall[0] == pytest.approx(0.5)
    assert info.normalised[0, 1] == pytest.approx(1.0)  # 2.05 is the expert's best too
    assert gain_of([task], rows[0], rows[1])[0] == pytest.approx(-0.9)


def test_texts_that_belong_to_nobody_are_answered_by_every_expert() -> None:
    task = quiz("text:mixed", "bits_per_byte")
    own = [
        {"mnist": {task.name: bits(10, 20)}, "latin": {task.name: bits(30, 40)}} for _ in range(3)
    ]
    info = curves_of(subject(task), Measured(own=own), complete=False)
    assert not info.owned
    assert info.own[:, 0, 0].tolist() == [1.5, 3.5]
    # The experts share their examples: pooled, not counted twice.
    assert info.own_mean[0, 0] == pytest.approx(2.5)


def test_tasks_of_other_experts_do_not_count() -> None:
    tasks = [MNIST, LATIN, quiz("greek")]
    assert tasks_that_count(tasks, ("mnist",)) == (MNIST,)
    assert tasks_that_count(tasks[2:], ("mnist",)) == (tasks[2],)


def test_nothing_is_tuned_where_that_changes_nothing() -> None:
    plain = subject(MNIST, LATIN, factors=(), why="it changes nothing")
    info = curves_of(plain, measured((5, 8, 10), (4, 7, 3)), complete=True)
    assert np.isnan(info.tuned).all() and info.scale == ""
    assert info.why_not_tuned == "it changes nothing"


def test_a_curve_comes_back_from_its_file_as_it_was(tmp_path) -> None:
    info = curves_of(subject(MNIST, LATIN), measured((5, 8, 10), (4, 7, 3)), complete=True)
    again = TrainingInfo.from_json(json.loads(json.dumps(info.to_json(), allow_nan=False)))
    assert again == info
    store = CurveStore(tmp_path / "curves")
    assert store.get("a" * 64) is None
    store.put("a" * 64, info)
    assert store.get("a" * 64) == info
    (tmp_path / "curves" / f"{'a' * 64}.json").write_text("{")
    assert store.get("a" * 64) is None
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        store.put("../../etc/passwd", info)
