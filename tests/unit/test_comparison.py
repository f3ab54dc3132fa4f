"""Two merges on the same examples, with pairs that were counted by hand."""

from types import MappingProxyType
from typing import Any, cast

import numpy as np
import pytest

from merger.comparison import changed_hands, measure_comparison, shared_tasks
from merger.errors import TaskError
from merger.scorer import FullScore
from merger.tasks import Task
from merger.tasks.base import Metric, Outcomes
from merger.tasks.images import ImageTask


def no_data(*_: Any) -> Any:
    raise AssertionError("nothing is read")


def image_task(name: str, best: float | None = None) -> Task:
    scores = {} if best is None else {"validation": best}
    args = (name, name.title(), name, {"validation": 10}, no_data, no_data)
    return ImageTask(*args, best_scores=scores)


class Text:
    """The parts of a text task that a comparison asks for."""

    name, title, higher_is_better = "text:a", "a", False
    metric: Metric = "bits_per_byte"


def right(*answers: int, fonts: list[int] | None = None) -> Outcomes:
    top = np.array(answers, np.float64)
    clusters = np.arange(len(top)) if fonts is None else np.array(fonts)
    return Outcomes(top, np.ones_like(top), clusters)


def full(**outcomes: Outcomes) -> FullScore:
    return FullScore("d", "validation", MappingProxyType(outcomes))


A = full(mnist=right(1, 1, 1, 0, 0, 1, 1, 1, 1, 1), latin=right(1, 1, 0, 0, 0, 0, 0, 0, 0, 0))
B = full(mnist=right(1, 0, 1, 1, 1, 1, 1, 1, 1, 1), latin=right(1, 1, 0, 0, 0, 0, 0, 0, 0, 0))
TASKS = [image_task("mnist"), image_task("latin")]


def test_pairs_are_counted_and_their_interval_is_bonetts() -> None:
    info = measure_comparison(TASKS, A, B)
    assert info.tasks == ("Mnist", "Latin") and info.n.tolist() == [10, 10]
    assert info.only_a.tolist() == [1, 0] and info.only_b.tolist() == [2, 0]
    # (2 - 1) / 10; with one made-up pair a side: 3/12 and 2/12, centre 1/12.
    half = 1.959963984540054 * ((3 / 12 + 2 / 12 - (1 / 12) ** 2) / 12) ** 0.5
    assert info.change[0] == pytest.approx([0.1, 1 / 12 - half, 1 / 12 + half])
    assert info.mean[0] == pytest.approx(0.05)
    assert info.verdicts.tolist() == [0, 0, 0, 0]


def test_the_worst_task_of_both_keeps_its_paired_interval() -> None:
    info = measure_comparison(TASKS, A, B)
    assert (info.worst_a, info.worst_b) == (1, 1)
    assert info.worst.tolist() == info.change[1].tolist()


def test_different_worst_tasks_join_their_own_intervals_as_squares() -> None:
    worse = full(mnist=right(*[0] * 9, 1), latin=right(*[1] * 10))
    info = measure_comparison(TASKS, A, worse)
    assert (info.worst_a, info.worst_b) == (1, 0)
    change, low, high = info.worst
    assert change == pytest.approx(-0.1)  # latin 2/10 in A, mnist 1/10 in B
    z2 = 1.959963984540054**2

    def wilson(k: int) -> tuple[float, float]:
        p, n = k / 10, 10
        centre = (p + z2 / 20) / (1 + z2 / n)
        half = (z2 * (p * (1 - p) / n + z2 / 400)) ** 0.5 / (1 + z2 / n)
        return centre - half, centre + half

    (low2, high2), (low1, high1) = wilson(2), wilson(1)
    assert low == pytest.approx(-0.1 - ((0.1 - low1) ** 2 + (high2 - 0.2) ** 2) ** 0.5)
    assert high == pytest.approx(-0.1 + ((high1 - 0.1) ** 2 + (0.2 - low2) ** 2) ** 0.5)


def test_mean_and_worst_count_shares_of_the_experts_best_where_all_are_known() -> None:
    a = full(mnist=right(*[1] * 9, 0), latin=right(*[1] * 4, *[0] * 6))
    b = full(mnist=right(*[1] * 5, *[0] * 5), latin=right(*[1] * 4, *[0] * 6))
    info = measure_comparison([image_task("mnist", 1.0), image_task("latin", 0.5)], a, b)
    # Shares: mnist 0.9 to 0.5, latin 0.8 to 0.8; raw, latin (0.4) would be the worst of both.
    assert info.normalised and (info.worst_a, info.worst_b) == (1, 0)
    assert info.totals == pytest.approx(np.array([[0.85, 0.65], [0.8, 0.5]]))
    assert (info.mean[0], info.worst[0]) == pytest.approx((-0.2, -0.3))
    assert info.change[:, 0] == pytest.approx([-0.4, 0.0])  # tasks stay as they are
    half = measure_comparison([image_task("mnist", 1.0), image_task("latin")], a, b)
    assert not half.normalised and half.worst_b == 1


def test_images_of_one_font_count_as_one_group() -> None:
    fonts = [0] * 5 + [1] * 5
    a = full(mnist=right(*[0] * 10, fonts=fonts))
    b = full(mnist=right(*[1] * 5, *[0] * 5, fonts=fonts))
    info = measure_comparison(TASKS[:1], a, b)
    assert info.groups.tolist() == [2]
    value, low, high = info.change[0]
    # Both fonts drawn from two: the shares are 0, 1/2 or 1, so half the draws are off by 1/2.
    assert value == 0.5 and low < 0 < high
    assert info.verdicts[0] == 0


def test_a_change_outside_its_interval_has_a_verdict_and_its_direction() -> None:
    none, all_ = (full(mnist=right(*[x] * 60)) for x in (0, 1))
    assert measure_comparison(TASKS[:1], none, all_).verdicts.tolist() == [1, 1, 1]
    assert measure_comparison(TASKS[:1], all_, none).verdicts.tolist() == [-1, -1, -1]


def test_fewer_bits_are_better() -> None:
    task = cast(Task, Text())
    size, order = np.array([10.0, 10.0, 10.0]), np.arange(3)
    a = Outcomes(np.array([30.0, 20.0, 20.0]), size, order)
    b = Outcomes(np.array([20.0, 25.0, 20.0]), size, order)
    only_a, only_b = changed_hands(task, a, b)
    assert only_a.tolist() == [1] and only_b.tolist() == [0]
    info = measure_comparison([task], full(**{"text:a": a}), full(**{"text:a": b}))
    assert info.change[0, 0] == pytest.approx(-5 / 30)  # (65 - 70) bits over 30 bytes
    sure = measure_comparison(
        [task],
        full(**{"text:a": Outcomes(np.full(9, 30.0), np.full(9, 10.0), np.arange(9))}),
        full(**{"text:a": Outcomes(np.full(9, 20.0), np.full(9, 10.0), np.arange(9))}),
    )
    assert sure.verdicts.tolist() == [1, 1, 1]


def test_passages_come_with_the_largest_difference_first() -> None:
    size = np.full(4, 10.0)
    a = Outcomes(np.array([20.0, 20.0, 20.0, 20.0]), size, np.arange(4))
    b = Outcomes(np.array([21.0, 25.0, 20.0, 23.0]), size, np.arange(4))
    assert changed_hands(cast(Task, Text()), a, b)[0].tolist() == [1, 3, 0]


def test_without_a_common_task_it_says_so() -> None:
    with pytest.raises(TaskError, match="no task in common"):
        shared_tasks(TASKS, full(mnist=right(1)), full(latin=right(1)))
