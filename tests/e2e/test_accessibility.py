"""What axe-core finds on every tab: nothing serious, in light, dark and at phone width."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.e2e.app_fixture import App, Desk
from viz.screens import SCREENS

TABS = [screen.title for screen in SCREENS]
SERIOUS = ("serious", "critical")


def faults(page: Any) -> list[str]:
    """Return what somebody who cannot see, or not well, or uses no mouse would stumble over."""
    # Telling of all that is right takes longer than looking.
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{fault['id']}: {fault['help']}: {node['html'][:160]}"
        for fault in found
        if fault["impact"] in SERIOUS
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_tab_of_the_bundled_experts_has_a_serious_fault(
    page: Any, zoo_app: App, theme: str
) -> None:
    """Names, roles, contrast, order of headings, as axe-core checks them."""
    desk = Desk(page, zoo_app.url).open(f"?__theme={theme}")
    assert {tab: faults(desk.tab(tab).page) for tab in TABS} == {tab: [] for tab in TABS}


def test_no_tab_on_a_phone_has_a_serious_fault(page: Any, llama_app: App) -> None:
    """The same at 420 px, on language models."""
    page.set_viewport_size({"width": 420, "height": 900})
    desk = Desk(page, llama_app.url).open()
    assert {tab: faults(desk.tab(tab).page) for tab in TABS} == {tab: [] for tab in TABS}
