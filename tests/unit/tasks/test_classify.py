"""Labelled texts: accuracy of a head, and of label words, against answers counted by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from merger.checkpoint import FileCheckpoint
from merger.errors import TaskError
from merger.intervals import wilson
from merger.runner import Runner
from merger.scorer import float_shapes, read_tensors
from merger.scoring import score
from merger.tasks import choose_tasks, find_tasks
from merger.tasks.base import Explained, Task
from merger.tasks.classify import HeadTask
from merger.tasks.continuations import continuation_logs, cut_continuation
from merger.tasks.label_words import LabelWordsTask
from merger.tasks.rows import LabelledRows
from tests.builders import build_llama_family, byte_tokenizer
from tests.heads import MOODS, save_text_head

WORDS = ("fine", "film", "bad", "sound", "long", "scene", "actor", "light")


def table(folder: Path, labels: list[str], count: int = 40) -> Path:
    rng = np.random.default_rng(1)
    rows = [
        {
            "review": " ".join(rng.choice(WORDS, 1 + i % 9)) + f" {i}",
            "mood": labels[i % len(labels)],
        }
        for i in range(count)
    ]
    path = folder / "reviews.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return path


def loaded(folder: Path, tensors: dict[str, torch.Tensor] | None = None) -> Runner:
    model = FileCheckpoint(folder)
    config = model.config()
    assert config is not None
    runner = Runner(config, float_shapes(model))
    runner.load(read_tensors(model) if tensors is None else tensors)
    return runner


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_text_head(tmp_path_factory.mktemp("head") / "model")


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_llama_family(tmp_path_factory.mktemp("family"), train_steps=5)


def test_a_head_answers_as_transformers_does_one_text_at_a_time(
    head: Path, tmp_path: Path
) -> None:
    rows = LabelledRows(table(tmp_path, list(MOODS.values())), "review", "mood")
    task = HeadTask("reviews", rows, head)
    model = transformers.BertForSequenceClassification.from_pretrained(head).eval()
    tokenizer = byte_tokenizer()
    right = []
    for text, label in zip(rows.split("test").texts, rows.split("test").labels, strict=True):
        coded = tokenizer(text, return_tensors="pt", truncation=True, max_length=48)
        with torch.inference_mode():
            right.append(MOODS[int(model(coded["input_ids"]).logits[0].argmax())] == label)
    found = task.predict(loaded(head), "test")
    assert found.top.tolist() == [float(x) for x in right]
    assert isinstance(task, Task) and isinstance(task, Explained)


def test_a_head_that_always_says_one_class_has_that_classes_share(
    head: Path, tmp_path: Path
) -> None:
    path = table(tmp_path, ["positive", "negative", "positive", "positive"])
    tensors = read_tensors(FileCheckpoint(head))
    tensors["classifier.weight"] = torch.zeros_like(tensors["classifier.weight"])
    tensors["classifier.bias"] = torch.tensor([0.0, 1.0, 0.0])
    task = HeadTask("reviews", LabelledRows(path, "review", "mood"), head)
    labels = task.rows.split("validation").labels
    found = task.predict(loaded(head, tensors), "validation")
    assert found.value == labels.count("positive") / len(labels)


def test_a_part_of_the_rows_gives_the_answers_of_the_whole(head: Path, tmp_path: Path) -> None:
    rows = LabelledRows(table(tmp_path, list(MOODS.values())), "review", "mood")
    task, runner = HeadTask("reviews", rows, head), loaded(head)
    index = np.array([7, 2, 5])
    whole = task.predict(runner, "validation")
    assert task.predict(runner, "validation", index=index) == whole.take(index)
    assert len(task.strata("validation")) == task.splits["validation"]


def test_the_score_of_a_table_has_wilsons_interval_and_says_what_it_is(
    head: Path, tmp_path: Path
) -> None:
    table(tmp_path, list(MOODS.values()))
    name = "classify:reviews.jsonl?text=review&label=mood"
    report = score(head, [name], "test", base_dir=tmp_path)
    row = report.tasks[0]
    assert (row.task, row.metric) == ("classify:reviews", "accuracy")
    assert (row.low, row.high) == wilson(round(row.value * row.n), row.n)[1:]
    assert "40 rows, of which 40 count" in report.notes[0]


def test_labels_that_the_head_lacks_are_refused_by_name(head: Path, tmp_path: Path) -> None:
    path = table(tmp_path, ["happy", "negative"])
    with pytest.raises(TaskError, match="'happy'; model knows 'negative', 'positive', 'mixed'"):
        _ = HeadTask("reviews", LabelledRows(path, "review", "mood"), head).splits


def test_models_without_a_fitting_head_are_refused(head: Path, tmp_path: Path) -> None:
    path = table(tmp_path, ["a", "b"])
    with pytest.raises(TaskError, match="has no head that classifies images"):
        choose_tasks(["images:."], FileCheckpoint(head), base_dir=tmp_path)
    with pytest.raises(TaskError, match="a prompt is for causal language models"):
        choose_tasks([f"classify:{path}?prompt={{text}}:"], FileCheckpoint(head))


def test_log_probabilities_are_those_of_the_words_alone(family: Path) -> None:
    runner, tokenizer = loaded(family / "base"), byte_tokenizer()
    asked = [
        cut_continuation(tokenizer, "abc def", " word", 64),
        cut_continuation(tokenizer, "0123", " no", 64),
    ]
    found, _ = continuation_logs(runner, asked)
    for (context, words), log in zip((("abc def", " word"), ("0123", " no")), found, strict=True):
        ids = torch.tensor([tokenizer(context + words)["input_ids"]])
        with torch.inference_mode():
            said = runner.module(input_ids=ids).logits[0].double().log_softmax(-1)
        first = len(context)  # one token a byte
        by_hand = sum(float(said[i - 1, ids[0, i]]) for i in range(first, ids.shape[1]))
        assert log == pytest.approx(by_hand, rel=1e-5)


def test_a_long_context_keeps_its_end_and_the_words_whole() -> None:
    cut = cut_continuation(byte_tokenizer(), "x" * 50 + "yz", " word", 8)
    tokens = byte_tokenizer()("xyz word"[1:])["input_ids"]
    assert list(cut.ids) == byte_tokenizer()("xyz word")["input_ids"] and cut.start == 3
    assert len(tokens) == 7
    with pytest.raises(TaskError, match="must follow at least one token of context"):
        cut_continuation(byte_tokenizer(), "x", " very long", 6)


def test_a_language_model_that_knows_nothing_prefers_no_length(
    family: Path, tmp_path: Path
) -> None:
    # All logits are 0: each token costs log 258, a label of n bytes has n + 1 tokens with its
    # space. Per byte, (n + 1) / n is least for the longest label.
    path = table(tmp_path, ["yes", "certainly not"])
    task = LabelWordsTask("reviews", LabelledRows(path, "review", "mood"), family / "base")
    zeros = {
        k: torch.zeros_like(t) for k, t in read_tensors(FileCheckpoint(family / "base")).items()
    }
    found = task.predict(loaded(family / "base", zeros), "test")
    labels = task.rows.split("test").labels
    assert found.top.tolist() == [float(label == "certainly not") for label in labels]


def test_the_prompt_is_what_the_model_reads(family: Path, tmp_path: Path) -> None:
    path = table(tmp_path, ["0", "1"])
    reference = FileCheckpoint(family / "base")
    names = [
        f"classify:{path}?text=review&label=mood",
        f"classify:{path}?text=review&label=mood&prompt=Film: {{text}}%0AStars:&name=asked",
    ]
    plain, asked = choose_tasks(names, reference)
    assert isinstance(plain, LabelWordsTask) and isinstance(asked, LabelWordsTask)
    assert plain.template == "{text}\nmood:" and asked.template == "Film: {text}\nStars:"
    assert plain.content != asked.content and asked.name == "classify:asked"
    with pytest.raises(TaskError, match="two of these tasks have this name"):
        choose_tasks([names[0], names[0] + "&most=5"], reference)
    bad = LabelWordsTask("x", plain.rows, family / "base", prompt="no place")
    with pytest.raises(TaskError, match="must have {text} in it once"):
        _ = bad.template


def test_tables_beside_the_models_are_tasks(tmp_path: Path) -> None:
    save_text_head(tmp_path / "models" / "base")
    (tmp_path / "models" / "mine.csv").write_text(
        "text,label\n" + "\n".join(f"text {i},{MOODS[i % 3]}" for i in range(30))
    )
    (tmp_path / "models" / "other.csv").write_text("a,b\n1,2\n")
    found = find_tasks(FileCheckpoint(tmp_path / "models" / "base"))
    assert [task.name for task in found] == ["classify:mine"]
    assert sum(found[0].splits.values()) == 30


def test_a_list_says_what_counts_and_leads_nowhere_else(tmp_path: Path) -> None:
    models = tmp_path / "models"
    save_text_head(models / "base")
    table(models, list(MOODS.values()))
    base = FileCheckpoint(models / "base")
    (models / "tasks.yaml").write_text("- classify:reviews.jsonl?text=review&label=mood\n")
    assert [task.name for task in find_tasks(base)] == ["classify:reviews"]
    table(tmp_path, ["a", "b"])
    (models / "tasks.yaml").write_text("- classify:../reviews.jsonl?text=review&label=mood\n")
    with pytest.raises(TaskError, match="must lie in the folder of the models"):
        find_tasks(base)
    (models / "tasks.yaml").write_text("tasks: all\n")
    with pytest.raises(TaskError, match="tasks.yaml: must be a list of task names"):
        find_tasks(base)
