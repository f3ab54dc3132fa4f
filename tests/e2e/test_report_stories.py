"""Stories of somebody who sends a report: one file that needs nothing and runs nothing."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.builders import build_llama_family
from tests.e2e.app_fixture import Desk, running_app
from viz.screens import panels

VOID = {"meta", "link", "br", "img", "hr", "input", "source", "wbr"}
NAME = "a<img src=x onerror=alert(1)>&amp;'"


class Shape(HTMLParser):
    """Reads a page strictly: every tag is closed where it was opened, every id is used once."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(key, value or "") for key, value in attrs]
        self.ids += [value for key, value in attrs if key == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag


def save_report(desk: Desk, folder: Path) -> Path:
    desk.tab("Recipe")
    with desk.page.expect_download(timeout=180_000) as download:
        desk.page.click("#ms-report")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def check_page(text: str, images: bool = False) -> None:
    shape = Shape(text)
    assert shape.open == [] and text.startswith("<!doctype html>")
    assert len(set(shape.ids)) == len(shape.ids)
    assert not {"script", "iframe", "object", "embed", "foreignobject", "form"} & set(shape.tags)
    assert ("img" in shape.tags) is images and shape.tags.count("title") == 1
    for key, value in shape.attributes:
        assert not key.startswith("on"), key
        if key in ("src", "href", "xlink:href", "action"):
            assert value.startswith(("#", "data:image/png;base64,")), value[:80]
        used = re.findall(r"url\(([^)]*)", value)
        assert all(u.strip("'\"").startswith("#") for u in used), used
    for id in {u for _, v in shape.attributes for u in re.findall(r"url\(['\"]?#([^'\")]+)", v)}:
        assert id in shape.ids, id


@pytest.fixture
def offline(browser: Any) -> Iterator[Any]:
    """A reader without a network whose browser would run scripts if there were any."""
    context = browser.new_context(offline=True, viewport={"width": 420, "height": 900})
    yield context.new_page()
    context.close()


def open_offline(page: Any, path: Path) -> None:
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.goto(path.as_uri())
    assert asked == [path.as_uri()] and said == []


def test_a_report_can_be_read_offline_and_holds_every_chart(
    zoo: Desk, tmp_path: Path, offline: Any
) -> None:
    """I pin, drag, download the report; a colleague on a train reads every chart and number."""
    zoo.page.keyboard.press("p")
    zoo.settled()
    zoo.weight(0, 1.7)
    digest = zoo.studio("digest")
    path = save_report(zoo, tmp_path)
    assert path.name == f"mergescope-report-{digest[:12]}.html"
    assert path.stat().st_size < 3_000_000
    text = path.read_text(encoding="utf-8")
    check_page(text, images=True)
    open_offline(offline, path)
    drawn = offline.locator("figure svg[role=img]").count()
    said = offline.locator("main > section").count()
    assert said == len(panels()) and drawn >= said - 2
    assert offline.evaluate(
        "document.querySelector('svg .barlayer path, svg .bars path') !== null"
    )
    assert offline.locator("#recipe").inner_text().strip() == zoo.studio("text").strip()
    words = offline.locator("body").inner_text()
    for part in (digest, "validation", "480", "95% interval", "zoo:base", "measured", "torch"):
        assert part in words, part
    assert "Compared with the pin. A: " in words and "change, 95% interval" in words
    assert "What differs from A to B" in words and "coefficient" in words
    examples = offline.locator(".ms-example")
    assert examples.count() > 0 and examples.first.locator("tr").count() == 4
    assert "did not change hands" in words
    assert offline.evaluate("[...document.images].every((image) => image.naturalWidth === 28)")
    assert offline.evaluate("document.documentElement.scrollWidth") <= 420
    scores = offline.locator("table").first
    assert scores.locator("thead th[scope=col]").count() == 10
    assert scores.locator("tbody th[scope=row]").count() == 6
    assert f"{zoo.kpi(0)}" in words


def test_a_report_can_be_cancelled(zoo: Desk) -> None:
    """I start a report and stop it: nothing is saved, and the page goes on."""
    zoo.tab("Recipe")
    saved: list[Any] = []
    zoo.page.on("download", lambda download: saved.append(download))
    zoo.page.evaluate(
        "document.querySelector('#ms-report').click();"
        "document.querySelector('#ms-report-cancel').click()"
    )
    zoo.page.get_by_text("Cancelled; nothing was saved.").wait_for()
    assert zoo.page.locator("#ms-report").is_enabled() and saved == []
    zoo.weight(0, 0.5)


@pytest.mark.slow
def test_names_of_users_are_text_in_a_report(page: Any, tmp_path: Path, offline: Any) -> None:
    """My models have names that are markup; the report shows them as they are."""
    folder = build_llama_family(tmp_path / "<b>bold</b> & co", experts=(NAME, "beta"))
    with running_app(tmp_path / "workspace", "--models", str(folder)) as app:
        desk = Desk(page, app.url).open()
        assert NAME in desk.studio("line")
        path = save_report(desk, tmp_path)
    check_page(path.read_text(encoding="utf-8"))
    open_offline(offline, path)
    assert NAME in offline.locator("p.line").inner_text()
    assert offline.locator("main b b, main img").count() == 0
