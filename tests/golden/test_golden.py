"""Every method still gives what it gave when its golden file was written."""

import pytest

from merger.spec import METHODS
from tests.golden.cases import FOLDER, differences, kept
from tests.golden.regenerate import main


@pytest.mark.parametrize("name", list(METHODS))
def test_the_result_is_the_golden_one(name):
    assert kept(name) is not None, "run `make golden`"
    assert differences(name) == []


def test_no_golden_file_is_left_of_a_method_that_is_gone():
    assert {path.stem for path in FOLDER.glob("*.npz")} == set(METHODS)


def test_checking_shows_differences_and_writes_nothing(capsys):
    before = {p.name: p.read_bytes() for p in FOLDER.glob("*.npz")}
    assert main(["--check"]) == 0
    assert capsys.readouterr().out == "Nothing differs.\n"
    assert {p.name: p.read_bytes() for p in FOLDER.glob("*.npz")} == before


def test_a_difference_is_told_by_setting_and_tensor(monkeypatch):
    from tests.golden import cases

    wrong = {k: v + 0.5 for k, v in cases.results("ties").items()}
    monkeypatch.setattr(cases, "results", lambda name: wrong)
    assert "ties: paper/norm differs by up to 0.5" in differences("ties")
