"""Stories of somebody who compares two merges, on images and on a text."""

from typing import Any

from tests.e2e.app_fixture import WAIT, Desk


def table_of(desk: Desk) -> list[list[Any]]:
    """Return the numbers behind the chart, once it is measured."""
    desk.drawn("compare")
    desk.page.wait_for_function(
        """() => document.querySelector('[data-panel=compare] .ms-panel__badge')
            ?.textContent.startsWith('measured')""",
        timeout=WAIT,
    )
    tool = desk.page.locator("[data-panel=compare] [data-tool=table]")
    if tool.get_attribute("aria-expanded") != "true":
        tool.click()
    return desk.page.evaluate(
        """() => [...document.querySelectorAll('[data-panel=compare] .ms-panel__table tbody tr')]
            .map((row) => [...row.children].map((cell) => cell.textContent))"""
    )


def examples(desk: Desk) -> Any:
    """Return the cards, once they belong to what is on screen."""
    desk.page.wait_for_function(
        """() => document.querySelector('.ms-changed .ms-example')
            && !document.querySelector('.ms-changed--stale')""",
        timeout=WAIT,
    )
    return desk.page.locator(".ms-example")


def test_i_pin_drag_and_see_which_images_changed_hands(zoo: Desk) -> None:
    """I set A, lower one expert; differences in words, changes and images follow; I see more."""
    zoo.tab("Compare")
    assert "Nothing is pinned" in zoo.page.locator("#ms-compare-said").inner_text()
    assert not zoo.page.locator("[data-panel=compare]").is_visible()
    zoo.page.locator("#ms-compare-set-A").click()
    zoo.settled()
    assert zoo.page.locator("#ms-compare-said").inner_text() == "The two recipes are the same."
    zoo.weight(0, 0.2)
    words = zoo.page.locator(".ms-compare__table tbody").inner_text()
    assert "mnist: coefficient" in words and "0.2" in words
    rows = table_of(zoo)
    mnist = rows[0]
    assert mnist[6] == "worse" and rows[-2][0] == "mean, normalised"
    zoo.page.locator("#ms-changed-task").select_option(value="mnist")
    zoo.page.locator("#ms-changed-a").click()
    zoo.page.wait_for_function(
        "(n) => document.querySelector('#ms-changed-a')?.textContent.includes(`(${n})`)"
        " && document.querySelector('#ms-changed-a').ariaPressed === 'true'"
        " && document.querySelector('#ms-changed-task').value === 'mnist'",
        arg=mnist[7],
    )
    card = examples(zoo).first
    label = card.locator(".ms-example__label b").inner_text()
    answers = card.locator(".ms-example__answers tr").all_inner_texts()
    assert [a.split()[0] for a in answers] == ["base", "mnist,", "A", "B"]
    assert f"{label} ✓" in answers[2] and "✗" in answers[3]
    assert card.locator("img").evaluate("(img) => img.naturalWidth") == 28
    before = examples(zoo).count()
    if int(mnist[7]) > before:
        zoo.page.locator("#ms-changed-more").press("Enter")
        zoo.page.wait_for_function(
            "(n) => document.querySelectorAll('.ms-example').length > n", arg=before
        )


def test_two_pins_are_swapped_cleared_and_kept_by_the_link(llama: Desk) -> None:
    """I pin A and B on my language models; the page may move, the two stay; I swap and clear."""
    llama.tab("Compare")
    llama.page.locator("#ms-compare-set-A").click()
    llama.settled()
    llama.weight(0, 1.8)
    llama.page.locator("#ms-compare-set-B").click()
    llama.settled()
    rows = table_of(llama)
    passages = examples(llama)
    first = passages.first.locator(".ms-example__answers tr").all_inner_texts()
    assert passages.first.locator(".ms-example__passage").inner_text()
    assert all("bits/byte" in line for line in first)
    llama.weight(1, 0.3)
    assert table_of(llama) == rows
    llama.page.locator("#ms-compare-swap").click()
    llama.settled()
    swapped = table_of(llama)
    assert swapped[0][1:3] == rows[0][2:0:-1] and swapped[0][7:9] == rows[0][8:6:-1]
    lines = llama.studio("pins.map((pin) => pin.text)")
    assert llama.page.evaluate("location.hash").count("&p=") == 2
    llama.page.locator("#ms-compare-go-A").click()
    llama.settled()
    assert llama.studio("text") == lines[0]
    llama.page.locator("#ms-compare-clear-B").click()
    llama.settled()
    assert llama.studio("pins.length") == 1
    assert "live" in llama.page.get_by_role("group", name="Merge B").inner_text()


def test_a_row_of_my_history_becomes_a_or_b(zoo: Desk) -> None:
    """I scored two merges; from their rows I make one A and one B, and compare them."""
    zoo.weight(0, 0.5)
    zoo.tab("Pareto")
    sides = zoo.page.locator(".ms-trials__side")
    sides.nth(2).wait_for(timeout=WAIT)
    assert sides.nth(1).is_disabled()
    sides.nth(0).click()
    zoo.page.wait_for_function("window.Mergescope.studio.pins.length === 1")
    zoo.page.locator(".ms-trials__side:not(:disabled)").nth(3).wait_for(timeout=WAIT)
    zoo.page.locator(".ms-trials__side").nth(3).click()
    zoo.page.wait_for_function("window.Mergescope.studio.pins.length === 2")
    zoo.settled()
    zoo.tab("Compare")
    assert zoo.page.locator(".ms-compare__table").inner_text().count("mnist: coefficient") == 1
