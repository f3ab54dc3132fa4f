"""Stories of experts whose order counts: dragged, moved by keys and buttons, kept by links."""

from typing import Any

import pytest

from merger import Recipe
from merger.scoring import score
from tests.e2e.app_fixture import App, Desk


def _pick(desk: Desk, method: str) -> Desk:
    desk.page.locator(".ms-method summary").click()
    desk.page.locator(f"input[name=ms-method][value={method}]").click()
    return desk.settled()


def _order(desk: Desk) -> list[str]:
    return [e.name for e in Recipe.from_yaml(desk.studio("text")).experts]


def _grips(desk: Desk) -> list[str]:
    return desk.page.locator(".ms-chip__grip").all_inner_texts()


def _bars(desk: Desk) -> list[float]:
    return [round(x, 4) for x in desk.drawn("tasks")["merged"]["x"]]


def _drag(desk: Desk, start: int, end: int) -> None:
    """Drag a card by its grip to where another one stands."""
    grips = desk.page.locator(".ms-chip__grip")
    start_box, end_box = grips.nth(start).bounding_box(), grips.nth(end).bounding_box()
    x, y = start_box["x"] + 8, start_box["y"] + 8
    desk.page.mouse.move(x, y)
    desk.page.mouse.down()
    desk.page.mouse.move(x, (y + end_box["y"]) / 2)
    desk.page.mouse.move(x, end_box["y"] + 6)
    desk.page.mouse.up()
    desk.settled()


def test_a_dragged_card_takes_its_settings_along_and_undo_brings_it_back(
    zoo: Desk, browser: Any, zoo_app: App
) -> None:
    """I pick OPCM, drag the fifth expert to the second place: other bars; a link keeps it."""
    assert _grips(zoo) == ["⠿"] * 6
    _pick(zoo, "opcm")
    assert _grips(zoo) == list("123456")
    names, bars = _order(zoo), _bars(zoo)
    zoo.weight(4, 0.5)
    dot = "getComputedStyle(document.querySelectorAll('.ms-chip__dot')[{}]).backgroundColor"
    colour = zoo.page.evaluate(dot.format(4))
    _drag(zoo, 4, 1)
    assert _order(zoo) == [names[0], names[4], *names[1:4], names[5]]
    assert zoo.page.locator("#ms-weight-1-number").input_value() == "0.5"
    assert zoo.page.evaluate(dot.format(1)) == colour
    recipe = Recipe.from_yaml(zoo.studio("text"))
    assert _bars(zoo) == [round(row.value, 4) for row in score(recipe).tasks] != bars
    context = browser.new_context()
    try:
        other = Desk(context.new_page(), "").open(zoo.page.evaluate("location.href"))
        assert _order(other) == _order(zoo) and _bars(other) == _bars(zoo)
        assert other.page.locator(".ms-chip").nth(1).get_attribute("data-name") == names[4]
    finally:
        context.close()
    zoo.page.locator("#ms-undo").click()
    zoo.settled()
    assert _order(zoo) == names


def test_keys_and_buttons_move_a_card_and_the_focus_stays_with_it(zoo: Desk) -> None:
    """I hold Alt and press an arrow on a card, use its grip, then its buttons."""
    _pick(zoo, "ema")
    names = _order(zoo)
    zoo.page.locator(".ms-chip__toggle").first.focus()
    zoo.page.keyboard.press("Alt+ArrowDown")
    assert _order(zoo.settled()) == [names[1], names[0], *names[2:]]
    focused = "document.activeElement.closest('.ms-chip')?.dataset.name"
    assert zoo.page.evaluate(focused) == names[0]
    zoo.page.locator(".ms-chip__grip").nth(1).focus()
    zoo.page.keyboard.press("ArrowDown")
    assert _order(zoo.settled()) == [*names[1:3], names[0], *names[3:]]
    label = zoo.page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert f"{names[0]} is number 3 of 6" in label
    for _ in range(2):
        zoo.page.locator(f'.ms-chip[data-name="{names[0]}"] .ms-chip__up').click()
    assert _order(zoo.settled()) == names
    assert zoo.page.locator(".ms-chip__up").first.is_disabled()


def test_slerp_takes_the_two_cards_on_top(zoo: Desk) -> None:
    """I pick SLERP: two cards have a place, the rest say why not; I drag another one up."""
    names = _order(zoo)
    _pick(zoo, "slerp")
    assert _grips(zoo) == ["1", "2", *["⠿"] * 4]
    assert "first 2 that are on" in zoo.page.locator("#ms-order").inner_text()
    bars = _bars(zoo)
    _drag(zoo, 5, 0)
    assert _order(zoo)[:2] == [names[5], names[0]]
    assert zoo.page.locator(".ms-chip--unused").count() == 4 and _bars(zoo) != bars


def test_where_the_order_does_not_count_it_can_change_quietly(zoo: Desk) -> None:
    """I move a card under task arithmetic: no numbers, the same bars, other rows and colours."""
    names, bars = _order(zoo), _bars(zoo)
    assert not zoo.page.locator("#ms-order").is_visible()
    zoo.page.locator(".ms-chip__grip").nth(0).click()
    zoo.page.locator(".ms-chip--moving .ms-chip__down").click()
    zoo.settled()
    assert _order(zoo) == [names[1], names[0], *names[2:]]
    assert _bars(zoo) == pytest.approx(bars, abs=0.003)
    assert "⠿" in _grips(zoo) and "1" not in _grips(zoo)


def test_a_card_is_dragged_by_touch(browser: Any, zoo_app: App) -> None:
    """On a phone I open the controls and drag a card with a finger."""
    size = {"width": 420, "height": 800}
    context = browser.new_context(viewport=size, has_touch=True, is_mobile=True)
    try:
        desk = Desk(context.new_page(), zoo_app.url).open()
        desk.page.locator("#ms-sheet").tap()
        names = _order(desk)
        first, second = (desk.page.locator(".ms-chip__grip").nth(i) for i in (0, 1))
        box, end = first.bounding_box(), second.bounding_box()
        touch = context.new_cdp_session(desk.page)
        at = {"x": box["x"] + 10, "y": box["y"] + 12}
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
        for y in ((box["y"] + end["y"]) / 2, end["y"] + 20):
            moved = {"type": "touchMove", "touchPoints": [{"x": at["x"], "y": y}]}
            touch.send("Input.dispatchTouchEvent", moved)
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        desk.page.wait_for_function(
            "(name) => document.querySelectorAll('.ms-chip')[1].dataset.name === name",
            arg=names[0],
        )
        assert _order(desk.settled()) == [names[1], names[0], *names[2:]]
    finally:
        context.close()
