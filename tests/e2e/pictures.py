"""Take the pictures of the README and of docs/: `make pictures`.

The tour is walked for real, so that the pictures show what a visitor would see on this machine:
the training curve is measured, settings are explored. Then every tab is shown in light, in dark
and at phone width. Look at each before it is committed.
"""

import io
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.e2e.app_fixture import ROOT, Desk, running_app
from tests.e2e.browser import launch
from viz.screens import SCREENS
from viz.tour import STOPS

FOLDER = ROOT / "docs" / "pictures"
TABS = [(screen.id, screen.title) for screen in SCREENS]
MODES = {"light": (1280, 900, ""), "dark": (1280, 900, "?__theme=dark"), "phone": (420, 900, "")}
LONGEST_MS = 900_000
MOST_SECONDS = 900  # a busy machine explores fewer settings
QUALITY = 75
SHOWN = 1 + [stop.id for stop in STOPS].index("ties")  # the stop that is shown in all modes
# The recipe stands first in a hash; the tab behind it changes with the tabs.
OPEN = """(link) => {
  if (location.hash.split('&')[0] !== link.split('&')[0]) location.hash = link; }"""
OPENED = """(link) => window.Mergescope.studio.idle
  && location.hash.split('&')[0] === link.split('&')[0]"""
INDEX = """\
# Pictures

Taken by `make pictures` from the app itself; nothing is drawn by hand. The tour, stop by stop:

{tour}

The same in dark and on a phone:

![{shown}, dark](tour-dark.webp) ![{shown}, phone](tour-phone.webp)

Every tab on the merge of “{shown}”, Training on that of its stop, in light, in dark and 420 pixels
wide:

{tabs}
"""


def main() -> None:
    """Start the app on a new workspace, walk the tour, visit the tabs, write the index."""
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_app(Path(folder) / "workspace") as app,
        sync_playwright() as playwright,
    ):
        browser = launch(playwright)
        context = browser.new_context(reduced_motion="reduce")
        page = context.new_page()
        links = walk(page, app.url)
        for mode in MODES:
            visit(page, app.url, mode, links)
        page.goto("about:blank")
        browser.close()
    write_index()


def walk(page: Any, url: str) -> dict[str, str]:
    """Take a picture of every stop of the tour; return the hash of each stop's link by its id."""
    page.set_viewport_size({"width": 1280, "height": 900})
    desk, links = Desk(page, url).open(), {}
    page.locator("#ms-tour-start").click()
    for number, stop in enumerate(STOPS, 1):
        said(page, number)
        if stop.id == "training":
            page.locator("#ms-train").click()
            page.wait_for_function(
                """() => document.querySelector('.ms-steps__job').textContent
                    .includes('is measured') && /chosen anew/.test(
                    document.getElementById('ms-tour-words').textContent)""",
                timeout=LONGEST_MS,
            )
        if stop.id == "explore":
            explore(page)
        desk.settled()
        save(page, f"tour-{number:02}-{stop.id}")
        links[stop.id] = page.evaluate("location.hash")
        if number < len(STOPS):
            page.locator("#ms-tour-next").click()
    page.locator("#ms-tour-home").click()
    desk.settled()
    return links


def explore(page: Any) -> None:
    """Explore until all is drawn, or for as long as a reader would wait."""
    page.locator("#ms-explore").click()
    page.locator(".ms-explore .ms-job").wait_for()
    end = time.monotonic() + MOST_SECONDS
    while page.locator("#ms-explore-cancel").is_visible():
        if time.monotonic() > end:
            page.locator("#ms-explore-cancel").click()
            break
        page.wait_for_timeout(500)
    page.wait_for_selector("#ms-explore:enabled", timeout=LONGEST_MS)


def said(page: Any, number: int) -> None:
    """Wait until a stop says what is measured there."""
    page.wait_for_function(
        """(start) => document.querySelector('.ms-tour__where').textContent.startsWith(start)
          && document.getElementById('ms-tour-words').textContent !== 'Measuring…'""",
        arg=f"Step {number} of {len(STOPS)} ",
        timeout=LONGEST_MS,
    )


def visit(page: Any, url: str, mode: str, links: dict[str, str]) -> None:
    """Take a picture of every tab as one visitor sees it; a curve is shown where one is known."""
    width, height, theme = MODES[mode]
    page.set_viewport_size({"width": width, "height": height})
    page.goto("about:blank")
    usual = links[STOPS[SHOWN - 1].id]
    desk = Desk(page, url).open(theme + usual)
    for id, title in TABS:
        link = links["training"] if id == "training" else usual
        page.evaluate(OPEN, link)
        page.wait_for_function(OPENED, arg=link, timeout=LONGEST_MS)
        desk.tab(title)
        page.evaluate("document.querySelector('.ms-tabs').scrollIntoView()")
        save(page, f"tab-{id}-{mode}")
    if mode != "light":
        page.evaluate(f"location.hash = '#tour={SHOWN}'")
        said(page, SHOWN)
        desk.settled()
        save(page, f"tour-{mode}")
        page.locator("#ms-tour-skip").click()


def save(page: Any, name: str) -> None:
    """Write what is on screen once charts have stopped moving."""
    page.mouse.move(2, 2)
    page.wait_for_timeout(800)
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    shot.save(FOLDER / f"{name}.webp", quality=QUALITY, method=6)
    sys.stdout.write(f"{name}\n")


def write_index() -> None:
    """List the pictures in a page of docs/."""
    tour = [
        f"{number}. {stop.title}\n\n   ![{stop.title}](tour-{number:02}-{stop.id}.webp)"
        for number, stop in enumerate(STOPS, 1)
    ]
    head = "| tab | light | dark | phone |\n| --- | --- | --- | --- |"
    rows = [
        f"| {title} | "
        + " | ".join(f"![{title}, {mode}](tab-{id}-{mode}.webp)" for mode in MODES)
        + " |"
        for id, title in TABS
    ]
    shown = STOPS[SHOWN - 1].title
    text = INDEX.format(tour="\n".join(tour), shown=shown, tabs="\n".join([head, *rows]))
    (FOLDER / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
