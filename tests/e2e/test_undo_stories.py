"""Stories of somebody who changes their mind: one step back, one step on, on every control."""

from typing import Any

from tests.e2e.app_fixture import Desk


def undo(desk: Desk, key: str = "z") -> None:
    desk.page.evaluate("document.activeElement.blur()")
    desk.page.keyboard.press(key)
    desk.settled()


def title(desk: Desk, id: str) -> str:
    return desk.page.locator(id).get_attribute("title") or ""


def pick(desk: Desk, method: str) -> None:
    desk.page.locator(".ms-method summary").click()
    desk.page.locator(f"input[name=ms-method][value={method}]").click()
    desk.settled()


def set_knob(desk: Desk, id: str, value: str) -> None:
    desk.page.locator(f"#{id}").fill(value)
    desk.page.locator(f"#{id}").press("Enter")
    desk.settled()


def switch_off(desk: Desk) -> None:
    desk.page.locator(".ms-chip__toggle").nth(1).click()


def choose_step(desk: Desk) -> None:
    desk.page.locator(".ms-chip__step").first.select_option(index=0)


def add_a_verb(desk: Desk) -> None:
    desk.page.locator("#ms-verb-lines").check()


def go_solo(desk: Desk) -> None:
    desk.page.keyboard.press("2")


def type_a_recipe(desk: Desk) -> None:
    desk.tab("Recipe")
    area = desk.page.locator("#ms-yaml")
    text = area.input_value().replace("scale: 0.17", "scale: 0.4")
    area.fill(f"{text}seed: 7\nrules:\n- match: '*'\n  weights: [1, 1, 1, 1, 1, 2]\n")
    desk.page.wait_for_function("window.Mergescope.studio.text.includes('seed: 7')")


def follow_a_link(desk: Desk) -> None:
    text = "method: ties\nbase: zoo:base\nexperts: [zoo:hiragana, zoo:mnist]\n"
    desk.page.evaluate(
        "(text) => { location.hash = 'r=' + btoa(text).replaceAll('=', ''); }", text
    )
    desk.page.wait_for_function("window.Mergescope.studio.text.includes('method: ties')")


CHANGES = {
    "method": (lambda desk: pick(desk, "ties"), "method Task arithmetic → TIES"),
    "setting": (lambda desk: set_knob(desk, "ms-knob-task_arithmetic-scale-number", "0.4"),
                "scale 0.17 → 0.4"),
    "coefficient": (lambda desk: desk.weight(1, 0.4), "coefficient 1 → 0.4"),
    "expert": (switch_off, " off"),
    "step": (choose_step, "step"),
    "verb": (add_a_verb, "LiNeS on"),
    "solo": (go_solo, "only "),
    "text": (type_a_recipe, "scale 0.17 → 0.4"),
    "link": (follow_a_link, "method Task arithmetic → TIES"),
}  # fmt: skip


def test_every_change_is_one_step_back_and_one_step_on(zoo: Desk) -> None:
    """I change one thing; the button says what it takes back, and z and Shift+z go to and fro."""
    first = zoo.studio("text")
    for change, words in CHANGES.values():
        assert zoo.page.locator("#ms-undo").is_disabled()
        change(zoo)
        zoo.settled()
        changed = zoo.studio("text")
        assert changed != first
        assert words in title(zoo, "#ms-undo")
        undo(zoo)
        assert zoo.studio("text") == first
        assert words in title(zoo, "#ms-redo")
        undo(zoo, "Shift+Z")
        assert zoo.studio("text") == changed
        undo(zoo)


def test_a_drag_is_one_step_however_often_it_rests(zoo: Desk) -> None:
    """I drag a slider, rest, drag on; z takes the whole drag back, z again what was before."""
    first = zoo.studio("text")
    zoo.weight(0, 0.5)
    before = zoo.studio("text")
    track = zoo.page.locator("#ms-weight-1-track")
    track.scroll_into_view_if_needed()
    box = track.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    zoo.page.mouse.move(box["x"] + 0.3 * box["width"], y)
    zoo.page.mouse.down()
    for share in (0.4, 0.5, 0.8):
        zoo.page.mouse.move(box["x"] + share * box["width"], y)
        zoo.settled()
    zoo.page.mouse.up()
    assert zoo.studio("text") != before
    undo(zoo)
    assert zoo.studio("text") == before
    undo(zoo)
    assert zoo.studio("text") == first
    assert zoo.page.locator("#ms-undo").is_disabled()


