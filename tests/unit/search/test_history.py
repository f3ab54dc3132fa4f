"""Rows of the library as trials: shares, means, what the base keeps; computed by hand."""

import pytest

from merger.scored import MergeFacts, ScoredRecipe
from merger.search.history import trials_of, values_of
from merger.search.objective import Measured, TaskScale, objectives_for
from merger.search.trial import front_of, points_of

A = TaskScale("a", "Task A", "accuracy", best={"validation": 0.8, "test": 0.5})
B = TaskScale("text:b", "Text b", "bits_per_byte", best={"validation": 2.0})


def task(name, value, low, high, n=100, normalised=None):
    metric = "accuracy" if name == "a" else "bits_per_byte"
    return {
        "task": name, "metric": metric, "value": value, "low": low, "high": high, "n": n,
        "normalised": normalised,
    }  # fmt: skip


def scores(*tasks, split="validation"):
    return {"split": split, "tasks": list(tasks)}


def row(digest, *tasks, split="validation", owner="ann", created=1.0, **more):
    about = {"method": "ties", "words": "TIES", "experts": ["a"]} | more.pop("about", {})
    facts = MergeFacts("here", more.pop("norm", 0.1), more.pop("size", 10), about)
    text = "method: ties"
    return ScoredRecipe(
        digest, text, scores(*tasks, split=split), split, "1", owner, created, facts=facts, **more
    )


def test_shares_mean_and_worst_are_of_the_best_and_carry_their_intervals():
    found = values_of(
        scores(task("a", 0.4, 0.2, 0.6), task("text:b", 2.5, 2.0, 4.0)), [A, B], ["a", "b"], {}
    )
    assert found["task:a"] == Measured(0.4, 0.2, 0.6, 100)
    # 0.4 / 0.8 = 0.5 within (0.25, 0.75); 2 / 2.5 = 0.8 within (0.5, 1)
    assert found["worst"] == pytest.approx((0.5, 0.25, 0.75, 100))
    mean = found["mean"]
    assert mean.value == pytest.approx(0.65) and mean.n == 200
    assert mean.low == pytest.approx(0.65 - (0.25**2 + 0.3**2) ** 0.5 / 2)
    assert "retention" not in found


def test_a_mean_over_fewer_tasks_is_not_given():
    found = values_of(scores(task("a", 0.4, 0.2, 0.6)), [A, B], ["a"], {})
    assert found.keys() == {"task:a"}


def test_what_the_base_keeps_is_told_by_tasks_of_no_expert():
    two = scores(task("a", 0.4, 0.2, 0.6), task("text:b", 2.5, 2.0, 4.0))
    found = values_of(two, [A, B], ["a"], {"a": 0.1, "text:b": 3.0})
    assert found["retention"] == pytest.approx((1.2, 0.75, 1.5, 100))


def test_a_best_that_is_unknown_now_is_the_one_the_row_was_scored_against():
    scale = TaskScale("a", "A", "accuracy")
    found = values_of(scores(task("a", 0.4, 0.4, 0.4, normalised=0.5)), [scale], [], {})
    assert found["mean"].value == pytest.approx(0.5)
    assert "mean" not in values_of(scores(task("a", 0.4, 0.4, 0.4)), [scale], [], {})


def test_norm_and_bytes_are_exact_and_need_no_examples():
    found = values_of(scores(), [], [], {}, norm=0.1, size_bytes=12)
    assert found == {"norm": Measured(0.1, 0.1, 0.1, 0), "bytes": Measured(12, 12, 12, 0)}


def test_a_merge_has_its_test_values_beside_it_and_ones_own_row_wins():
    a, t = task("a", 0.4, 0.3, 0.5), task("a", 0.2, 0.1, 0.3)
    rows = [
        row("d", t, split="test"),
        row("d", a, owner="", note="shipped"),
        row("d", a, note="mine"),
        row("only-test", t, split="test"),
    ]
    (trial,) = trials_of(rows, [A])
    assert (trial.note, trial.shipped) == ("mine", False)
    assert trial.values["mean"].value == pytest.approx(0.5)
    assert trial.test["mean"].value == pytest.approx(0.4)


def test_rows_that_were_scored_on_other_tasks_are_left_out():
    old = row("d", task("elsewhere", 0.4, 0.3, 0.5))
    assert trials_of([old], [A]) == () and trials_of([old], []) == ()


def test_a_front_has_the_shape_that_search_gives_and_test_never_decides_it():
    better, worse = task("a", 0.6, 0.5, 0.7), task("a", 0.4, 0.3, 0.5)
    rows = [
        row("good", better, norm=0.2),
        row("bad", worse, norm=0.3),
        row("bad", task("a", 1.0, 1.0, 1.0), split="test"),
    ]
    wanted = [o for o in objectives_for([A]) if o.name in ("task:a", "norm")]
    found = front_of(trials_of(rows, [A]), wanted, reference=(0.0, 1.0))
    shape = found.to_json()
    assert shape.keys() == {"objectives", "reference", "hypervolume", "trials", "points"}
    assert [p["on_front"] for p in shape["points"]] == [True, False]
    assert shape["trials"] == 2 and shape["hypervolume"] == pytest.approx(0.6 * 0.8)
    good, bad = shape["points"]
    assert good.keys() == {"digest", "recipe", "values", "test", "on_front"}
    assert bad["test"]["task:a"]["value"] == 1.0 and good["test"] == {}
    assert points_of(found.trials, wanted, "test").shape == (2, 2)


def test_every_task_mean_worst_retention_norm_and_bytes_can_be_wanted():
    names = [o.name for o in objectives_for([A, B])]
    assert names == ["mean", "worst", "task:a", "task:text:b", "retention", "norm", "bytes"]
    assert [o.higher_is_better for o in objectives_for([A, B])] == [
        True, True, True, False, True, False, False,
    ]  # fmt: skip
