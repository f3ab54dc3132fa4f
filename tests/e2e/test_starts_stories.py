"""Stories of good starts, dice, and settings that change with depth."""

import json
from typing import Any

import pytest

from merger.recipe import Depth, Recipe
from tests.e2e.app_fixture import WAIT, App, Desk
from tests.e2e.test_undo_stories import pick, set_knob, undo

SCALE = "ms-knob-task_arithmetic-scale"


def recipe(desk: Desk) -> Recipe:
    return Recipe.from_yaml(desk.studio("text"))


def menu(desk: Desk) -> None:
    desk.page.locator("#ms-starts > summary").click()
    desk.page.locator("#ms-start-best").wait_for()


def words(desk: Desk, name: str) -> str:
    return desk.page.locator(f"#ms-start-{name}-words").inner_text()


def start(desk: Desk, name: str) -> Recipe:
    """Press a start and wait until it shows as pressed."""
    desk.page.locator(f"#ms-start-{name}").click()
    desk.page.locator(f"#ms-start-{name}[aria-pressed=true]").wait_for(timeout=WAIT)
    desk.settled()
    return recipe(desk)


def by_depth(desk: Desk, id: str) -> None:
    desk.page.locator(f"#{id}-depth").click()
    desk.page.locator(f"#{id}-curve svg").scroll_into_view_if_needed()


def shape(desk: Desk, id: str, name: str) -> None:
    desk.page.locator(f"#{id}-curve [data-shape={name}]").click()
    desk.settled()


def scale_of(desk: Desk) -> Any:
    return recipe(desk).params["scale"]


def test_each_start_is_one_step_and_shows_that_it_is_on(zoo: Desk) -> None:
    """I open the menu: I stand at the average. I equalise the lengths, add LiNeS, go back."""
    menu(zoo)
    zoo.page.locator("#ms-start-equal[aria-pressed=true]").wait_for()
    assert "scale 0.17" in words(zoo, "equal")
    first = zoo.studio("text")
    weights = start(zoo, "norm").weights
    assert weights is not None and min(weights) < 1 < max(weights)
    lengths = [1 / w for w in weights]  # coefficient × length is the same for all
    assert sum(lengths) / 6 == pytest.approx(1.0, abs=2e-3)
    assert f"{min(weights):.3g} to {max(weights):.3g}" in words(zoo, "norm")
    found = start(zoo, "lines")
    assert [s.verb for s in found.after] == ["lines"] and found.weights == weights
    undo(zoo)
    assert recipe(zoo).after == ()
    undo(zoo)
    assert zoo.studio("text") == first


def test_starts_that_cannot_be_had_say_why(zoo: Desk) -> None:
    """I pick the plain average: it has no coefficients, and nothing to draw."""
    pick(zoo, "average")
    menu(zoo)
    for name in ("equal", "norm", "best"):
        assert zoo.page.locator(f"#ms-start-{name}").is_disabled()
    assert "does not use coefficients" in words(zoo, "norm")
    assert "no slider and no coefficient" in words(zoo, "best")
    assert zoo.page.locator("#ms-dice").is_disabled()
    assert "no slider and no coefficient" in zoo.page.locator("#ms-dice-words").inner_text()


def test_the_best_of_64_is_searched_once_and_then_known(llama: Desk) -> None:
    """I let 64 settings be scored on my text: the sliders go to the best, with n and split."""
    menu(llama)
    assert "0 are scored so far" in words(llama, "best") or "1 are" in words(llama, "best")
    before = llama.studio("text")
    llama.page.locator("#ms-start-best").click()
    llama.page.locator("#ms-best-cancel").wait_for()
    llama.page.reload()  # the search goes on, and is shown again
    menu(llama.settled())
    llama.page.locator("#ms-start-best[aria-pressed=true]").wait_for(timeout=5 * WAIT)
    llama.settled()
    said = words(llama, "best")
    assert "chosen on validation, so test may be lower" in said and ", n " in said
    best = llama.studio("text")
    assert best != before
    undo(llama)
    assert llama.studio("text") == before
    llama.page.locator("#ms-start-best").click()  # known now: no second search
    llama.page.locator("#ms-start-best[aria-pressed=true]").wait_for(timeout=WAIT)
    assert llama.settled().studio("text") == best


def test_the_same_seed_throws_the_same_everywhere(
    zoo: Desk, page: Any, zoo_app: App, browser: Any
) -> None:
    """I throw seed 5 twice from different settings, then the next; a colleague throws 5 too."""
    menu(zoo)
    zoo.page.locator("#ms-dice-seed").fill("5")
    zoo.page.locator("#ms-dice").click()
    zoo.page.get_by_text("Seed 5:").wait_for()
    five = zoo.settled().studio("text")
    zoo.page.locator("#ms-dice").click()
    zoo.page.get_by_text("Seed 6:").wait_for()
    six = zoo.settled().studio("text")
    assert six != five and zoo.page.locator("#ms-dice-seed").input_value() == "6"
    undo(zoo)
    assert zoo.studio("text") == five
    zoo.weight(0, -1)
    zoo.page.locator("#ms-dice-seed").fill("5")
    zoo.page.locator("#ms-dice").click()
    zoo.page.get_by_text("Seed 5:").wait_for()
    assert zoo.settled().studio("text") == five


