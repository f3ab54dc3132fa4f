"""Tasks of lm-evaluation-harness: our answers are those of its own Hugging Face model."""

import json
import math
import shutil
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
from merger.tasks.harness_groups import expand
from merger.tasks.harness_model import HarnessModel
from merger.tasks.names import TaskName, parse_name
from merger.tasks.tokens import open_tokenizer
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


TASKS["pico_few"] = TASKS["pico_choice"]
BY_SIZE = "{metric: acc, weight_by_size: true}"
GROUPS = {
    "pico_all": f"task: [pico_group, pico_shots]\naggregate_metric_list: [{BY_SIZE}]\n",
    "pico_group": "task: [pico_choice, pico_few]\n"
    "aggregate_metric_list: [{metric: acc_norm, weight_by_size: false}]\n",
}
TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('none') }}{% endif %}"
    "{{ m['role'][0] }}:{{ m['content'] }} {% endfor %}{% if add_generation_prompt %}a:{% endif %}"
)
WITH_SYSTEM = TEMPLATE.replace("{{ raise_exception('none') }}", "")


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
    (folder / "few.jsonl").write_text("\n".join(json.dumps(doc) for doc in docs[:10]))
    for name, text in GROUPS.items():
        (folder / f"{name}.yaml").write_text(f"group: {name}\n{text}")
    for name, text in TASKS.items():
        docs_of = "few.jsonl" if name == "pico_few" else "docs.jsonl"
        head = (
            f"task: {name}\ndataset_path: json\n"
            f"dataset_kwargs: {{data_files: {{test: {folder / docs_of}}}}}\n"
            "test_split: test\nmetadata: {version: 1.0}\n"
        )
        (folder / f"{name}.yaml").write_text(head + text)
    return folder


def theirs(folder: Path, tasks: Path, name: str, **settings: Any) -> list[dict[str, Any]]:
    """Return what the harness itself says of each document."""
    found = evaluated(folder, tasks, name, log_samples=True, **settings)
    return sorted(found["samples"][name], key=lambda row: row["doc_id"])


def evaluated(folder: Path, tasks: Path, name: str, **settings: Any) -> dict[str, Any]:
    """Return what the harness itself finds."""
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=4)
    manager = lm_eval.tasks.TaskManager(include_path=str(tasks), include_defaults=False)
    found = lm_eval.simple_evaluate(
        model, tasks=[name], task_manager=manager, bootstrap_iters=0, **settings
    )
    assert found is not None
    return found


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


@pytest.fixture(scope="module", params=[WITH_SYSTEM, TEMPLATE], ids=["system", "no system"])
def talker(
    request: pytest.FixtureRequest, family: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A model whose tokenizer has a chat template."""
    folder = shutil.copytree(family / "alpha", tmp_path_factory.mktemp("talker") / "alpha")
    (folder / "chat_template.jinja").write_text(request.param)
    return folder


@pytest.mark.parametrize("turns", [True, False])
@pytest.mark.parametrize("system", ["", "abc def."])
@pytest.mark.parametrize("name", ["pico_shots", "pico_words"])
def test_chats_are_put_as_the_harness_puts_them(
    talker: Path, tasks: Path, name: str, turns: bool, system: str
) -> None:
    options = {"chat": "yes", "turns": "yes" if turns else "no", "docs": "all"}
    task = ours(talker, tasks, name, **options | ({"system": system} if system else {}))
    rows = theirs(
        talker, tasks, name, apply_chat_template=True, fewshot_as_multiturn=turns,
        system_instruction=system or None,
    )  # fmt: skip
    asked: list[tuple[Any, ...]] = []
    model = HarnessModel(runner_of(talker), open_tokenizer(talker))
    for kind in ("loglikelihood", "generate_until"):
        setattr(model, kind, _noting(getattr(model, kind), asked))
    counted = task._answer(model, task._docs["test"])
    assert [float(value) for value in counted] == [float(row[task.counted]) for row in rows]
    prompts = [pair[0] for row in rows for pair in row["arguments"]]
    assert [args[0] for args in asked] == prompts
    assert ("examples as turns" in task.about) is turns and ("system" in task.about) is bool(
        system
    )


def _noting(ask: Any, asked: list[tuple[Any, ...]]) -> Any:
    def note(requests: Any) -> Any:
        asked.extend(requests)
        return ask(requests)

    return note


def test_a_system_instruction_needs_no_template(family: Path, tasks: Path) -> None:
    task = ours(family / "alpha", tasks, "pico_choice", docs="all", system="abc. ")
    found = task.predict(runner_of(family / "alpha"), "test")
    rows = theirs(family / "alpha", tasks, "pico_choice", system_instruction="abc. ")
    assert found.top.tolist() == [float(row["acc"]) for row in rows]


def test_a_template_that_is_not_there_and_switches_that_are_none_are_refused(
    family: Path, tasks: Path
) -> None:
    with pytest.raises(TaskError, match="no chat template"):
        _ = ours(family / "alpha", tasks, "pico_choice", chat="yes").content
    with pytest.raises(TaskError, match="chat must be yes or no, got 'maybe'"):
        _ = ours(family / "alpha", tasks, "pico_choice", chat="maybe").about
    with pytest.raises(TaskError, match="turns=yes makes turns"):
        _ = ours(family / "alpha", tasks, "pico_choice", turns="yes").about


def test_groups_are_put_together_as_the_harness_does(family: Path, tasks: Path) -> None:
    saved = FileCheckpoint(family / "alpha")
    opened = expand(ours(family / "alpha", tasks, "pico_all", docs="all"))
    assert [task.title for task in opened] == ["pico_choice", "pico_few", "pico_shots"]
    # What the outer group puts together counts, unless the name asks for another metric.
    assert [task.counted for task in opened] == ["acc", "acc", "acc"]
    full = Scorer(saved, opened).full("d", lambda: read_tensors(saved), "test")
    report = summarise(full, opened)
    theirs_ = evaluated(family / "alpha", tasks, "pico_all")
    for row in report.tasks:
        expected = theirs_["results"][row.task.removeprefix("lm-eval:")]["acc,none"]
        assert row.value == pytest.approx(expected) and row.low <= row.value <= row.high
    (group,) = report.groups
    assert group.value == pytest.approx(theirs_["results"]["pico_all"]["acc,none"])
    assert (group.task, group.n) == ("lm-eval:pico_all", 90)
    assert group.low < group.value < group.high
    assert group.high - group.low < min(row.high - row.low for row in report.tasks)
    assert "the mean of 3 tasks, weighted by documents" in report.notes[-1]
    assert [one["task"] for one in report.to_json()["groups"]] == ["lm-eval:pico_all"]
    assert report.mean == pytest.approx(np.mean([row.value for row in report.tasks]))


def test_a_group_whose_tasks_count_the_same_takes_their_plain_mean(
    family: Path, tasks: Path
) -> None:
    saved = FileCheckpoint(family / "alpha")
    opened = expand(ours(family / "alpha", tasks, "pico_group", docs="all"))
    assert [task.counted for task in opened] == ["acc_norm", "acc_norm"]
    full = Scorer(saved, opened).full("d", lambda: read_tensors(saved), "test")
    (group,) = summarise(full, opened).groups
    theirs_ = evaluated(family / "alpha", tasks, "pico_group")
    assert group.value == pytest.approx(theirs_["results"]["pico_group"]["acc_norm,none"])
    assert expand(ours(family / "alpha", tasks, "pico_choice"))[0].group is None


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
