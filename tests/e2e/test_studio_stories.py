"""Stories of somebody who merges in the Studio, on the bundled experts and on language models."""

from typing import Any

import pytest

from merger import Recipe
from merger.scoring import score
from tests.e2e.app_fixture import App, Desk


def _scored(desk: Desk, folder: Any = None) -> dict[str, float]:
    report = score(Recipe.from_yaml(desk.studio("text")), base_dir=folder)
    return {row.task: row.value for row in report.tasks}


def _bars(desk: Desk) -> list[float]:
    return [round(x, 4) for x in desk.drawn("tasks")["merged"]["x"]]


def test_first_paint_is_a_working_merge(zoo: Desk) -> None:
    """I open the page and see six experts merged, measured, with numbers in every tile."""
    assert zoo.page.locator(".ms-chip").count() == 6
    for index in range(4):
        assert zoo.kpi(index) not in ("", "–")
    assert len(_bars(zoo)) == 6
    assert "measured" in zoo.page.locator(".ms-kpi__tag").first.inner_text()


def test_dragging_a_coefficient_moves_the_bar_to_the_number_that_score_gives(zoo: Desk) -> None:
    """I set a coefficient; the bars end at exactly what `score` says of that recipe."""
    before = _bars(zoo)
    zoo.weight(0, 1.7)
    after = _bars(zoo)
    assert after != before
    assert "1.7" in zoo.studio("text")
    assert after == [round(v, 4) for v in _scored(zoo).values()]


def test_a_slider_moves_by_keyboard_and_shows_a_preview_on_the_way(zoo: Desk) -> None:
    """I focus a slider and press an arrow; the number follows, first estimated, then measured."""
    zoo.page.evaluate(
        """() => { window.kinds = []; new MutationObserver(() => window.kinds.push(
            document.querySelector('.ms-kpi').className)).observe(
            document.querySelector('.ms-kpis__tiles'), {subtree: true, attributes: true,
            childList: true, characterData: true}); }"""
    )
    track = zoo.page.locator("#ms-weight-1-track")
    track.focus()
    track.press("ArrowRight")
    zoo.page.wait_for_function("window.Mergescope.studio.text.includes('1.01')")
    zoo.settled()
    assert zoo.page.locator("#ms-weight-1-number").input_value() == "1.01"
    kinds = zoo.page.evaluate("window.kinds.join(' ')")
    assert "estimated" in kinds and "measured" in kinds


def test_solo_pin_and_undo(zoo: Desk) -> None:
    """I look at one expert alone, come back, pin, change something, compare, and undo."""
    together = zoo.studio("text")
    zoo.page.keyboard.press("2")
    zoo.settled()
    assert zoo.studio("text").count("zoo:") == 2  # the base and one expert
    zoo.page.keyboard.press("2")
    zoo.settled()
    assert zoo.studio("text") == together
    zoo.page.keyboard.press("p")
    zoo.settled()
    zoo.weight(2, 0.0)
    words = zoo.page.locator(".ms-kpi__words").all_inner_texts()
    assert any("pin" in text for text in words)
    assert [x for x in zoo.drawn("tasks")["pinned"]["x"] if x is not None]
    ghosts = zoo.page.evaluate(
        """() => [...document.querySelectorAll('[data-panel=tasks] .barlayer path')]
            .filter((path) => path.style.fillOpacity === '0.18').length"""
    )
    assert ghosts == 6
    zoo.page.keyboard.press("p")
    zoo.settled()
    zoo.page.keyboard.press("z")
    zoo.settled()
    assert zoo.studio("text") == together
    zoo.page.keyboard.press("Shift+Z")
    zoo.settled()
    assert zoo.studio("text") != together


def test_keys_do_nothing_while_a_field_has_the_focus(zoo: Desk) -> None:
    """I type 2 into a coefficient; no expert goes solo."""
    box = zoo.page.locator("#ms-weight-0-number")
    box.click()
    zoo.page.keyboard.press("2")
    assert zoo.studio("draft.solo ?? null") is None


