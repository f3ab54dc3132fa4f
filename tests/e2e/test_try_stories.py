"""Stories of somebody who tries one image or one text on every model, live with the sliders."""

import io
from typing import Any

from PIL import Image, ImageDraw

from tests.e2e.app_fixture import WAIT, Desk

THREE = [(0.3, 0.25), (0.55, 0.18), (0.68, 0.3), (0.6, 0.42), (0.45, 0.48), (0.62, 0.55),
         (0.68, 0.7), (0.5, 0.82), (0.3, 0.75)]  # fmt: skip


def answered(desk: Desk) -> Desk:
    """Wait until the cards answer what is tried now, under the settings on screen."""
    desk.settled().page.wait_for_function(
        """() => { const s = window.Mergescope.studio;
            return s.replies && s.answered === s.turn
                && !document.querySelector('.ms-try--stale'); }""",
        timeout=WAIT,
    )
    return desk


def cards(desk: Desk) -> dict[str, str]:
    """Return the text of each model's card."""
    return answered(desk).page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('.ms-answer')]
            .map((card) => [card.dataset.model, card.innerText]))"""
    )


def tops(desk: Desk) -> dict[str, str]:
    """Return what each model answers: the large words of its card."""
    return answered(desk).page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('.ms-answer')].map((card) =>
            [card.dataset.model, card.querySelector('.ms-answer__big')?.innerText]))"""
    )


def draw(desk: Desk, points: list[tuple[float, float]]) -> None:
    """Draw one stroke with the mouse."""
    page = desk.page.locator("#ms-try-page")
    page.scroll_into_view_if_needed()
    box = page.bounding_box()
    assert box is not None
    for i, (x, y) in enumerate(points):
        desk.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=3)
        if i == 0:
            desk.page.mouse.down()
    desk.page.mouse.up()


def picture_of(page: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    page.save(file, kind)
    return file.getvalue()


def upload(desk: Desk, name: str, kind: str, data: bytes) -> None:
    desk.page.locator("#ms-try-file").set_input_files(
        {"name": name, "mimeType": kind, "buffer": data}
    )


def said(desk: Desk) -> str:
    return desk.page.locator("#ms-try-words").inner_text()


def test_i_draw_a_digit_and_the_merge_answers_along_with_the_slider(zoo: Desk) -> None:
    """I draw a three; all models answer; I drag an expert away, the merge changes its mind; I
    undo the stroke; the link holds nothing of it."""
    zoo.tab("Try it")
    first = cards(zoo)
    assert list(first)[:3] == ["merged", "base", "mnist"] and len(first) == 8
    assert "own expert" in first["mnist"] and "The label is" in said(zoo)
    draw(zoo, THREE)
    drawn = tops(zoo)
    assert "models say “3”" in said(zoo) and drawn["mnist"].startswith("3 ")
    assert "centred by mass" in zoo.page.locator("#ms-try-how").inner_text()
    assert zoo.page.locator("#ms-try-seen").evaluate("(img) => img.naturalWidth") == 28
    link = zoo.page.evaluate("location.href")
    assert len(link) < 2000
    zoo.page.keyboard.press("p")
    zoo.weight(0, -2.0)
    moved = tops(zoo)
    assert moved["merged"] != drawn["merged"] == moved["A"]  # the pin stays
    assert [moved[name] for name in list(drawn)[1:]] == list(drawn.values())[1:]
    assert zoo.drawn("answers")["answers"]["y"] == list(range(9))
    zoo.page.locator("#ms-try-task").select_option("greek")
    assert "blurred" in answered(zoo).page.locator("#ms-try-how").inner_text()
    assert tops(zoo)["merged"][0] in "αβγζθλνπτυχψ"
    zoo.page.locator("#ms-try-undo").click()
    assert "The label is" in answered(zoo).page.locator("#ms-try-words").inner_text()
    zoo.page.reload()
    zoo.settled()
    assert zoo.studio("tried") is None


def test_without_a_mouse_i_take_examples_and_upload_pictures(zoo: Desk) -> None:
    """By keyboard I take other examples of another task; I upload a PNG; a broken one is told."""
    zoo.tab("Try it")
    cards(zoo)
    page = zoo.page
    page.locator("#ms-try-task").focus()
    page.keyboard.press("ArrowDown")
    answered(zoo)
    assert zoo.studio("replies.asked.task") == "fashion"
    seen = page.locator("#ms-try-seen").get_attribute("src")
    page.locator("#ms-try-another").focus()
    page.keyboard.press("Enter")
    answered(zoo)
    assert page.locator("#ms-try-seen").get_attribute("src") != seen
    assert "Image 2 of 480 of validation" in page.locator("#ms-try-how").inner_text()
    assert page.evaluate("document.activeElement.id") == "ms-try-another"
    page.locator("#ms-try-task").select_option("mnist")
    paper = Image.new("L", (300, 400), 235)
    ImageDraw.Draw(paper).line([(150, 60), (150, 340)], fill=20, width=34)
    upload(zoo, "one.png", "image/png", picture_of(paper))
    page.wait_for_function("window.Mergescope.studio.tried?.picture")
    assert tops(zoo)["mnist"].startswith("1 ")
    page.locator("#ms-try-like").uncheck()
    assert "nothing else" in answered(zoo).page.locator("#ms-try-how").inner_text()
    page.locator("#ms-try-invert").check()
    answered(zoo)
    assert "exchanged" in page.locator("#ms-try-how").inner_text()
    before = cards(zoo)
    fault: Any = page.locator("#ms-try-fault [role=alert]")
    broken = picture_of(paper)[:60]
    for name, kind, data, why in (
        ("broken.png", "image/png", broken, "damaged"),
        ("<img src=x onerror=alert(1)>.svg", "image/svg+xml", b"<svg/>", "PNG or JPEG"),
    ):
        upload(zoo, name, kind, data)
        fault.filter(has_text=why).wait_for(timeout=WAIT)
    assert cards(zoo) == before


def test_i_type_a_text_and_see_what_surprises_every_model(llama: Desk) -> None:
    """I type, with markup in it: it stays text; bits and next words move with the slider; I let
    all of them go on."""
    llama.tab("Try it")
    cards(llama)
    page = llama.page
    page.locator("#ms-try-text").fill("<img src=x onerror=alert(1)> 012")
    page.wait_for_function("window.Mergescope.studio.tried?.text?.endsWith('012')")
    typed = tops(llama)
    assert list(typed) == ["merged", "base", "alpha", "beta", "gamma"]
    assert "bits per byte" in typed["alpha"] and "least surprising" in said(llama)
    strip = page.locator("[data-model=merged] .ms-answer__strip")
    assert strip.inner_text().replace("\n", "").startswith("<img␣src=x")
    assert page.locator(".ms-try img[src=x]").count() == 0
    page.locator("#ms-try-count").select_option("8")
    page.locator("#ms-try-go").press("Enter")
    page.wait_for_function("document.querySelectorAll('.ms-answer__onward').length === 5")
    llama.weight(0, 3.0)
    moved = tops(llama)
    assert moved["merged"] != typed["merged"] and moved["alpha"] == typed["alpha"]
    assert page.locator(".ms-answer__onward").count() == 5
    page.locator("#ms-try-text").fill("")
    page.locator("#ms-try-error [role=alert]").wait_for(timeout=WAIT)
    assert "no text" in page.locator("#ms-try-error").inner_text()
    page.locator("#ms-try-another").press("Enter")
    assert cards(llama) and page.locator("#ms-try-text").input_value()
