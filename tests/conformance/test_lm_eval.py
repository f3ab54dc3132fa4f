"""Tasks of lm-evaluation-harness: our answers are those of its own Hugging Face model."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merger.checkpoint import FileCheckpoint
from merger.errors import TaskError
from merger.runner import Runner
from merger.scorer import Scorer, float_shapes, read_tensors
from merger.scoring import summarise
from merger.tasks.base import Explained, Task
from merger.tasks.harness import HarnessTask, open_harness_task
from merger.tasks.names import TaskName, parse_name
from tests.builders import build_llama_family

lm_eval = pytest.importorskip("lm_eval", reason="lm-evaluation-harness is an optional requirement")
pytestmark = [pytest.mark.conformance, pytest.mark.filterwarnings("ignore")]

WORDS = ("abc", "def", "gha", "0123", "45", "PQ", "RS.")
TASKS = {
    "pico_choice": """
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: answer
num_fewshot: 0
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
""",
    "pico_shots": """
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: answer
fewshot_split: test
fewshot_config: {sampler: first_n}
num_fewshot: 2
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
""",
    "pico_rolling": """
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{question}}"
metric_list: [{metric: bits_per_byte, aggregation: bits_per_byte, higher_is_better: false}]
""",
    "pico_words": """
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{choices[0]}}"
generation_kwargs: {until: ["a"], max_gen_toks: 6, do_sample: false}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
""",
}


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_llama_family(tmp_path_factory.mktemp("family"), train_steps=30)


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few documents and four tasks over them."""
    folder = tmp_path_factory.mktemp("tasks")
    rng = np.random.default_rng(0)
    docs = [
        {
            "question": " ".join(rng.choice(WORDS, 4 + i % 30)) + " ",
            "choices": [str(word) for word in rng.choice(WORDS, 3, replace=False)],
            "answer": int(i % 3),
        }
        for i in range(40)
    ]
    (folder / "docs.jsonl").write_text("\n".join(json.dumps(doc) for doc in docs))
    for name, text in TASKS.items():
        head = (
            f"task: {name}\ndataset_path: json\n"
            f"dataset_kwargs: {{data_files: {{test: {folder / 'docs.jsonl'}}}}}\n"
            "test_split: test\nmetadata: {version: 1.0}\n"
        )
        (folder / f"{name}.yaml").write_text(head + text)
    return folder


def theirs(folder: Path, tasks: Path, name: str) -> list[dict[str, Any]]:
    """Return what the harness itself says of each document."""
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=4)
    manager = lm_eval.tasks.TaskManager(include_path=str(tasks), include_defaults=False)
    found = lm_eval.simple_evaluate(
        model, tasks=[name], task_manager=manager, bootstrap_iters=0, log_samples=True
    )
    assert found is not None
    return sorted(found["samples"][name], key=lambda row: row["doc_id"])


def ours(folder: Path, tasks: Path, name: str, **options: str) -> HarnessTask:
    return HarnessTask(TaskName("lm-eval", name, options), folder, include=tasks)


def runner_of(folder: Path) -> Runner:
    model = FileCheckpoint(folder)
    config = model.config()
    assert config is not None
    runner = Runner(config, float_shapes(model))
    runner.load(read_tensors(model))
    return runner


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("pico_choice", "acc"),
        ("pico_choice", "acc_norm"),
        ("pico_shots", "acc"),
        ("pico_words", "exact_match"),
    ],
)
def test_answers_are_those_of_the_harness(
    family: Path, tasks: Path, name: str, metric: str
) -> None:
    task = ours(family / "alpha", tasks, name, docs="all", metric=metric)
    found = task.predict(runner_of(family / "alpha"), "test")
    expected = [float(row[metric]) for row in theirs(family / "alpha", tasks, name)]
    assert found.top.tolist() == expected
    assert isinstance(task, Task) and isinstance(task, Explained)


def test_bits_per_byte_are_those_of_the_harness(family: Path, tasks: Path) -> None:
    task = ours(family / "alpha", tasks, "pico_rolling", docs="all")
    found = task.predict(runner_of(family / "alpha"), "test")
    rows = [row["bits_per_byte"] for row in theirs(family / "alpha", tasks, "pico_rolling")]
    assert np.allclose(found.top, [-log / math.log(2) for log, _ in rows], rtol=1e-5)
    assert found.bottom.tolist() == [size for _, size in rows]


def test_halves_share_no_document_and_a_part_is_answered_as_the_whole(
    family: Path, tasks: Path
) -> None:
    task = ours(family / "alpha", tasks, "pico_shots")
    sizes = task.splits
    assert sizes["validation"] + sizes["test"] == 40 and min(sizes.values()) > 5
    runner = runner_of(family / "alpha")
    whole, index = task.predict(runner, "validation"), np.array([4, 1])
    assert task.predict(runner, "validation", index=index) == whole.take(index)
    assert "divided by a hash" in task.about and "2 examples in the prompt" in task.about


def test_the_score_has_our_interval_and_is_remembered(family: Path, tasks: Path) -> None:
    saved = FileCheckpoint(family / "alpha")
    task = ours(family / "alpha", tasks, "pico_choice", most="20", docs="all")
    scorer = Scorer(saved, [task])
    full = scorer.full("d", lambda: read_tensors(saved))
    row = summarise(full, [task]).tasks[0]
    assert (row.task, row.metric, row.n) == ("lm-eval:pico_choice", "accuracy", 20)
    assert 0 <= row.low <= row.value <= row.high <= 1
    assert scorer.full("d", lambda: pytest.fail("must not be read again")) == full


def test_what_cannot_be_scored_is_refused(family: Path, tasks: Path) -> None:
    base = FileCheckpoint(family / "base")
    name = parse_name("lm-eval:arc_eazy")
    assert name is not None
    with pytest.raises(TaskError, match="no task 'arc_eazy'. Did you mean 'arc_easy'"):
        _ = open_harness_task(name, base).splits
    with pytest.raises(TaskError, match="is a group of tasks"):
        _ = HarnessTask(TaskName("lm-eval", "mmlu"), family / "base").splits
    with pytest.raises(TaskError, match="counts acc, acc_norm; of these"):
        _ = ours(family / "base", tasks, "pico_choice", metric="f1").metric
    with pytest.raises(TaskError, match="docs must be 'half' or 'all'"):
        _ = ours(family / "base", tasks, "pico_choice", docs="some").splits
