"""docs/methods.md says what the declarations say, of every method and setting."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from merger.docs import PAGE, main, page, section
from merger.spec import METHODS

ROOT = Path(__file__).parents[2]


def test_the_page_in_the_repository_is_current(capsys):
    assert main(["--check"]) == 0, "run `make docs`"


def test_a_page_that_is_not_current_is_told(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("merger.docs.PAGE", tmp_path / "methods.md")
    assert main(["--check"]) == 1 and main([]) == 0 and main(["--check"]) == 0
    assert (tmp_path / "methods.md").read_text("utf-8") == PAGE.read_text("utf-8")


@pytest.mark.parametrize("name", list(METHODS))
def test_a_section_names_every_setting_law_and_dialect(name):
    method, text = METHODS[name], section(METHODS[name])
    assert text.startswith("### ") and f"(`{name}`)" in text
    assert method.formula in text and "**Reference**: " in text
    for param in method.params:
        assert f"| `{param.name}`" in text
    for words in (*method.laws, *(f"dialect: {d}" for d in method.dialects)):
        assert words in text


def test_links_of_the_contents_lead_to_headings():
    text = page(list(METHODS.values()))
    heads = re.findall(r"^### (.*)$", text, re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", h.replace("\\", "").lower()).replace(" ", "-") for h in heads]
    links = re.findall(r"\]\(#([^)]*)\)", text)
    assert sorted(links) == sorted(plain) and len(set(links)) == len(METHODS)


def test_every_line_of_a_table_has_its_five_cells():
    for line in page(list(METHODS.values())).splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 6, line


def test_the_page_is_written_without_loading_torch():
    code = (
        "import sys, merger.docs as docs\n"
        "docs.page(list(docs.METHODS.values()))\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
