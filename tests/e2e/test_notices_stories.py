"""Stories of settings that are valid but surely not meant, and of what a method's models take."""

import pytest

from merger.spec import METHODS
from merger.storage import WORDS
from tests.e2e.app_fixture import Desk


def _pick(desk: Desk, method: str) -> Desk:
    desk.page.locator(".ms-method summary").click()
    desk.page.locator(f"input[name=ms-method][value={method}]").click()
    return desk.settled()


def test_a_setting_that_does_nothing_is_named_under_the_method(zoo: Desk) -> None:
    """I set the density of TIES to 1 and read that nothing is trimmed; at 0.5 it is gone."""
    _pick(zoo, "ties")
    said = zoo.page.locator(".ms-method__notices")
    assert not said.is_visible()
    box = zoo.page.locator("#ms-knob-ties-density-number")
    for value, words in (("1", "nothing is trimmed"), ("0.5", "")):
        box.fill(value)
        box.press("Enter")
        zoo.settled()
        assert words in said.inner_text() and said.is_visible() is bool(words)


@pytest.mark.parametrize("method", ["tall_masks", "rmm"])
def test_a_tile_says_what_one_model_per_expert_takes_and_how(zoo: Desk, method: str) -> None:
    """I pick a method with one model per expert; the tile has bytes and their formula in words."""
    _pick(zoo, method)
    tile = zoo.page.locator(".ms-kpi").nth(3).inner_text()
    assert zoo.kpi(3).endswith("MB") and "Stored, 6 models" in tile
    assert "instead of 22.6 MB" in tile and WORDS[method] in tile
    assert METHODS[method].output == "per_task" and len(zoo.drawn("tasks")["merged"]["x"]) == 6