def test_a_permalink_restores_the_merge(zoo: Desk, browser: Any, zoo_app: App) -> None:
    """I send my colleague the link; she sees my merge."""
    zoo.weight(3, 0.4)
    link = zoo.page.evaluate("location.href")
    context = browser.new_context()
    try:
        other = Desk(context.new_page(), "").open(link)
        assert other.studio("text") == zoo.studio("text")
        assert other.page.locator("#ms-weight-3-number").input_value() == "0.4"
    finally:
        context.close()


def test_a_broken_link_opens_a_working_page_and_says_so(page: Any, zoo_app: App) -> None:
    """I open a link that was cut; the page works and tells me what was wrong."""
    desk = Desk(page, zoo_app.url).open("#r=bWV0aG9kOiB0aXM")
    card = desk.page.locator(".ms-error").first
    card.wait_for()
    assert desk.kpi(0) not in ("", "–")


def test_the_method_picker_changes_knobs_and_bars(zoo: Desk) -> None:
    """I pick TIES; density appears, the bars move; SLERP says that it uses two experts."""
    before = _bars(zoo)
    zoo.page.locator(".ms-method summary").click()
    zoo.page.locator("input[name=ms-method][value=ties]").click()
    assert not zoo.page.locator("input[name=ms-method][value=ties]").is_visible()
    zoo.settled()
    assert zoo.page.locator("#ms-knob-ties-density").is_visible()
    assert _bars(zoo) != before
    zoo.page.locator(".ms-method summary").click()
    zoo.page.locator(".ms-method__search").fill("slerp arc first")
    assert zoo.page.locator(".ms-method__option:visible").count() == 1
    zoo.page.locator("input[name=ms-method][value=slerp]").click()
    zoo.settled()
    assert zoo.page.locator(".ms-chip--unused").count() == 4


def test_a_value_beyond_reason_gives_a_card_and_loses_nothing(zoo: Desk) -> None:
    """I type a scale of 1e9; a card says why that cannot be saved, and undoing it works."""
    box = zoo.page.locator("#ms-knob-task_arithmetic-scale-number")
    box.fill("1e9")
    box.press("Enter")
    card = zoo.page.locator(".ms-error").first
    card.wait_for()
    assert "float16" in card.inner_text()
    box.fill("0.5")
    box.press("Enter")
    zoo.settled()
    assert zoo.page.locator(".ms-error").count() == 0
    assert zoo.kpi(0) != "–"


def test_conflict_map_opens_the_histogram_of_a_cell(zoo: Desk) -> None:
    """I open Conflict, click a cell, and look into that tensor."""
    zoo.tab("Conflict")
    zoo.drawn("conflict-grid")
    before = zoo.page.locator("[data-panel=histogram] .ms-panel__caption").inner_text()
    chart = zoo.page.locator("[data-panel=conflict-grid] .nsewdrag").first
    box = chart.bounding_box()
    zoo.page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 0.9 * box["height"])
    zoo.page.wait_for_function(
        """(before) => document.querySelector('[data-panel=histogram] .ms-panel__caption')
            .textContent !== before""",
        arg=before,
    )
    zoo.settled()
    assert (
        zoo.studio("view.key")
        in zoo.page.locator("[data-panel=histogram] .ms-panel__caption").inner_text()
    )


def test_the_share_slider_changes_the_overlap(zoo: Desk) -> None:
    """I open Overlap and change k; the matrix follows."""
    zoo.tab("Overlap")
    words = "[data-panel=overlap] .ms-panel__caption"
    before = zoo.page.locator(words).inner_text()
    box = zoo.page.locator("#ms-topk-number")
    box.fill("0.05")
    box.press("Enter")
    zoo.settled()
    assert zoo.page.locator(words).inner_text() != before


def test_the_recipe_is_linted_as_typed(zoo: Desk) -> None:
    """I type a wrong word into the YAML and am told the right one; then I fix it."""
    zoo.tab("Recipe")
    area = zoo.page.locator("#ms-yaml")
    good = area.input_value()
    assert "scale: 0.17" in good
    area.fill(good.replace("scale: 0.17", "scal: 0.4"))
    verdict = zoo.page.locator("#ms-yaml-verdict[data-kind=error]")
    verdict.wait_for()
    assert "Did you mean 'scale'?" in verdict.inner_text()
    area.fill(good.replace("0.17", "0.45"))
    zoo.page.locator("#ms-yaml-verdict[data-kind=good]").wait_for()
    zoo.page.wait_for_function("window.Mergescope.studio.text.includes('0.45')")
    zoo.settled()
    number = zoo.page.locator("#ms-knob-task_arithmetic-scale-number")
    assert number.input_value() == "0.45"


