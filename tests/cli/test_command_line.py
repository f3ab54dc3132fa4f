"""Exit codes, error shapes and input of the command line as a whole."""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from merger.cli import build_parser
from merger.cli.common import share, size, visible, words_for_bytes

ROOT = Path(__file__).parents[2]
COMMANDS = (
    "methods", "doctor", "merge", "extract", "check", "verify", "push", "measure", "score", "zoo",
    "import-mergekit", "export-mergekit",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run, command):
    said = run(command, "--help")
    assert said.code == 0 and f"merger {command}" in said.out


def test_the_help_lists_every_command_and_the_exit_codes(run):
    said = run("--help")
    assert said.code == 0 and "130  stopped with Ctrl-C" in said.out
    assert all(re.search(rf"^    {command}\s", said.out, re.MULTILINE) for command in COMMANDS)


def test_every_command_that_the_readme_and_the_docs_name_exists(run):
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    text = "\n".join(page.read_text("utf-8") for page in pages if page.exists())
    for line in re.findall(r"python -m merger ((?:[a-z-]+ ?)+)", text):
        first, *rest = line.split()
        assert first in COMMANDS, f"the pages name {first!r}"
        words = [first, rest[0]] if first == "zoo" and rest else [first]
        assert run(*words, "--help").code == 0


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("frobnicate",),
        ("merge", "r.yaml"),
        ("merge", "r.yaml", "--out", "x", "--device", "tpu"),
        ("merge", "r.yaml", "--out", "x", "--memory", "lots"),
        ("merge", "r.yaml", "--out", "x", "--threads", "0"),
        ("measure", "r.yaml", "--sample", "0"),
        ("measure", "r.yaml", "--sample", "nan"),
        ("score", "r.yaml", "--split", "train"),
        ("zoo",),
        ("methods", "--jsno"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2_with_usage(run, words):
    said = run(*words)
    assert said.code == 2 and said.out == "" and "usage:" in said.err


def test_a_wrong_command_names_the_near_miss(run):
    assert "Did you mean 'measure'?" in run("mesure").err


@pytest.mark.parametrize("command", ["doctor", "measure", "score"])
def test_a_missing_recipe_is_exit_code_1_with_message_and_hint(run, command):
    said = run(command, "nowhere.yaml")
    assert said.code == 1 and said.out == ""
    assert said.err == "error: There is no recipe file 'nowhere.yaml'.\nCheck the path.\n"


@pytest.mark.parametrize(
    "words", [("doctor",), ("measure",), ("score",), ("merge", "--out", "never")]
)
def test_with_json_the_error_is_json_on_the_output(run, words, recipe):
    path = recipe("params: {densty: 0.5}\n", method="ties")
    said = run(words[0], path, *words[1:], "--json")
    assert said.code == 1 and said.err == ""
    assert said.json == {
        "error": {
            "type": "RecipeError",
            "message": "ties has no parameter 'densty'.",
            "hint": "Did you mean 'density'?",
        }
    }


@pytest.mark.parametrize("command", ["doctor", "measure", "score"])
def test_zero_experts_are_an_error_of_the_user(run, command, recipe):
    said = run(command, recipe(experts=" "), "--json")
    assert said.code == 1 and "expert" in said.json["error"]["message"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"method: !!python/object/apply:os.system [id]\n", "YAML tags"),
        (b"method: &a ties\nbase: *a\n", "anchors"),
        (b"- a\n- list\n", "must be a mapping"),
        (b"method: ties\nmethod: ties\n", "stands twice"),
        (b"\xff\xfe", "not UTF-8"),
        (b"", "must be a mapping"),
        (b"method: [\n", "Not valid YAML"),
    ],
)
def test_bad_yaml_from_the_input_is_told_in_words(run, text, words):
    said = run("doctor", "-", "--json", given=text)
    assert said.code == 1 and words in said.json["error"]["message"]


def test_an_input_of_more_than_a_megabyte_is_refused(run):
    said = run("doctor", "-", "--json", given=b"# " + b"x" * 10_000_000)
    assert said.code == 1
    assert said.json["error"]["message"] == (
        "Standard input: a recipe has at most 1,000,000 bytes, got more."
    )


