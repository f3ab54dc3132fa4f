"""The cloud of scored merges: what stands where, what is on the front, what is said of it."""

from dataclasses import replace

import numpy as np
import pytest

from merger.search.objective import Measured, objectives_for
from merger.search.objective import TaskScale as Scale
from merger.search.pareto import Mark, ParetoInfo, mark, measure_cloud
from merger.search.trial import Trial
from tests.unit.figures.drawn import check, check_patch
from viz.figures.pareto import HERE, KNEE, draw_pareto, frame_pareto, patch_pareto

SCALES = (Scale("a", "Task A", "accuracy"), Scale("b", "Task B", "bits_per_byte"))
KNOWN = {o.name: o for o in objectives_for(SCALES)}
NORM, MEAN = KNOWN["norm"], KNOWN["mean"]


def exact(value):
    return Measured(value, value, value, 0)


def score(value, half=0.05):
    return Measured(value, value - half, value + half, 100)


def trial(digest, norm, mean, test=None, **more):
    values = {"norm": exact(norm), "mean": score(mean)}
    tested = {} if test is None else {"norm": exact(norm), "mean": score(test)}
    return Trial(digest, "method: ties", "ties", f"TIES <b>{digest}</b>", values, tested, **more)


GOOD, FAR, BAD = trial("good", 0.1, 0.7, 0.6), trial("far", 0.3, 0.8), trial("bad", 0.3, 0.5, 0.9)


def info(*trials, split="validation", x=NORM, y=MEAN, here=(0.2, 0.6), base=None):
    cloud = measure_cloud(trials, x, y, split, base)
    current = here and Mark(HERE, "TIES of a", exact(here[0]), score(here[1], 0.1))
    return ParetoInfo(x, y, split, "", cloud, mark("base", "The base", base, (x, y)), (), None,
                      current)  # fmt: skip


def traces(shape):
    return {trace["name"]: trace for trace in shape["data"]}


def test_points_of_the_front_stand_out_and_a_line_joins_them():
    shape = check(draw_pareto(info(GOOD, FAR, BAD)))
    found = traces(shape)
    assert found["on the front"]["x"] == [0.1, 0.3] and found["on the front"]["y"] == [0.7, 0.8]
    assert found["merges"]["y"] == [0.5]
    # Less is better across: the stairs go up at the larger norm.
    assert sorted(zip(found["edge"]["x"], found["edge"]["y"], strict=True)) == [
        (0.1, 0.7), (0.3, 0.7), (0.3, 0.8),
    ]  # fmt: skip
    assert "2 of 3 merges are on the front, on validation." in shape["meta"]["look"]
    assert shape["meta"]["n"] == 100 and shape["meta"]["split"] == "validation"


def test_the_knee_of_the_front_is_marked_where_there_is_one():
    middle = trial(
        "middle", 0.15, 0.79, 0.79
    )  # shares of the spans: three quarters and nine tenths
    found = info(GOOD, middle, FAR)
    shape = check(draw_pareto(found))
    marked = traces(shape)[KNEE]
    assert (marked["x"], marked["y"], marked["showlegend"]) == ([0.15], [0.79], True)
    assert marked["customdata"][0][0] == "middle" and "Knee: " in shape["meta"]["caption"]
    for without in (info(GOOD, FAR), info(GOOD, middle, FAR, split="test"), info()):
        shape = check(draw_pareto(without))
        assert traces(shape)[KNEE]["x"] == [] and not traces(shape)[KNEE]["showlegend"]
        assert "Knee: " not in shape["meta"]["caption"]


def test_a_point_carries_its_digest_its_words_and_its_intervals():
    point = traces(check(draw_pareto(info(GOOD))))["on the front"]["customdata"][0]
    assert point[:2] == ["good", "TIES <b>good</b>"]
    assert point[2:] == pytest.approx([0.1, 0.1, 0.65, 0.75])


def test_test_values_are_labelled_and_never_choose_the_front():
    shape = check(draw_pareto(info(GOOD, FAR, BAD, split="test", here=None)))
    found = traces(shape)
    assert found["on the front"]["y"] == [0.6] and found["merges"]["y"] == [0.9]
    assert found["edge"]["x"] == []
    assert "TEST values" in shape["meta"]["caption"] and shape["meta"]["split"] == "test"
    assert "Without a test score, not shown: 1." in shape["meta"]["caption"]


def test_the_merge_on_screen_moves_and_the_cloud_stays():
    first, later = info(GOOD, BAD), info(GOOD, BAD, here=(0.25, 0.9))
    assert frame_pareto(first) == frame_pareto(later)
    patch = patch_pareto(later)
    check_patch(draw_pareto(first), patch)
    assert list(patch["traces"]) == [HERE]
    moved = patch["traces"][HERE]
    assert (moved["x"], moved["y"]) == ([0.25], [0.9])
    assert moved["error_y"]["array"] == pytest.approx([0.1])


def test_a_merge_without_scores_leaves_its_cross_out():
    shape = check(draw_pareto(info(GOOD, here=None)))
    assert traces(shape)[HERE]["x"] == [None]


def test_an_empty_page_says_what_to_do_next():
    shape = check(draw_pareto(info(here=None)))
    assert 'press "Explore 64"' in shape["meta"]["look"]


def test_how_many_merges_beat_the_one_on_screen_is_said():
    assert "1 beats this merge" in draw_pareto(info(GOOD, BAD)).meta["look"]
    assert "This merge is on it." in draw_pareto(info(GOOD, here=(0.05, 0.4))).meta["look"]


def test_pinned_merges_are_stars_and_change_the_figure():
    plain, starred = info(GOOD), info(replace(GOOD, pinned=True))
    assert frame_pareto(plain) != frame_pareto(starred)
    assert traces(check(draw_pareto(starred)))["pinned in the table"]["x"] == [0.1]


def test_the_area_between_front_and_base_is_counted_where_both_axes_are_shares():
    x = KNOWN["worst"]
    values = {"worst": score(0.5), "mean": score(0.7)}
    one = Trial("d", "", "ties", "TIES", values)
    base = {"worst": score(0.2), "mean": score(0.4)}
    found = info(one, x=x, here=None, base=base)
    assert found.cloud.volume == pytest.approx(0.3 * 0.3)
    assert "Area between front and base: 0.0900." in draw_pareto(found).meta["look"]


def test_merges_without_a_value_on_an_axis_are_counted_not_drawn():
    less = Trial("d", "", "ties", "TIES", {"mean": score(0.7)})
    found = info(GOOD, less)
    assert found.cloud.digests == ("good",) and found.cloud.hidden == 1
    assert "not shown: 1." in draw_pareto(found).meta["caption"]


def test_two_thousand_points_stay_within_a_megabyte():
    rng = np.random.default_rng(0)
    many = [trial(f"{i:064x}", *rng.random(2)) for i in range(2000)]
    import json

    assert len(json.dumps(draw_pareto(info(*many)).to_json())) < 1e6
