"""Stories of a newcomer who is shown around, with and without a mouse."""

from typing import Any

import pytest

from tests.e2e.app_fixture import WAIT, App, Desk
from tests.e2e.test_accessibility import faults
from viz.tour import STOPS

TITLES = [stop.title for stop in STOPS]
FOCUS = "document.activeElement.id"
COVERED = """(selector) => { const box = (n) => n.getBoundingClientRect();
  const card = box(document.getElementById('ms-tour'));
  const found = [...document.querySelectorAll(selector)].filter((n) => n.getClientRects().length);
  return found.map(box).map((b) => Math.max(0, Math.min(b.bottom, card.bottom, innerHeight)
    - Math.max(b.top, card.top, 0)) * (b.left < card.right && b.right > card.left)); }"""


def words(desk: Desk, number: int) -> str:
    """Wait until a stop says what is measured there, and return it."""
    desk.page.wait_for_function(
        """(start) => document.querySelector('.ms-tour__where')?.textContent.startsWith(start)
          && document.getElementById('ms-tour-words').textContent !== 'Measuring…'""",
        arg=f"Step {number} of {len(STOPS)} ",
        timeout=WAIT,
    )
    assert desk.page.locator("#ms-tour-title").inner_text() == TITLES[number - 1]
    return desk.page.locator("#ms-tour-words").inner_text()


def covered(desk: Desk, number: int) -> list[float]:
    """Return how many pixels of each part of what a stop speaks of lie under its card."""
    return desk.page.evaluate(COVERED, STOPS[number - 1].at)


def tab_to(desk: Desk, id: str, most: int = 60) -> None:
    """Press Tab until a control has the focus."""
    for _ in range(most):
        if desk.page.evaluate(FOCUS) == id:
            return
        desk.page.keyboard.press("Tab")
    raise AssertionError(f"{id} cannot be reached from {desk.page.evaluate(FOCUS)}")


def press(desk: Desk, id: str) -> None:
    tab_to(desk, id)
    desk.page.keyboard.press("Enter")


def test_the_whole_tour_without_a_mouse(zoo: Desk) -> None:
    """I Tab to the offer, go from stop to stop, work what is outlined, and get my merge back."""
    page, keys = zoo.page, zoo.page.keyboard
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    mine = zoo.studio("text")
    page.evaluate("document.body.tabIndex = -1; document.body.focus()")
    press(zoo, "ms-tour-start")
    assert "Each expert alone reaches" in words(zoo, 1)
    assert page.evaluate(FOCUS) == "ms-tour"  # the card has the focus when it opens
    assert zoo.studio("draft.method") == "average"
    assert faults(page) == []
    press(zoo, "ms-tour-next")
    assert "chance" in words(zoo, 2) and zoo.studio("tab") == "conflict"
    press(zoo, "ms-tour-next")
    assert "the experts are best at step 512" in words(zoo, 3)
    assert covered(zoo, 3) == [0, 0]  # the card stands beside what is too high to end above it
    tab_to(zoo, "ms-train")  # the way to it begins behind the last button of the card
    keys.press("t")
    assert page.evaluate(FOCUS) == "ms-tour"
    press(zoo, "ms-tour-next")
    assert "With all experts at step 64" in words(zoo, 4)
    tab_to(zoo, "ms-tour-skip")
    keys.press("Tab")
    assert page.evaluate(FOCUS) == "ms-step-all"
    keys.press("ArrowLeft")  # the slider still moves
    zoo.settled()
    assert {row["step"] for row in zoo.studio("draft.experts")} == {32}
    keys.press("Shift+Tab")
    assert page.evaluate(FOCUS) == "ms-tour-skip"
    keys.press("t")
    for number, said in ((5, "TIES (× 0.5) reaches"), (6, "With LiNeS the plain sum")):
        press(zoo, "ms-tour-next")
        assert said in words(zoo, number) and "paired 95%: " in words(zoo, number)
    press(zoo, "ms-tour-next")
    words(zoo, 7)
    press(zoo, "ms-explore")
    page.wait_for_function(
        "document.querySelector('.ms-explore progress')?.value >= 2", timeout=2 * WAIT
    )
    press(zoo, "ms-explore-cancel")
    page.wait_for_selector("#ms-explore:enabled", timeout=WAIT)
    keys.press("t")
    press(zoo, "ms-tour-next")
    assert "on the front" in words(zoo, 8) or "no knee yet" in words(zoo, 8)
    press(zoo, "ms-tour-next")
    assert "1.9 MB" in words(zoo, 9)
    tab_to(zoo, "ms-merge")
    assert not page.locator("#ms-merge-job").is_visible()  # nothing starts by itself
    keys.press("t")
    press(zoo, "ms-tour-next")
    words(zoo, 10)
    press(zoo, "ms-share")
    page.get_by_text("Copied", exact=True).wait_for()
    assert page.evaluate("navigator.clipboard.readText()").endswith(page.evaluate("location.hash"))
    keys.press("t")
    press(zoo, "ms-tour-home")
    page.wait_for_function("(t) => window.Mergescope.studio.text === t", arg=mine, timeout=WAIT)
    assert page.locator("#ms-tour, .ms-spot, #ms-tour-start").count() == 0
    assert zoo.settled().studio("pins") == []


