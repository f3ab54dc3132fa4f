"""Good starts: weights and scales computed by hand, and reasons where there is none."""

import pytest

from merger.recipe import Recipe
from merger.spec import METHODS
from merger.starts import Start, equal, lines, norm_equalised

MERGES = [m.name for m in METHODS.values() if m.stage == "merge"]


def recipe(method="task_arithmetic", n=3, **more):
    experts = [f"zoo:e{i}" for i in range(n)]
    return Recipe.from_json({"method": method, "base": "zoo:base", "experts": experts, **more})


def there(start: Start) -> Recipe:
    assert start.recipe is not None, start.words
    return start.recipe


def test_equal_makes_a_sum_an_average():
    found = there(equal(recipe(weights=[1, 0.5, -1], params={"scale": 0.9})))
    assert found.weights is None
    assert found.params == {"scale": 0.33}


def test_equal_leaves_the_scale_of_what_divides_by_itself():
    normalised = recipe(weights=[1, 2, 3], params={"scale": 0.9, "normalize": True})
    assert there(equal(normalised)).params == {"scale": 0.9, "normalize": True}
    mean = recipe("breadcrumbs_ties", params={"combine": "mean", "scale": 0.9})
    assert there(equal(mean)).params["scale"] == 0.9
    assert there(equal(recipe("breadcrumbs_ties"))).params["scale"] == 0.33
    assert dict(there(equal(recipe("ties", weights=[1, 2, 3]))).params) == {}


def test_equal_is_on_where_it_would_lead():
    assert equal(recipe(params={"scale": 0.33})).is_on(recipe(params={"scale": 0.33}))
    assert equal(recipe("ties")).is_on(recipe("ties", weights=[1, 1, 1]))
    assert not equal(recipe("ties")).is_on(recipe("ties", weights=[1, 1, 0.9]))


def test_equalised_coefficients_bring_every_length_to_the_mean():
    # Lengths 2, 4 and 6 have the mean 4: 4/2, 4/4, 4/6.
    found = norm_equalised(recipe("ties"), {"e0": 2.0, "e1": 4.0, "e2": 6.0})
    assert there(found).weights == (2.0, 1.0, 0.6667)
    assert "2 (e0) to 6 (e2)" in found.words
    assert "0.667 to 2" in found.words and "mean, 4" in found.words


def test_a_sample_is_said_to_be_one():
    found = norm_equalised(recipe(), {"e0": 1.0, "e1": 1.0, "e2": 1.0}, sample=0.05)
    assert "estimated from 0.05 of the parameters" in found.words


def test_only_experts_in_use_are_equalised():
    # Of three experts nuslerp uses two: lengths 1 and 3 have the mean 2.
    found = there(norm_equalised(recipe("nuslerp"), {"e0": 1.0, "e1": 3.0, "e2": 50.0}))
    assert found.weights == (2.0, 0.6667, 1.0)


@pytest.mark.parametrize(
    ("start", "why"),
    [
        (equal(recipe("average")), "does not use coefficients"),
        (norm_equalised(recipe("average"), {}), "does not use coefficients"),
        (norm_equalised(recipe(), None), "need a base"),
        (norm_equalised(recipe(n=1), {"e0": 1.0}), "One expert alone"),
        (norm_equalised(recipe(n=2), {"e0": 1.0, "e1": 0.0}), "e1 is the same as the base"),
        (lines(recipe("tall_masks"), 4), "one model per expert"),
        (lines(recipe(), 0), "no names of tensors number layers"),
    ],
)
def test_what_cannot_be_had_says_why(start, why):
    assert start.recipe is None
    assert why in start.words


def test_lines_follows_the_method_and_leaves_other_verbs():
    found = there(lines(recipe(after=[{"lines": {"beta": 1.5}}, "svc"]), 4))
    assert [s.verb for s in found.after] == ["svc", "lines"]
    assert lines(found, 4).is_on(found)
    assert "Of 4 layers" in lines(found, 4).words


def test_lines_on_one_expert_keeps_its_last_layer_whole():
    found = there(lines(recipe(n=1, params={"scale": 1.0}), 4))
    assert dict(found.after[0].params) == {"alpha": 0.5, "beta": 0.5}


@pytest.mark.parametrize("n", [1, 2, 3, 8])
@pytest.mark.parametrize("name", MERGES)
def test_every_start_of_every_method_is_valid_or_says_why(name: str, n: int) -> None:
    n = max(n, METHODS[name].experts[0])
    here = recipe(name, n)
    norms = {f"e{i}": 1.0 + i for i in range(n)}
    for start in (equal(here), norm_equalised(here, norms), lines(here, 6)):
        assert start.words.endswith(".")
        if start.recipe is not None:
            assert Recipe.from_yaml(start.recipe.to_yaml()) == start.recipe
            assert start.recipe.method == name and start.recipe.experts == here.experts
            assert start.is_on(start.recipe)
