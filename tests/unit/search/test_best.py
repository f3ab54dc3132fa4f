"""The best of what was tried with one method and the same experts."""

from merger.recipe import Recipe
from merger.search.best import best_of, frame_of, like
from merger.search.objective import Measured
from merger.search.trial import Trial


def recipe(**more):
    plain = {"method": "ties", "base": "zoo:base", "experts": ["zoo:a", "zoo:b"]}
    return Recipe.from_json(plain | more)


def trial(digest, mean, **more):
    found = recipe(**more)
    values = {} if mean is None else {"mean": Measured(mean, mean - 0.1, mean + 0.1, 100)}
    return Trial(digest, found.to_yaml(), found.method, "", values)


def test_settings_coefficients_and_order_do_not_change_the_frame():
    here = frame_of(recipe())
    assert frame_of(recipe(weights=[1, 0.2], params={"density": 0.5})) == here
    assert frame_of(recipe(experts=["zoo:b", "zoo:a"])) == here
    others = (
        {"method": "task_arithmetic"},
        {"after": ["lines"]},
        {"experts": ["zoo:a@8", "zoo:b"]},
    )
    assert all(frame_of(recipe(**other)) != here for other in others)


def test_only_trials_of_the_frame_with_a_mean_count():
    trials = [
        trial("1", 0.8, params={"density": 0.1}),
        trial("2", 0.9, method="task_arithmetic"),
        trial("3", None, params={"density": 0.3}),
        trial("4", 0.7, experts=["zoo:a", "zoo:c"]),
        Trial("5", "not a recipe", "ties", "", {"mean": Measured(1.0, 1.0, 1.0, 1)}),
        trial("6", 0.85, params={"density": 0.6}),
    ]
    found = like(recipe(), trials)
    assert [t.digest for t in found] == ["1", "6"]
    best = best_of(found)
    assert best is not None and best.digest == "6"


def test_of_nothing_there_is_no_best():
    assert best_of(like(recipe(), [])) is None
