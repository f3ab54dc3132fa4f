"""Stories of models of the hub: named, looked at, fetched, merged, and found again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import build_llama_family
from tests.e2e.app_fixture import WAIT, Desk, running_app
from tests.hub import FakeHub, Repo, failing, hub_environment, model_files, serving

NAMES = ("base", "alpha", "beta")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    folder = build_llama_family(tmp_path / "family", experts=NAMES[1:])
    with serving() as found:
        for name in NAMES:
            files = model_files(folder / name)
            if name != "base":
                files["README.md"] = b"---\nlicense: mit\nbase_model: org/base\n---\n"
            found.repos[f"org/{name}"] = Repo(files, private=name == "beta")
        yield found


def test_models_of_the_hub_are_looked_at_fetched_merged_and_found_again(
    page, hub: FakeHub, tmp_path: Path
) -> None:
    """I name two models; I see what they are before a byte of weights moves; then they are mine.

    A private one is read with my machine's token. A fetch that fails says why and goes on; a
    reload and a link find the models again; a link to models that are not here offers them.
    """
    more = hub_environment(hub, tmp_path) | {"HF_TOKEN": "hf_owner"}
    with running_app(tmp_path / "workspace", "--hub", "own", **more) as app:
        desk = Desk(page, app.url).open()
        page.locator("#ms-hub summary").click()
        assert "token of this machine" in page.locator(".ms-hub__account").inner_text()
        page.locator("#ms-hub-experts").fill("org/alpha\norg/none")
        page.locator("#ms-hub-look").click()
        page.get_by_text("does not exist, or is private").wait_for()
        pasted = "org/alpha\nhttps://huggingface.co/org/beta/tree/main"
        page.locator("#ms-hub-experts").fill(pasted)
        page.locator("#ms-hub-look").click()
        fetch = page.locator("#ms-hub-fetch")
        fetch.wait_for()
        assert page.locator("#ms-hub-base").input_value() == "org/base"
        said = page.locator("#ms-hub-found").inner_text()
        assert "These models fit" in said and "base, alpha, beta" in said
        assert fetch.inner_text().startswith("Fetch ")
        assert hub.sent_of_weights() < 20_000

        hub.fault = failing("org/beta/resolve", "404", 1)
        hub.repos["org/beta"].private, hub.repos["org/beta"].readers = True, ()
        fetch.click()
        page.get_by_text("does not exist, or is private").wait_for()
        hub.repos["org/beta"].readers = ("owner",)
        page.locator("#ms-hub-look").click()
        fetch.click()
        page.wait_for_function(
            "window.Mergescope.studio.draft.family.startsWith('hub~')", timeout=WAIT
        )
        desk.settled()
        assert page.locator(".ms-chip__name").all_inner_texts() == ["alpha", "beta"]
        assert page.locator("#ms-family option").count() == 2
        text = desk.studio("text")
        assert "hub:org/beta@" in text
        desk.weight(0, 0.5)
        page.locator("#ms-merge").click()
        page.locator("#ms-merge-job[data-state=DONE]").wait_for(timeout=60_000)

        page.reload()
        desk.settled()
        assert page.locator(".ms-chip__name").all_inner_texts() == ["alpha", "beta"]
        assert "hub:org/beta@" in desk.studio("text")

        # Somebody else follows the link: first without rights, then with them.
        hub.repos["org/beta"].readers = ()
        page.evaluate("localStorage.clear(); sessionStorage.clear()")
        page.reload()
        page.locator(".ms-error", has_text="does not exist, or is private").wait_for()
        assert desk.studio("draft.family") == "zoo"
        assert page.locator("#ms-family").count() == 0
        hub.repos["org/beta"].readers = ("owner",)
        page.get_by_role("button", name="Look up its models").click()
        page.get_by_text("in this machine's cache already").wait_for()
        assert fetch.inner_text() == "Open"
        fetch.click()
        page.wait_for_function(
            "window.Mergescope.studio.draft.family.startsWith('hub~')", timeout=WAIT
        )
        assert desk.settled().studio("draft.experts[0].weight") == 0.5
        page.goto("about:blank")
