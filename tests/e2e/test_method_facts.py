"""What the page says about the chosen method, and how one finds it."""

from typing import Any

import pytest

from tests.e2e.app_fixture import Desk

pytestmark = pytest.mark.e2e


def shown(zoo: Desk, text: str) -> list[str]:
    """Return the methods that the picker shows for a search."""
    zoo.page.locator(".ms-method__search").fill(text)
    return [
        option.locator("input").get_attribute("value")
        for option in zoo.page.locator(".ms-method__option:visible").all()
    ]


def test_a_method_s_table_says_what_it_needs_and_where_it_fails(zoo: Desk) -> None:
    """I open the tab of the method; its table follows the method that I pick."""
    page: Any = zoo.page
    page.get_by_role("tab", name="Method", exact=True).click()
    page.locator(".ms-facts summary").click()
    assert "Task arithmetic" in page.locator(".ms-facts summary").inner_text()
    page.locator(".ms-method summary").click()
    page.locator("input[name=ms-method][value=ties]").click()
    table = page.locator(".ms-facts table")
    rows = table.get_by_role("row").all()
    heads = [row.get_by_role("rowheader").inner_text() for row in rows]
    assert {"Needs", "Experts", "Cost", "Laws", "Where it fails", "How sure", "Paper"} <= {*heads}
    assert "tensors with small changes may keep nothing" in table.inner_text()
    link = table.get_by_role("link")
    assert link.get_attribute("href") == "https://arxiv.org/abs/2306.01708"
    assert "noopener" in link.get_attribute("rel")
    assert link.inner_text().startswith("TIES-Merging: Resolving Interference")


def test_a_method_is_found_by_what_people_know_of_it(zoo: Desk) -> None:
    """I search for a word, a paper's title, its number, an author, a tool."""
    zoo.page.locator(".ms-method summary").click()
    assert {"ties", "sce"} <= set(shown(zoo, "sign"))
    assert {"tsv_m", "opcm"} <= set(shown(zoo, "orthogonal"))
    assert {"knots", "core_space"} <= set(shown(zoo, "LoRA"))
    assert {*shown(zoo, "Editing models with task arithmetic")} >= {"task_arithmetic", "analogy"}
    assert shown(zoo, "2502.04959") == ["iso_c", "iso_cts"]
    assert "ties" in shown(zoo, "Yadav")
    assert "sce" in shown(zoo, "fusechat") and "ties" in shown(zoo, "peft")
    assert shown(zoo, "no method has this") == []