def test_hostile_names_are_shown_as_text(run, recipe):
    path = recipe(experts="'file:<script>alert(1)</script>${x}'")
    said = run("measure", path)
    assert said.code == 1 and "<script>" in said.err


def test_output_for_people_cannot_steer_the_terminal(run):
    said = run("methods", "\x1b[2J\x1b]0;owned\x07")
    assert said.code == 1 and "\x1b" not in said.err and "\x07" not in said.err


def test_visible_keeps_greek_and_new_lines():
    assert visible("λ\n\x1b\u202e") == "λ\n\ufffd\ufffd"


@pytest.mark.parametrize(
    ("text", "count"),
    [("4GiB", 4 * 2**30), ("500MB", 500_000_000), ("4096", 4096), ("1.5 k", 1500), ("2Mi", 2**21)],
)
def test_sizes_are_read_as_people_write_them(text, count):
    assert size(text) == count


@pytest.mark.parametrize("text", ["", "0", "-1GiB", "4 gigabytes", "1e9", "NaN", "4PiB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be a size"):
        size(text)


def test_shares_lie_above_zero_and_up_to_one():
    assert share("1") == 1.0 and share("1e-3") == 0.001
    for text in ("0", "1.01", "-0.1", "inf", "half"):
        with pytest.raises(argparse.ArgumentTypeError, match="must be a share"):
            share(text)


def test_bytes_are_said_in_the_largest_unit_that_fits():
    counts = [0, 1023, 1024, 5 * 2**20, 2**40]
    said = ["0 B", "1023 B", "1.0 KiB", "5.0 MiB", "1.0 TiB"]
    assert [words_for_bytes(count) for count in counts] == said


def test_a_reader_that_leaves_early_causes_no_traceback():
    command = f"{sys.executable} -m merger methods --json | head -c 1 > {os.devnull}"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""


def test_a_terminal_without_greek_gets_a_sign_instead_of_a_crash():
    done = subprocess.run(
        [sys.executable, "-m", "merger", "methods", "ties"],
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "TIES" in done.stdout


def test_every_command_with_a_result_takes_json():
    commands = build_parser()._subparsers._group_actions[0].choices
    for name in ("methods", "doctor", "merge", "measure", "score"):
        assert any("--json" in action.option_strings for action in commands[name]._actions), name


def test_methods_is_a_list_of_the_public_shape(run):
    said = run("methods", "--json")
    assert said.code == 0
    public = {
        "name", "title", "family", "summary", "needs", "stage", "output", "paper", "laws",
        "params",
    }  # fmt: skip
    knob = {
        "name", "type", "default", "low", "high", "slider", "step", "choices", "per_expert",
        "symbol", "help",
    }  # fmt: skip
    for method in said.json:
        assert public <= set(method)
        assert all(knob <= set(param) for param in method["params"])
    names = [method["name"] for method in said.json]
    assert names == sorted(names) and {"average", "ties", "dare_ties", "slerp"} <= set(names)


def test_one_method_is_a_list_of_one(run):
    assert [method["name"] for method in run("methods", "ties", "--json").json] == ["ties"]


def test_methods_for_people_shows_settings_with_bounds(run):
    said = run("methods", "ties").out
    assert re.search(r"density +0\.2 +0\.0 to 1\.0 +Share of entries", said)
    assert "average" in run("methods").out


def test_an_unknown_method_names_the_near_miss(run):
    said = run("methods", "dareties")
    assert said.code == 1 and "Did you mean 'dare_ties'?" in said.err


def test_zoo_list_is_the_public_shape(run):
    said = run("zoo", "list", "--json")
    assert said.code == 0 and set(said.json) == {"base", "experts"}
    for expert in said.json["experts"]:
        assert set(expert) == {"source", "name", "task", "step", "accuracy"}
    assert run("zoo", "list").out.startswith("base: ")


def test_json_has_no_numbers_that_json_does_not_know(run, capsys):
    from merger.cli.common import print_json

    print_json({"a": [float("nan"), (1.0, float("inf"))]})
    assert json.loads(capsys.readouterr().out) == {"a": [None, [1.0, None]]}
