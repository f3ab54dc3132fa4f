"""Every method still gives what it gave when its golden file was written."""

import subprocess
import sys
from pathlib import Path

import pytest

from merger.spec import METHODS
from tests.golden.cases import FOLDER, differences, kept


@pytest.mark.parametrize("name", list(METHODS))
def test_the_result_is_the_golden_one(name):
    assert kept(name) is not None, "run `make golden`"
    assert differences(name) == []


def test_no_golden_file_is_left_of_a_method_that_is_gone():
    assert {path.stem for path in FOLDER.glob("*.npz")} == set(METHODS)


def test_checking_shows_a_difference_and_writes_nothing(tmp_path: Path):
    before = {p.name: p.read_bytes() for p in FOLDER.glob("*.npz")}
    command = [sys.executable, str(FOLDER / "regenerate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "Nothing differs.\n"), done.stderr
    assert {p.name: p.read_bytes() for p in FOLDER.glob("*.npz")} == before


def test_a_difference_is_told_by_setting_and_tensor(monkeypatch):
    from tests.golden import cases

    wrong = {k: v + 0.5 for k, v in cases.results("ties").items()}
    monkeypatch.setattr(cases, "results", lambda name: wrong)
    assert "ties: paper/norm differs by up to 0.5" in differences("ties")
