"""Stories of somebody who asks what a method does inside."""

from tests.e2e.app_fixture import Desk

CAPTION = "[data-panel={}] .ms-panel__caption"


def _headings(desk: Desk) -> list[str]:
    desk.drawn("toy")
    return desk.page.locator("[data-panel=toy] .annotation-text").all_text_contents()


def _pick(desk: Desk, method: str) -> None:
    desk.page.locator(".ms-method summary").click()
    desk.page.locator(f"input[name=ms-method][value={method}]").click()
    desk.settled()


def test_four_pictures_explain_the_method_that_i_pick(zoo: Desk) -> None:
    """I open Method and see the toy; with TIES it trims and elects, and the steps follow."""
    zoo.tab("Method")
    assert [h.split()[0] for h in _headings(zoo)] == ["1", "2", "3", "4"]
    assert "Task arithmetic" in zoo.page.locator(CAPTION.format("toy")).inner_text()
    _pick(zoo, "ties")
    zoo.page.wait_for_function(
        """() => [...document.querySelectorAll('[data-panel=toy] .annotation-text')]
            .some((node) => node.textContent.includes('elect'))"""
    )
    assert [h.split()[1] for h in _headings(zoo)] == ["change", "trim", "elect", "combine"]
    assert "elect:" in zoo.page.locator(CAPTION.format("steps")).inner_text()


def test_a_click_on_a_layer_shows_its_river_and_another_one_that_of_all(zoo: Desk) -> None:
    """I click a layer; the river is about it, the menu says so, and I can go back."""
    zoo.tab("Method")
    river = zoo.page.locator(CAPTION.format("flow"))
    chart = zoo.page.locator("[data-panel=layer-flow]")
    chart.scroll_into_view_if_needed()
    zoo.drawn("layer-flow")
    assert "Only" not in river.inner_text()
    box = chart.locator(".nsewdrag").first.bounding_box()
    at = (box["x"] + 0.9 * box["width"], box["y"] + 0.9 * box["height"])
    zoo.page.mouse.click(*at)
    zoo.page.wait_for_function("window.Mergescope.studio.view.layer")
    zoo.settled()
    layer = zoo.studio("view.layer")
    assert f"Only layer {layer}." in river.inner_text()
    assert zoo.page.locator("#ms-layer").input_value() == layer
    zoo.page.locator("#ms-layer").select_option("")
    zoo.settled()
    assert "Only" not in river.inner_text()
