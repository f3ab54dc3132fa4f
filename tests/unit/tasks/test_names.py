"""Names of tasks: taken apart, and refused with the near miss."""

import sys
from pathlib import Path

import pytest

from merger.checkpoint import FileCheckpoint
from merger.errors import TaskError
from merger.tasks import choose_tasks
from merger.tasks.names import parse_name
from tests.builders import build_llama_family


def test_a_name_is_a_kind_a_file_and_options() -> None:
    name = parse_name("classify:data/reviews.csv?text=my%20text&label=stars&most=50")
    assert name is not None
    assert (name.kind, name.what) == ("classify", "data/reviews.csv")
    assert dict(name.options) == {"text": "my text", "label": "stars", "most": "50"}
    assert (name.short, name.title, name.number("most", 9)) == ("classify:reviews", "reviews", 50)


def test_a_question_mark_without_options_belongs_to_the_file() -> None:
    name = parse_name("text:why?.txt")
    assert name is not None and name.what == "why?.txt" and name.short == "text:why?"


def test_a_given_name_stands_for_the_files() -> None:
    name = parse_name("images:cats?name=felines")
    assert name is not None and name.short == "images:felines"


def test_other_words_are_no_such_names() -> None:
    assert parse_name("mnist") is parse_name("zoo:mnist") is parse_name("text:") is None


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            "classify:a.csv?lable=x",
            "'lable' is not an option of such a task. Did you mean 'label'",
        ),
        ("text:a.txt?window=0", "window must be a whole number from 2 up, got '0'"),
        ("images:a?most=-3", "most must be a whole number"),
        ("classify:a.csv?label=", "label must not be empty"),
    ],
)
def test_wrong_options_are_refused(text: str, match: str) -> None:
    with pytest.raises(TaskError, match=match):
        parse_name(text)


def test_without_the_harness_its_tasks_name_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = build_llama_family(tmp_path)
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(TaskError, match=r"pip install -r requirements-lm-eval.txt"):
        choose_tasks(["lm-eval:arc_easy"], FileCheckpoint(family / "base"))


def test_harness_tasks_keep_their_whole_name() -> None:
    name = parse_name("lm-eval:mmlu.en?shots=5&docs=all")
    assert name is not None and name.short == "lm-eval:mmlu.en" and name.number("shots", 0) == 5
