"""The browser half of a chart, on a static page: draws what it should, when it should."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import figures

CHART = "#{} .ms-panel__chart"
MOVED = [0.31, 0.42, 0.53, 0.64, 0.75, 0.86]


@pytest.fixture
def open_page(page: Any, static_url: str) -> Callable[[str], Any]:
    """Opens one of the static pages and notes the events the runtime sends."""

    def open_at(path: str = "/") -> Any:
        page.goto(static_url + path)
        page.wait_for_function("window.Mergescope !== undefined")
        page.evaluate(
            "window.events = []; for (const name of ['ms:click', 'ms:need', 'ms:state'])"
            "  document.addEventListener(name, (e) => events.push([name, e.detail]))"
        )
        return page

    return open_at


def send(page: Any, seq: int, **parts: Any) -> None:
    page.evaluate("(value) => send(value)", {"seq": seq, **parts})


def draw(page: Any, seq: int, panel: str, **entry: Any) -> None:
    """Send one panel's part and wait until it is on screen."""
    send(page, seq, panels={panel: entry})
    page.wait_for_function(f"document.querySelector('{CHART.format(panel)}').__seq === {seq}")


def marks(page: Any, panel: str) -> list[str]:
    """Outlines and labels of all drawn marks."""
    return page.evaluate(
        "(id) => ['path', 'text', 'image'].flatMap((tag) => "
        "[...document.querySelectorAll(`#${id} .cartesianlayer ${tag}`)]).map((node) => "
        "[node.textContent, node.style.fill, ...['d', 'transform', 'href'].map("
        "(name) => node.getAttribute(name))].join('|'))",
        panel,
    )


def look_alike(first: list[str], second: list[str]) -> bool:
    """Whether two lists of marks differ by less than the pixel that a margin may settle by."""
    number = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
    pairs = list(zip(first, second, strict=False))
    return len(first) == len(second) and all(
        number.sub("", a) == number.sub("", b)
        and all(
            abs(float(x) - float(y)) < 1.5
            for x, y in zip(number.findall(a), number.findall(b), strict=False)
        )
        for a, b in pairs
    )


def test_a_figure_is_drawn_with_its_words(open_page: Any) -> None:
    page = open_page()
    draw(page, 1, "bars", base=figures.bars())
    assert page.locator("#bars .bars .point").count() == 6
    chart = page.locator(CHART.format("bars"))
    assert chart.get_attribute("role") == "img"
    assert chart.get_attribute("aria-label") == (
        "Accuracy per task. digits 91.0%, letters 84.0%, kana 62.0%."
    )
    assert page.inner_text("#bars .ms-panel__badge") == "preview · n 480 · validation"
    assert "ms-panel--estimated" in page.get_attribute("#bars .ms-panel", "class")


@pytest.mark.parametrize(
    ("name", "base", "traces"),
    [
        ("bars", figures.bars(), figures.bars_patch(MOVED)["traces"]),
        ("bars", figures.bars(), {"expert": {"x": MOVED}}),
        ("bars", figures.bars(), {"expert": {"x": MOVED}, "merged": {"x": MOVED[::-1]}}),
        ("bars", figures.bars(), {"merged": {"marker": {"color": "@muted"}}}),
        ("lines", figures.lines(), {"kana": {"y": [2.0] * 12}}),
        ("cosine", figures.cosine(), {"cosine": {"z": figures.cosine_values(1.0)}}),
    ],
)
def test_a_patched_chart_looks_exactly_like_one_drawn_anew(
    open_page: Any, name: str, base: dict[str, Any], traces: dict[str, Any]
) -> None:
    page = open_page()
    draw(page, 1, name, base=base)
    before = marks(page, name)
    draw(page, 2, name, patch={"traces": traces})
    patched = marks(page, name)
    page.evaluate("Mergescope.panels.redraw()")
    page.wait_for_function(f"document.querySelector('{CHART.format(name)}').__draws === 3")
    assert look_alike(patched, marks(page, name))
    assert not look_alike(patched, before)
    assert len(patched) == len(before)


def test_bars_that_slid_are_told_to_plotly_when_the_drag_rests(open_page: Any) -> None:
    page = open_page()
    draw(page, 1, "bars", base=figures.bars())
    for seq in range(2, 6):
        draw(page, seq, "bars", patch=figures.bars_patch([0.1 * seq] * 6))
    chart = f"document.querySelector('{CHART.format('bars')}')"
    assert page.evaluate(f"{chart}.data[0].x") == pytest.approx([0.5] * 6)
    slid = marks(page, "bars")
    page.wait_for_function(f"{chart}.calcdata[0][0].s === 0.5")
    assert look_alike(marks(page, "bars"), slid)


