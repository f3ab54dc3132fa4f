"""Stories of the doctor's card: do the picked models fit, what differs, what would it take."""

from pathlib import Path

import pytest

from tests.e2e.app_fixture import Desk, running_app
from tests.vocabularies import LETTERS, save_speaker


@pytest.fixture(scope="module")
def speakers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of which each expert knows a word that the base does not know."""
    folder = tmp_path_factory.mktemp("models") / "speakers"
    save_speaker(folder / "base")
    for number, word in enumerate(("x", "yy")):
        save_speaker(folder / f"knows-{word}", words=(*LETTERS, word), seed=number + 1)
    return folder


def _says(desk: Desk, words: str) -> None:
    desk.page.locator("#ms-checkup summary", has_text=words).wait_for()


def test_models_are_looked_at_when_they_are_picked_and_never_by_a_slider(zoo: Desk) -> None:
    """I see that the models fit and what a merge takes; a slider asks nothing, a model does."""
    asked: list[str] = []
    zoo.page.on("request", lambda r: asked.append(r.post_data or "") if r.post_data else None)
    _says(zoo, "These models fit.")
    cost = zoo.page.locator(".ms-checkup__cost").inner_text()
    assert cost.startswith("Estimated: 940,224 parameters · ") and "MB memory" in cost
    zoo.page.locator("#ms-checkup summary").click()
    names = "document.querySelector('.ms-checkup__models dt').textContent"
    assert zoo.page.evaluate(names) == "base, mnist, fashion, latin, hiragana, arabic, greek"
    zoo.weight(0, 0.5)
    assert not any("ms_checkup" in body for body in asked)
    zoo.page.locator(".ms-chip__toggle").first.click()
    zoo.settled()
    zoo.page.wait_for_function(f"{names} === 'base, fashion, latin, hiragana, arabic, greek'")
    assert any("ms_checkup" in body for body in asked)


def test_different_words_are_a_choice_that_can_be_made_and_undone(
    page, speakers: Path, tmp_path: Path
) -> None:
    """My experts know other words; I read why they cannot be merged, choose all words, and do."""
    with running_app(tmp_path / "workspace", "--models", str(speakers)) as app:
        desk = Desk(page, app.url)
        page.goto(app.url)
        _says(desk, "stand in the way")
        # The choice is open unasked, and numbers of a merge that is not this one are pale.
        assert page.locator("#ms-words-union").is_visible()
        assert page.evaluate("document.body.classList.contains('ms-stale')")
        assert "{source: union}" in page.locator(".ms-checkup__problems").inner_text()
        page.locator("#ms-words-union").click()
        desk.settled()
        assert not page.evaluate("document.body.classList.contains('ms-stale')")
        _says(desk, "These models fit; ")
        said = page.locator(".ms-checkup__problems").inner_text()
        assert "2 tokens that base does not have: x, yy" in said
        assert page.locator("#ms-words-union").get_attribute("aria-pressed") == "true"
        assert "source: union" in desk.studio("text")
        page.locator("#ms-merge").click()
        page.locator("#ms-merge-job[data-state=DONE]").wait_for(timeout=60_000)
        page.locator("#ms-undo").click()
        _says(desk, "stand in the way")
        page.goto("about:blank")