@pytest.mark.parametrize("text", ["file:/etc", "hub:org/model", "zoo:mnist/../x"])
def test_a_source_outside_the_offer_is_refused(zoo: Desk, text: str) -> None:
    """I type a path of the server into the YAML; it is refused and nothing changes."""
    zoo.tab("Recipe")
    before = zoo.studio("text")
    area = zoo.page.locator("#ms-yaml")
    area.fill(f"method: average\nbase: zoo:base\nexperts: ['{text}']\n")
    zoo.page.locator("#ms-yaml-verdict[data-kind=error]").wait_for()
    assert zoo.studio("text") == before


def test_two_visitors_never_see_each_other(zoo: Desk, browser: Any, zoo_app: App) -> None:
    """Two of us drag at once; each sees the own merge and no job of the other."""
    context = browser.new_context()
    try:
        other = Desk(context.new_page(), zoo_app.url).open()
        zoo.page.locator("#ms-weight-0-number").fill("0.2")
        zoo.page.locator("#ms-weight-0-number").press("Enter")
        other.weight(1, 1.9)
        zoo.settled()
        assert "0.2" in zoo.studio("text") and "1.9" not in zoo.studio("text")
        assert "1.9" in other.studio("text") and "0.2" not in other.studio("text")
        assert _bars(zoo) != _bars(other)
    finally:
        context.close()


def test_language_models_have_something_on_every_tab(llama: Desk, llama_folder: Any) -> None:
    """I open a folder of Llama-shaped models: bits per byte, conflict, overlap all answer."""
    assert llama.page.locator(".ms-chip").count() == 3
    before = _bars(llama)
    llama.weight(0, 1.5)
    assert _bars(llama) != before
    assert _bars(llama) == [round(v, 4) for v in _scored(llama, llama_folder).values()]
    llama.tab("Conflict")
    assert llama.drawn("conflict-grid")
    llama.tab("Overlap")
    assert llama.drawn("norms")


def test_who_knows_the_base_says_so_and_the_charts_come(llama: Desk) -> None:
    """None of my models names its base: they average and score, and I say which one it is."""
    page = llama.page
    page.locator("#ms-family").select_option(label="nameless")
    llama.settled()
    assert llama.studio("text").startswith("version: 1\nmethod: average")
    assert "none is chosen" in page.locator("[data-panel=cosine] .ms-panel__error").inner_text()
    # What was said of the models before is not said of these.
    said = page.locator("[data-panel=cosine] .ms-panel__caption")
    assert not said.is_visible()
    assert llama.kpi(0) != "–"
    page.locator("#ms-base").select_option(label="zeta")
    llama.settled()
    assert "base: file:zeta" in llama.studio("text")
    page.wait_for_selector("[data-panel=cosine] .ms-panel__error", state="hidden")
    assert said.is_visible()
    assert len(llama.drawn("cosine")) > 0
    assert llama.kpi(2) != "–"
    page.keyboard.press("z")
    llama.settled()
    assert page.locator("#ms-base").input_value() == page.locator("#ms-family").input_value()


def test_one_model_per_expert_shows_one_bar_a_task_and_what_it_takes_to_store(zoo: Desk) -> None:
    """I pick EMR: each task is answered by its expert's model, and the tile says the price."""
    zoo.page.locator(".ms-method summary").click()
    zoo.page.locator("input[name=ms-method][value=emr]").click()
    zoo.settled()
    assert _bars(zoo) == [round(v, 4) for v in _scored(zoo).values()]
    tile = zoo.page.locator(".ms-kpi").nth(3).inner_text()
    assert "one model per expert" in tile and "instead of" in tile
    zoo.tab("Overlap")
    card = zoo.page.locator("[data-panel=norms] .ms-panel__error")
    assert "Merge it for real" in card.inner_text()
    zoo.page.locator(".ms-method summary").click()
    zoo.page.locator("input[name=ms-method][value=ties]").click()
    zoo.settled()
    assert zoo.kpi(3).endswith("×")
