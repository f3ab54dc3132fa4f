"""Perplexity against hand-computed values, and texts that come from a table."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from merger.checkpoint import FileCheckpoint
from merger.errors import TaskError
from merger.preview import paired_change
from merger.runner import Runner
from merger.scorer import FullScore, float_shapes, read_tensors
from merger.scoring import score, summarise
from merger.tasks import choose_tasks, find_tasks, of_one_metric
from merger.tasks.base import Outcomes
from merger.tasks.text import PerplexityTask, TextTask
from tests.builders import build_llama_family


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_llama_family(tmp_path_factory.mktemp("family"), train_steps=5)


def loaded(folder: Path, factor: float = 1.0) -> Runner:
    model = FileCheckpoint(folder)
    config = model.config()
    assert config is not None
    runner = Runner(config, float_shapes(model))
    runner.load({key: factor * tensor for key, tensor in read_tensors(model).items()})
    return runner


def test_a_model_that_knows_nothing_has_the_perplexity_of_its_vocabulary(family: Path) -> None:
    task = PerplexityTask(family / "text.txt", family / "base")
    found = task.predict(loaded(family / "base", 0.0), "validation")
    assert found.value == pytest.approx(258, rel=1e-6)
    assert found.bottom.tolist() == [63.0] * 32  # the first token of 64 is context only


def test_perplexity_is_what_bits_per_byte_say_of_the_same_windows(family: Path) -> None:
    runner = loaded(family / "base")
    bits = TextTask(family / "text.txt", family / "base").predict(runner, "test")
    found = PerplexityTask(family / "text.txt", family / "base").predict(runner, "test")
    # One token is one byte here.
    assert found.value == pytest.approx(2**bits.value, rel=1e-9)


def test_n_counts_tokens_and_the_interval_is_that_of_the_logarithm(family: Path) -> None:
    task = PerplexityTask(family / "text.txt", family / "base")
    logs = np.array([63 * 1.0, 63 * 2.0, 63 * 3.0])
    outcomes = Outcomes(logs, np.full(3, 63.0), np.arange(3), is_log=True)
    row = summarise(FullScore("d", "test", {task.name: outcomes}), [task]).tasks[0]
    assert row.value == pytest.approx(math.e**2) and row.n == 189
    assert 1 <= row.low < row.value < row.high
    # Resamples of 1, 2 and 3 never leave [1, 3], up to the factor for three windows.
    assert row.high <= math.exp(2 + 1.5**0.5)


def test_a_paired_change_is_one_of_the_logarithm_applied_to_before() -> None:
    before = Outcomes(np.array([1.0, 2.0]), np.ones(2), np.arange(2), is_log=True)
    now = Outcomes(np.array([1.1, 2.1]), np.ones(2), np.arange(2), is_log=True)
    found = paired_change(now, before)
    assert found.value == pytest.approx(math.exp(1.6) - math.exp(1.5))
    assert found.low == pytest.approx(found.value) == found.high
    assert before.take(np.array([1])).value == pytest.approx(math.exp(2))


def test_a_model_that_a_merge_broke_has_a_score_all_the_same(family: Path) -> None:
    task = PerplexityTask(family / "text.txt", family / "base")
    outcomes = Outcomes(np.full(2, 1e6), np.ones(2), np.arange(2), is_log=True)
    row = summarise(FullScore("d", "test", {task.name: outcomes}), [task]).tasks[0]
    assert row.value == row.high == math.inf
    fine = Outcomes(np.ones(2), np.ones(2), np.arange(2), is_log=True)
    assert paired_change(outcomes, fine).value > 1e300


def test_a_window_may_be_longer_up_to_what_the_model_knows(family: Path) -> None:
    base = FileCheckpoint(family / "base")
    names = ["perplexity:text.txt?window=16&name=short", "perplexity:text.txt"]
    report = score(family / "base", names, base_dir=family)
    assert [row.n for row in report.tasks] == [128 * 15, 32 * 63]
    assert "windows of 16 tokens of the tokenizer of base" in report.notes[0]
    long = choose_tasks(["perplexity:text.txt?window=65"], base, base_dir=family)[0]
    with pytest.raises(TaskError, match="window must be at most 64 tokens, what base knows"):
        _ = long.splits


def test_rows_of_a_table_are_texts_and_repeated_ones_lie_on_one_side(
    family: Path, tmp_path: Path
) -> None:
    rows = [f"the {i} brown foxes jump over {i * 7} lazy dogs and rest" for i in range(60)]
    lines = [json.dumps({"body": row}) for row in [*rows, *(row.upper() for row in rows)]]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines))
    name = "text:corpus.jsonl?text=body"
    task = choose_tasks([name], FileCheckpoint(family / "base"), base_dir=tmp_path)[0]
    assert isinstance(task, TextTask) and task.name == "text:corpus"
    assert task.splits["validation"] > 5 and task.splits["test"] > 5
    sides = [
        {row for row in rows if row in task._read.texts[split]} for split in ("validation", "test")
    ]
    assert sides[0] | sides[1] == set(rows) and not sides[0] & sides[1]
    assert score(family / "base", [name], base_dir=tmp_path).tasks[0].metric == "bits_per_byte"


def test_answers_go_with_text_window_and_tokenizer(family: Path, tmp_path: Path) -> None:
    one = PerplexityTask(family / "text.txt", family / "base").content
    assert one == TextTask(family / "text.txt", family / "base").content
    assert one != PerplexityTask(family / "text.txt", family / "base", window=16).content
    other = build_llama_family(tmp_path)
    settings = other / "base" / "tokenizer_config.json"
    settings.write_text(settings.read_text() + "\n")
    assert one != PerplexityTask(family / "text.txt", other / "base").content


def test_a_page_shows_one_metric_and_says_what_it_leaves_out(family: Path) -> None:
    base = FileCheckpoint(family / "base")
    texts = find_tasks(base)
    assert of_one_metric(texts) == (texts, "")
    more = [*texts, PerplexityTask(family / "text.txt", family / "base")]
    shown, why = of_one_metric(more)
    assert shown == texts and "bits per byte; not shown: perplexity:text." in why
    assert of_one_metric(more[-1:])[0] == ()


def test_zeros_are_one_token_at_random(family: Path) -> None:
    # A head that knows the next token for sure: perplexity 1, and no interval below it.
    task = PerplexityTask(family / "text.txt", family / "base")
    sure = Outcomes(np.zeros(4), np.full(4, 63.0), np.arange(4), is_log=True)
    row = summarise(FullScore("d", "test", {task.name: sure}), [task]).tasks[0]
    assert (row.value, row.low) == (1.0, 1.0) and torch.isfinite(torch.tensor(row.high))