def test_a_patch_brings_its_words_along(open_page: Any) -> None:
    page = open_page()
    draw(page, 1, "bars", base=figures.bars())
    draw(page, 2, "bars", patch=figures.bars_patch(MOVED))
    label = page.get_attribute(CHART.format("bars"), "aria-label")
    assert label == "Accuracy per task. digits 31.0%."


def test_values_that_are_on_screen_already_are_not_drawn_again(open_page: Any) -> None:
    page = open_page()
    draw(page, 1, "cosine", base=figures.cosine())
    same = {"traces": {"cosine": {"z": figures.cosine_values(), "zmin": -1}}}
    page.evaluate(
        "window.restyled = 0; document.querySelector('#cosine .ms-panel__chart')"
        ".on('plotly_restyle', () => { restyled += 1; })"
    )
    draw(page, 2, "cosine", patch=same)
    assert page.evaluate("restyled") == 0
    draw(page, 3, "cosine", patch={"traces": {"cosine": {"z": figures.cosine_values(0.5)}}})
    draw(page, 4, "cosine", patch=same)
    assert page.evaluate("restyled") == 2


def test_a_caption_that_gets_shorter_moves_nothing(open_page: Any) -> None:
    page = open_page()
    long, short = {"meta": {"caption": "many words " * 40}}, {"meta": {"caption": "few words"}}
    draw(page, 1, "bars", base=figures.bars())
    draw(page, 2, "bars", patch=long)
    place = page.locator(CHART.format("bars")).bounding_box()
    draw(page, 3, "bars", patch=short)
    assert page.locator(CHART.format("bars")).bounding_box() == place
    assert page.inner_text("#bars .ms-panel__caption") == "few words"


def test_printing_draws_what_was_never_near_the_screen(open_page: Any) -> None:
    page = open_page("/long")
    draw(page, 1, "bars", base=figures.bars())
    send(page, 2, panels={"far": {"base": figures.bars()}})
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function(f"document.querySelector('{CHART.format('far')}').__seq === 2")


def test_a_payload_that_arrives_late_is_dropped(open_page: Any) -> None:
    page = open_page()
    draw(page, 5, "bars", base=figures.bars())
    draw(page, 7, "bars", patch=figures.bars_patch(MOVED))
    shown = marks(page, "bars")
    send(page, 6, panels={"bars": {"patch": figures.bars_patch([0.1] * 6)}})
    draw(page, 8, "bars", patch={"traces": {}})
    assert marks(page, "bars") == shown


def test_a_patch_that_overtakes_its_base_waits_and_asks(open_page: Any) -> None:
    page = open_page()
    send(page, 4, panels={"bars": {"rev": "b", "patch": figures.bars_patch(MOVED)}})
    page.wait_for_function("events.length === 1")
    assert page.evaluate("events[0]") == ["ms:need", {"panels": ["bars"]}]
    send(page, 3, panels={"bars": {"rev": "b", "base": figures.bars()}})
    page.wait_for_function(f"document.querySelector('{CHART.format('bars')}').__seq === 4")
    late = marks(page, "bars")
    draw(page, 5, "bars", base=figures.bars(), rev="c")
    draw(page, 6, "bars", patch=figures.bars_patch(MOVED), rev="c")
    assert look_alike(marks(page, "bars"), late)


def test_a_patch_for_another_base_changes_nothing(open_page: Any) -> None:
    page = open_page()
    draw(page, 1, "bars", base=figures.bars(), rev="a")
    shown = marks(page, "bars")
    draw(page, 2, "bars", patch=figures.bars_patch(MOVED), rev="b")
    assert marks(page, "bars") == shown
    page.wait_for_function("events.length === 1")


def test_a_hidden_panel_is_drawn_when_it_is_shown(open_page: Any) -> None:
    page = open_page()
    draw(page, 1, "bars", base=figures.bars())
    send(page, 2, panels={"hidden": {"base": figures.bars()}})
    draw(page, 3, "bars", patch=figures.bars_patch(MOVED))
    hidden = CHART.format("hidden")
    assert page.evaluate(f"document.querySelector('{hidden}').__draws") is None
    page.evaluate("document.getElementById('tab').style.display = 'block'")
    page.wait_for_function(f"document.querySelector('{hidden}').__seq === 2")
    widths = page.evaluate(
        "['.main-svg', '.ms-panel__chart'].map((c) => "
        "document.querySelector(`#hidden ${c}`).getBoundingClientRect().width)"
    )
    assert widths[0] == pytest.approx(widths[1], abs=1)