def test_a_tour_that_is_left_goes_on_later_and_my_merge_is_kept(page: Any, zoo_app: App) -> None:
    """I leave with Esc, reload, go on, reload in the middle, and take my own merge back."""
    desk = Desk(page, zoo_app.url).open("?__theme=dark").weight(0, 1.7)
    page.keyboard.press("Escape")  # does nothing while there is no tour
    page.locator("#ms-pin").click()
    mine = desk.settled().studio("text")
    page.locator("#ms-tour-start").click()
    words(desk, 1)
    assert faults(page) == []
    page.locator("#ms-tour-next").click()
    words(desk, 2)
    page.keyboard.press("Escape")
    assert page.locator("#ms-tour, .ms-spot").count() == 0
    assert page.evaluate(FOCUS) == "ms-tour-start"
    page.reload()
    desk.settled()
    page.get_by_role("button", name="Resume the tour (2 of 10)").click()
    before = words(desk, 2)
    page.reload()
    desk.settled()
    assert words(desk, 2) == before and desk.studio("draft.method") == "average"
    page.locator("#ms-help").click()
    page.get_by_role("button", name="Go on with the tour (2 of 10)").click()
    assert page.evaluate(FOCUS) == "ms-tour"
    page.locator("#ms-tour-skip").click()
    page.locator("#ms-tour-mine").click()
    page.wait_for_function("(t) => window.Mergescope.studio.text === t", arg=mine, timeout=WAIT)
    assert [pin["text"] for pin in desk.settled().studio("pins")] == [mine]
    page.reload()
    desk.settled()
    assert page.locator("#ms-tour-start").count() == 0
    page.locator("#ms-help").click()
    page.get_by_role("button", name="Take the tour (5 min)").wait_for()


@pytest.mark.parametrize("number", [1, 4, 9, 10])
def test_a_link_opens_a_stop_and_on_a_phone_its_card_covers_nothing_it_speaks_of(
    page: Any, zoo_app: App, number: int
) -> None:
    """I open #tour=N at 420 px: what is outlined, or its chart, lies beside the card."""
    page.set_viewport_size({"width": 420, "height": 900})
    page.emulate_media(reduced_motion="reduce")
    desk = Desk(page, zoo_app.url).open(f"#tour={number}")
    words(desk, number)
    parts = STOPS[number - 1].at.split(", ")
    seen = f"{parts[0]} .ms-panel__chart" if "panel" in parts[0] else parts[0]
    page.wait_for_function(f"({COVERED})({seen!r}).every((part) => part === 0)", timeout=WAIT)
    assert page.locator(".ms-spot").count() == len(parts)
    assert page.evaluate("document.documentElement.scrollWidth") <= 420


def test_models_of_ones_own_are_not_interrupted(llama: Desk) -> None:
    """I came with my own models: the tour waits in the help, uses others, and gives mine back."""
    mine = llama.studio("text")
    assert llama.page.locator("#ms-tour-start").count() == 0
    llama.page.locator("#ms-help").click()
    llama.page.get_by_text("on the bundled experts. Your own merge is kept").wait_for()
    llama.page.get_by_role("button", name="Take the tour (5 min)").click()
    assert "Each expert alone reaches" in words(llama, 1)
    llama.page.keyboard.press("Escape")
    llama.page.locator("#ms-tour-mine").click()
    llama.page.wait_for_function(
        "(text) => window.Mergescope.studio.text === text", arg=mine, timeout=WAIT
    )
    llama.settled()