def test_named_shapes_keep_the_mean_and_write_a_curve(zoo: Desk) -> None:
    """I let the scale rise with depth, then peak in the middle, then make it one number again."""
    set_knob(zoo, f"{SCALE}-number", "0.4")
    by_depth(zoo, SCALE)
    assert zoo.page.locator(f"#{SCALE}-curve circle").count() == 2  # the zoo has two layers
    assert zoo.page.locator(f"#{SCALE}-curve [data-shape=middle]").is_disabled()
    zoo.page.locator(f"#{SCALE}-points").select_option("5")
    assert "more points than layers" in zoo.page.locator(f"#{SCALE}-curve .ms-help").inner_text()
    shape(zoo, SCALE, "rising")
    assert scale_of(zoo) == Depth((0.2, 0.3, 0.4, 0.5, 0.6))  # half of 0.4 up and down
    shape(zoo, SCALE, "falling")
    assert scale_of(zoo) == Depth((0.6, 0.5, 0.4, 0.3, 0.2))
    rising = zoo.page.locator(f"#{SCALE}-curve [data-shape=falling]")
    assert rising.get_attribute("aria-pressed") == "true"
    shape(zoo, SCALE, "flat")
    assert scale_of(zoo) == Depth((0.4,) * 5)
    shape(zoo, SCALE, "middle")
    assert sum(scale_of(zoo).values) == pytest.approx(2.0, abs=1e-3)
    zoo.page.locator(f"#{SCALE}-points").select_option("3")
    zoo.settled()
    assert len(scale_of(zoo).values) == 3
    zoo.page.locator(f"#{SCALE}-flatten").click()
    zoo.settled()
    assert isinstance(scale_of(zoo), float)


def test_a_point_is_dragged_and_bars_follow_and_undo_is_one_step(zoo: Desk) -> None:
    """I pull the last point down, resting on the way; bars follow; z takes the drag back."""
    before = zoo.studio("text")
    by_depth(zoo, SCALE)
    box = zoo.page.locator(f"#{SCALE}-curve svg").bounding_box()
    assert box is not None
    digests = {zoo.studio("digest")}
    x, bottom = box["x"] + 0.96 * box["width"], box["y"] + box["height"]
    zoo.page.mouse.move(x, box["y"] + 0.4 * box["height"])
    zoo.page.mouse.down()
    for share in (0.5, 0.3, 0.1):
        zoo.page.mouse.move(x, bottom - share * box["height"])
        zoo.settled()
        digests.add(zoo.studio("digest"))
    zoo.page.mouse.up()
    assert len(digests) == 4
    first = scale_of(zoo).values
    assert first[0] == 0.17 and first[1] < -0.5
    zoo.page.keyboard.press("ArrowUp")  # the point that was dragged has the focus
    zoo.settled()
    assert scale_of(zoo).values[1] == pytest.approx(first[1] + 0.05)  # one step of the slider
    undo(zoo)
    undo(zoo)
    assert zoo.studio("text") == before


def test_points_can_be_set_without_a_mouse_for_a_coefficient(zoo: Desk) -> None:
    """I open a coefficient's curve by keyboard and type the value of the last layer."""
    zoo.page.locator("#ms-weight-1-depth").focus()
    zoo.page.keyboard.press("Enter")
    last = zoo.page.get_by_label("fashion: coefficient, last, value")
    last.fill("0.25")
    last.press("Enter")
    zoo.settled()
    weights = recipe(zoo).weights
    assert weights is not None and weights[1] == Depth((1.0, 0.25))
    assert zoo.page.locator("#ms-weight-1-number").input_value() == "0.625"  # the mean


def test_curves_of_a_pasted_recipe_are_shown(zoo: Desk) -> None:
    """I follow a link to a recipe with curves: they are drawn, open, with their own points."""
    plain = {
        "method": "ties", "base": "zoo:base", "experts": ["zoo:hiragana", "zoo:mnist"],
        "weights": [1, {"depth": [0, 0.5, 1]}], "params": {"density": {"depth": [0.1, 0.4]}},
    }  # fmt: skip
    zoo.page.evaluate(
        "(text) => { location.hash = 'r=' + btoa(text).replaceAll('=', ''); }", json.dumps(plain)
    )
    zoo.page.wait_for_function("window.Mergescope.studio.text.includes('depth')")
    zoo.settled()
    # The card of mnist stands where the last expert of the recipe goes.
    dots = zoo.page.locator("#ms-weight-3-curve circle")
    assert dots.count() == 3
    assert zoo.page.locator("#ms-knob-ties-density-curve circle").count() == 2
    assert zoo.page.locator("#ms-weight-3-depth-2-number").input_value() == "1"
    assert not zoo.page.locator("#ms-weight-0-curve").is_visible()


def test_curves_and_starts_work_on_language_models(llama: Desk) -> None:
    """On my own models I equalise, add LiNeS, and let the scale fall with depth."""
    menu(llama)
    assert start(llama, "norm").weights is not None
    assert start(llama, "lines").after[0].verb == "lines"
    by_depth(llama, SCALE)
    shape(llama, SCALE, "falling")
    values = scale_of(llama).values
    assert values[0] > values[-1] and llama.studio("digest")
