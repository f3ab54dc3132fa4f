"""Stories of somebody who sends a merge to somebody else: links, and links that do not fit."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.app_fixture import App, Desk


def coded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.fixture
def other(browser: Any) -> Iterator[Any]:
    """Somebody else's browser, which may write to its clipboard."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    yield context.new_page()
    context.close()


def test_a_link_restores_everything(zoo: Desk, other: Any) -> None:
    """I pin, change, look at an overlap of 5% and copy the link; she sees exactly that."""
    zoo.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    pinned = zoo.studio("text")
    zoo.page.keyboard.press("p")
    zoo.settled()
    zoo.page.locator(".ms-chip__step").first.select_option(index=0)
    zoo.page.locator(".ms-method summary").click()
    zoo.page.locator("input[name=ms-method][value=ties]").click()
    zoo.weight(2, -0.4)
    zoo.tab("Overlap")
    zoo.page.locator("#ms-topk-number").fill("0.05")
    zoo.page.locator("#ms-topk-number").press("Enter")
    zoo.settled()
    zoo.page.locator("#ms-share").click()
    zoo.page.get_by_text("Copied", exact=True).wait_for()
    link = zoo.page.evaluate("navigator.clipboard.readText()")
    assert link == zoo.page.evaluate("location.href")
    hers = Desk(other, "").open(link)
    assert hers.studio("text") == zoo.studio("text")
    assert hers.studio("pins.map((pin) => pin.text)") == [pinned]
    assert hers.page.locator("#ms-pin").inner_text() == "Unpin"
    selected = hers.page.locator("[role=tab][aria-selected=true]").get_attribute("data-tab-id")
    assert selected == "overlap"
    assert hers.page.locator("#ms-topk-number").input_value() == "0.05"
    assert [x for x in hers.page.locator(".ms-kpi__words").all_inner_texts() if "pin" in x]


def test_a_link_keeps_more_than_one_pin(page: Any, zoo_app: App) -> None:
    """I open a link with two pins; both are kept, also in the link I pass on."""
    texts = [f"method: {m}\nbase: zoo:base\nexperts: [zoo:mnist, zoo:latin]\n"
             for m in ("average", "ties", "linear")]  # fmt: skip
    r, a, b = (coded(text) for text in texts)
    desk = Desk(page, zoo_app.url).open(f"#r={r}&p={a}&p={b}&t=conflict")
    lines = desk.studio("pins.map((pin) => pin.line)")
    assert [line.split(" ")[0] for line in lines] == ["ties", "linear"]
    assert page.evaluate("location.hash").count("&p=") == 2


HOSTILE = {
    "cut": "#r=bWV0aG9kOiB0aX",
    "no base64": "#r=%%%",
    "no text": "#r=_____w",
    "endless": "#r=" + "QUFB" * 60_000,
    "markup": "#r=" + coded("method: <img src=x onerror=alert(1)>\nexperts: ['<b>x']"),
    "aliases": "#r=" + coded("a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nmethod: *c"),
    "deep": "#r=" + coded("[" * 5000),
    "tag": "#r=" + coded("!!python/object/apply:os.system [id]"),
    "path": "#r=" + coded("method: average\nbase: zoo:base\nexperts: ['file:/etc/passwd']"),
    "proto": "#r=" + coded("__proto__: {a: 1}\nmethod: average\nexperts: [zoo:mnist]"),
}


def test_hostile_links_give_a_card_and_lose_nothing(zoo: Desk) -> None:
    """I follow damaged links in an open page; each says what is wrong and my merge stays."""
    zoo.weight(1, 0.4)
    before = zoo.studio("text")
    good = zoo.page.evaluate("location.hash")
    for name, hash in HOSTILE.items():
        zoo.page.evaluate("(hash) => { location.hash = hash; }", hash)
        zoo.page.locator("#ms-notices .ms-error, .ms-notices .ms-error").first.wait_for()
        zoo.page.wait_for_function("(good) => location.hash === good", arg=good)
        card = zoo.page.locator(".ms-notices .ms-error").first.inner_text()
        assert len(card) < 2000, name
        assert zoo.page.locator(".ms-notices img, .ms-notices b").count() == 0, name
        assert zoo.studio("text") == before, name
        zoo.page.locator(".ms-error__close").first.click()
    zoo.weight(1, 0.5)
    assert zoo.page.locator(".ms-error").count() == 0


def test_a_tab_or_pin_that_is_not_there_changes_nothing(page: Any, zoo_app: App) -> None:
    """I open a link with an unknown tab and a broken pin; the page works and names the pin."""
    text = coded("method: average\nbase: zoo:base\nexperts: [zoo:mnist, zoo:latin]\n")
    hash = f"#r={text}&t=%22%3E%3Cimg&p={coded('method: tis')}&k=9&x=%3Cb%3E"
    desk = Desk(page, zoo_app.url).open(hash)
    assert "left out" in desk.page.locator(".ms-error").first.inner_text()
    assert desk.studio("draft.method") == "average" and desk.studio("pins.length") == 0
    selected = desk.page.locator("[role=tab][aria-selected=true]").get_attribute("data-tab-id")
    assert selected == "overview"


def test_a_link_to_experts_that_are_not_here_names_them_and_offers_the_rest(
    page: Any, zoo_app: App
) -> None:
    """I get a link with a friend's own expert; I am told which, and open it without."""
    text = (
        "method: ties\nbase: zoo:base\nexperts: [zoo:mnist, zoo:hers, zoo:latin]\n"
        "weights: [1, 2, 0.5]\n"
    )
    desk = Desk(page, zoo_app.url).open(f"#r={coded(text)}")
    card = desk.page.locator(".ms-error").first
    assert "Missing here: zoo:hers" in card.inner_text() and "fashion" in card.inner_text()
    card.get_by_role("button", name="Open it without hers").click()
    desk.page.wait_for_function("window.Mergescope.studio.text.includes('method: ties')")
    desk.settled()
    assert "hers" not in desk.studio("text")
    assert [row["weight"] for row in desk.studio("draft.experts") if row["on"]] == [1, 0.5]
    assert desk.page.locator(".ms-error").count() == 0


def test_a_link_of_language_models_opens_there_and_says_why_not_elsewhere(
    llama: Desk, other: Any, zoo_app: App
) -> None:
    """I send a link of my own models; on the public page it names what is missing."""
    llama.weight(0, 1.5)
    llama.tab("Conflict")
    link = llama.page.evaluate("location.href")
    again = Desk(other, "").open(link)
    assert again.studio("text") == llama.studio("text")
    away = Desk(other, zoo_app.url).open(link[link.index("#") :])
    words = away.page.locator(".ms-error").first.inner_text()
    assert "file:base" in words and "file:alpha" in words and "mnist" in words
    assert away.kpi(0) not in ("", "–")


def test_a_page_that_may_not_copy_shows_the_link(zoo: Desk) -> None:
    """I open the page over plain http from elsewhere: the link is shown for me to copy."""
    zoo.page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true})"
    )
    zoo.page.locator("#ms-share").click()
    field = zoo.page.locator("dialog[open] textarea")
    assert field.input_value() == zoo.page.evaluate("location.href")
    zoo.page.keyboard.press("Escape")
    assert zoo.page.evaluate("document.activeElement.id") == "ms-share"