def test_a_panel_below_the_screen_is_drawn_when_it_comes_near(open_page: Any) -> None:
    page = open_page("/long")
    draw(page, 1, "bars", base=figures.bars())
    send(page, 2, panels={"far": {"base": figures.bars()}})
    draw(page, 3, "bars", patch=figures.bars_patch(MOVED))
    assert page.evaluate(f"document.querySelector('{CHART.format('far')}').__draws") is None
    page.evaluate("document.getElementById('far').scrollIntoView()")
    page.wait_for_function(f"document.querySelector('{CHART.format('far')}').__seq === 2")


def test_charts_follow_the_theme_and_the_width(open_page: Any) -> None:
    page = open_page()
    draw(page, 1, "bars", base=figures.bars())
    draws = f"document.querySelector('{CHART.format('bars')}').__draws"
    tick = "getComputedStyle(document.querySelector('#bars .ytick text')).fill"
    assert page.evaluate(tick) == "rgb(74, 86, 103)"
    page.evaluate("document.body.classList.add('dark')")
    page.wait_for_function(f"{draws} === 2")
    assert page.evaluate(tick) == "rgb(165, 177, 194)"
    page.set_viewport_size({"width": 700, "height": 900})
    page.wait_for_function(
        "Math.abs(document.querySelector('#bars .main-svg').clientWidth - "
        "document.querySelector('#bars .ms-panel__chart').clientWidth) < 2"
    )


def test_a_cloud_of_many_dots_is_a_handful_of_nodes_that_zoom_hover_and_are_saved(
    open_page: Any,
) -> None:
    page = open_page()
    draw(page, 1, "bars", base=figures.cloud(1000))
    chart = CHART.format("bars")
    assert page.locator("#bars .ms-dots path").count() == 8
    assert page.locator("#bars .scatterlayer .point:visible").count() == 0
    drawn = (
        "[...document.querySelectorAll('#bars .ms-dots path')]"
        ".flatMap((p) => [...p.getAttribute('d').matchAll(/M/g)]).length"
    )
    assert page.evaluate(drawn) == 1000
    # Half of a grid lies left of the middle, and its dots on the edge show halves of themselves.
    page.evaluate(
        f"Plotly.relayout(document.querySelector('{chart}'), {{'xaxis.range': [-0.5, 19.5]}})"
    )
    page.wait_for_function(f"{drawn} === 500")
    point = "[{curveNumber: 0, pointNumber: 7}]"
    page.evaluate(f"Plotly.Fx.hover(document.querySelector('{chart}'), {point})")
    assert page.locator("#bars .hoverlayer .hovertext").text_content() == "dot 7"
    with page.expect_download() as waiting:
        page.click("#bars [data-tool=svg]")
    saved = Path(waiting.value.path()).read_text("utf-8")
    assert saved.count("<path") > 1000
    draw(page, 2, "bars", base=figures.cloud(30))
    assert page.locator("#bars .ms-dots").count() == 0
    assert page.locator("#bars .scatterlayer .point:visible").count() == 30


def test_a_click_tells_which_point_in_the_words_the_server_used(open_page: Any) -> None:
    page = open_page()
    draw(page, 1, "bars", base=figures.bars(["a<b>", "R&D", *figures.TASKS[2:]]))
    page.evaluate(
        f"document.querySelector('{CHART.format('bars')}').emit('plotly_click', "
        "{points: [{curveNumber: 0, pointIndex: 1}]})"
    )
    assert page.evaluate("events") == [["ms:click", {"panel": "bars", "customdata": "R&D"}]]


def test_a_real_click_on_a_cell_reaches_the_page(open_page: Any) -> None:
    page = open_page()
    draw(page, 1, "layers", base=figures.layers())
    box = page.locator("#layers .nsewdrag").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 8)
    page.mouse.click(box["x"] + 22, box["y"] + 10)
    page.wait_for_function("events.length === 1")
    detail = {"panel": "layers", "customdata": "layer 0.query"}
    assert page.evaluate("events[0]") == ["ms:click", detail]