def test_two_sliders_by_keyboard_are_two_steps(zoo: Desk) -> None:
    """I move one slider with the arrow keys and then another; each has its own step."""
    first = zoo.studio("text")
    for id in ("#ms-weight-0-track", "#ms-weight-1-track"):
        zoo.page.locator(id).focus()
        for _ in range(3):
            zoo.page.keyboard.press("ArrowRight")
        zoo.settled()
    undo(zoo)
    assert "1.03" in zoo.studio("text")
    undo(zoo)
    assert zoo.studio("text") == first


def test_ctrl_z_belongs_to_the_field_that_has_the_focus(zoo: Desk) -> None:
    """I press Ctrl+z outside fields and the merge goes back; in the YAML my typing goes back."""
    first = zoo.studio("text")
    zoo.weight(0, 0.5)
    undo(zoo, "Control+z")
    assert zoo.studio("text") == first
    undo(zoo, "Control+Shift+Z")
    assert zoo.studio("text") != first
    zoo.tab("Recipe")
    changed = zoo.studio("text")
    zoo.page.locator("#ms-yaml").focus()
    zoo.page.keyboard.press("Control+z")
    assert zoo.studio("text") == changed


def test_a_change_that_does_not_work_is_undone_to_the_last_that_did(zoo: Desk) -> None:
    """I type a scale of 1e9, get a card, press z: my merge of before is back and the card gone."""
    zoo.weight(0, 0.5)
    before = zoo.studio("text")
    box = zoo.page.locator("#ms-knob-task_arithmetic-scale-number")
    box.fill("1e9")
    box.press("Enter")
    zoo.page.locator(".ms-error").first.wait_for()
    undo(zoo)
    assert zoo.studio("text") == before
    assert zoo.page.locator(".ms-error").count() == 0


def test_the_way_back_outlives_a_reload(zoo: Desk) -> None:
    """I change two things and reload; both can still be undone, and redone."""
    first = zoo.studio("text")
    zoo.weight(0, 0.5)
    middle = zoo.studio("text")
    pick(zoo, "ties")
    last = zoo.studio("text")
    zoo.page.reload()
    zoo.settled()
    assert zoo.studio("text") == last
    undo(zoo)
    assert zoo.studio("text") == middle
    undo(zoo)
    assert zoo.studio("text") == first
    undo(zoo, "Shift+Z")
    assert zoo.studio("text") == middle


def test_history_is_bounded(zoo: Desk) -> None:
    """I make more changes than are kept; the page stays light and the newest can be undone."""
    kept: Any = zoo.page.evaluate(
        """async () => {
          const steps = await import(new URL('ms/studio/history.js', document.baseURI));
          for (let i = 0; i < 500; i += 1) steps.record({ at: i, text: 'x'.repeat(3000) }, i);
          steps.keep('r');
          let back = 0;
          while (steps.back()) back += 1;
          return [back, sessionStorage.getItem('mergescope-history').length];
        }"""
    )
    assert 50 <= kept[0] <= 99 + 1
    assert kept[1] < 600_000
    zoo.page.evaluate("sessionStorage.clear()")


def test_language_models_go_back_too_also_to_other_models(llama: Desk) -> None:
    """I change a coefficient and then look at other models; z twice brings me back."""
    first = llama.studio("text")
    llama.weight(0, 1.5)
    changed = llama.studio("text")
    llama.page.locator("#ms-family").select_option(label="nameless")
    llama.settled()
    assert "other models" in title(llama, "#ms-undo")
    undo(llama)
    assert llama.studio("text") == changed
    undo(llama)
    assert llama.studio("text") == first
