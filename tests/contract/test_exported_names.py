"""The public names of the library: there, lazy, and no others."""

import subprocess
import sys

import pytest

import merger

PUBLIC = (
    "METHODS", "Expert", "MergeError", "Recipe", "merge", "merge_tensors", "measure", "score",
)  # fmt: skip


def test_the_public_names_are_these_and_no_others():
    assert sorted(merger.__all__) == sorted(PUBLIC)
    assert set(PUBLIC) <= set(dir(merger))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_found_and_documented(name):
    value = getattr(merger, name)
    assert value is getattr(merger, name)
    assert (value.__doc__ or "").strip()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'merg'"):
        merger.merg  # noqa: B018


@pytest.mark.parametrize(
    "code",
    [
        "import merger; merger.METHODS['ties'].to_json(); merger.Recipe; merger.MergeError",
        "from merger.cli import main; assert main(['methods', '--json']) == 0",
        "from merger.cli import main; main(['zoo', 'list', '--json'])",
        "import merger.workspace, merger.library, merger.jobs",
        "import merger.jobs.worker",
    ],
)
def test_listing_starts_without_the_large_libraries(code):
    check = "\nimport sys; large = {'torch', 'transformers', 'gradio', 'plotly'}; "
    check += "assert not large & set(sys.modules), large & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_doctor_starts_without_transformers(tmp_path):
    (tmp_path / "r.yaml").write_text("method: average\nexperts: [./nowhere]\n")
    code = (
        "import sys; from merger.cli import main; main(['doctor', sys.argv[1], '--json'])\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "r.yaml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