def test_two_hundred_patches_leave_no_nodes_behind(open_page: Any) -> None:
    page = open_page()
    draw(page, 1, "bars", base=figures.bars())
    draw(page, 2, "cosine", base=figures.cosine())
    cdp = page.context.new_cdp_session(page)

    def counts_after(first: int) -> dict[str, int]:
        bars = [{"patch": figures.bars_patch([0.3 + 0.005 * i] * 6)} for i in range(50)]
        values = [figures.cosine_values(i / 10) for i in range(50)]
        cosine = [{"patch": {"traces": {"cosine": {"z": z}}}} for z in values]
        page.evaluate(
            """async ([seq, bars, cosine]) => {
              const drawn = (id) => document.querySelector(`#${id} .ms-panel__chart`).__seq;
              for (const [i] of bars.entries()) for (const id of ["bars", "cosine"]) {
                send({seq: ++seq, panels: {[id]: {bars, cosine}[id][i]}});
                while (drawn(id) !== seq) await new Promise(requestAnimationFrame);
              } }""",
            [first, bars, cosine],
        )
        cdp.send("HeapProfiler.collectGarbage")
        found = cdp.send("Memory.getDOMCounters")
        return {key: found[key] for key in ("nodes", "jsEventListeners")}

    first = counts_after(3)
    assert counts_after(200) == first


def test_names_from_users_are_shown_as_text(open_page: Any) -> None:
    page = open_page()
    nasty = ["<script>alert(1)</script>", "${window.hacked=1}", "<img src=x onerror=hacked=1>"]
    names = [*nasty, "{{value}}", "<b>bold</b>", "R&amp;D"]
    draw(page, 1, "bars", base=figures.bars(names))
    shown = page.evaluate(
        "[...document.querySelectorAll('#bars .ytick text')].map((n) => n.textContent)"
    )
    assert sorted(shown) == sorted(names)
    page.click("#bars [data-tool=table]")
    rows = "[...document.querySelectorAll('#bars tbody th')].map((n) => n.textContent)"
    assert page.evaluate(rows) == names
    send(page, 2, notices=[{"kind": "error", "what": nasty[2], "why": nasty[1], "todo": nasty[0]}])
    page.wait_for_selector("#notices .ms-error")
    assert page.inner_text("#notices .ms-error__what") == nasty[2]
    assert page.inner_text("#notices .ms-error__why") == nasty[1]
    assert page.evaluate("window.hacked") is None
    assert page.locator("#bars img, #notices img").count() == 0


def test_an_error_takes_the_place_of_the_chart_until_it_is_solved(open_page: Any) -> None:
    page = open_page()
    draw(page, 1, "bars", base=figures.bars())
    error = {"what": "No task.", "why": "None is chosen.", "todo": "Pick one."}
    draw(page, 2, "bars", error=error)
    words = page.locator("#bars .ms-error p").all_inner_texts()
    assert words == ["No task.", "None is chosen.", "Pick one."]
    assert not page.is_visible(CHART.format("bars"))
    draw(page, 3, "bars", patch=figures.bars_patch(MOVED))
    assert page.is_visible(CHART.format("bars"))
    assert page.locator("#bars .bars .point").count() == 6


def test_a_removed_panel_is_forgotten_and_can_come_back(open_page: Any) -> None:
    page = open_page()
    draw(page, 1, "bars", base=figures.bars())
    page.evaluate(
        "const cell = document.getElementById('bars'); window.old = cell.firstElementChild;"
        "window.copy = old.cloneNode(true); copy.querySelector('.ms-panel__chart').innerHTML = '';"
        "old.remove(); Mergescope.panels.redraw(); cell.append(copy);"
        "Mergescope.panels.mount(cell, 'bars')"
    )
    page.wait_for_function(f"document.querySelector('{CHART.format('bars')}').__seq === 1")
    assert page.locator("#bars .bars .point").count() == 6
    gone = "!old.querySelector('.ms-panel__chart').classList.contains('js-plotly-plot')"
    page.wait_for_function(f"{gone} || old.querySelector('.main-svg') === null")


def test_state_is_handed_to_the_controls(open_page: Any) -> None:
    page = open_page()
    send(page, 2, state={"recipe": "new"})
    send(page, 1, state={"recipe": "old"})
    page.wait_for_function("events.length > 0")
    assert page.evaluate("events") == [["ms:state", {"recipe": "new"}]]
