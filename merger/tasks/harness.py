"""Any task of lm-evaluation-harness by name: `lm-eval:NAME`, where the harness is installed.

Prompts, answers and metrics are the harness's; the model, the splits, what is remembered and the
intervals are ours.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from merger.checkpoint import Checkpoint
from merger.errors import TaskError, did_you_mean
from merger.runner import Runner
from merger.tasks.base import Metric, Outcomes, Pause, check_split
from merger.tasks.harness_chat import Chat, chat_of
from merger.tasks.harness_docs import Dealt, deal, plain
from merger.tasks.harness_model import HarnessModel
from merger.tasks.names import TaskName
from merger.tasks.text import is_causal
from merger.tasks.tokens import open_tokenizer, tokenizer_digest

INSTALL = "Install it: pip install -r requirements-lm-eval.txt"
SHARES = ("acc", "exact_match", "acc_norm", "em", "acc_bytes")
BYTES = ("bits_per_byte", "byte_perplexity")
SEED = 1234  # the harness's own
CHUNK = 8


def open_harness_task(name: TaskName, reference: Checkpoint) -> HarnessTask:
    """Return a task of the harness; its examples are fetched when they are first needed.

    Raises:
        TaskError: the harness is not installed, or the models do not predict text.
    """
    if find_spec("lm_eval") is None:
        raise TaskError(f"{name.short}: needs lm-evaluation-harness.", INSTALL)
    if not is_causal(reference.config()) or reference.folder is None:
        raise TaskError(
            f"{name.short}: needs a causal language model, {reference.label} is none.",
            "Use models whose config.json names a …ForCausalLM architecture.",
        )
    return HarnessTask(name, reference.folder)


@dataclass(frozen=True)
class HarnessTask:
    """A task of the harness.

    Its validation and test documents are ours; where it has only one of them, each document goes
    to one side by a hash of its content.

    Args:
        called: Its name and options.
        model_folder: Folder of the base, for its tokenizer.
        include: A folder with task files to use instead of the harness's own; for tests.
        opened: The harness's own task, where its group was loaded already.
        group: The group that it was named by, if it was.
    """

    called: TaskName
    model_folder: Path
    include: Path | None = None
    opened: Any = field(default=None, compare=False)
    group: Any = field(default=None, compare=False)

    expert: str | None = None

    @property
    def name(self) -> str:
        """`lm-eval:` and the task's name there."""
        return self.called.short

    @property
    def title(self) -> str:
        """The task's name in the harness."""
        return self.called.title

    @property
    def metric(self) -> Metric:
        """Accuracy for a metric of right or wrong answers, else bits per byte."""
        return "accuracy" if self.counted in SHARES else "bits_per_byte"

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger value is a better one."""
        return self.metric == "accuracy"

    @property
    def splits(self) -> Mapping[str, int]:
        """Number of documents by split."""
        return {split: len(self._docs[split]) for split in ("validation", "test")}

    @property
    def about(self) -> str:
        """Which metric of the harness is counted, and on which of its documents."""
        version = import_module("importlib.metadata").version("lm_eval")
        shots = self._task.config.num_fewshot or 0
        return (
            f"{self.counted} of lm-evaluation-harness {version}, {shots} examples in the prompt, "
            f"{self._chat.words}; {self._dealt.words}."
        )

    @property
    def content(self) -> str:
        """Digest of the documents, of the options and of the tokenizer."""
        return self._content

    @cached_property
    def _content(self) -> str:
        mark = hashlib.blake2b(repr(sorted(self.called.options.items())).encode(), digest_size=16)
        mark.update(f"{self.title} {self._task.VERSION} {self.counted}".encode())
        mark.update(tokenizer_digest(self.model_folder).encode())
        # The template may lie in a file of its own.
        mark.update(self._chat.check(self.name, open_tokenizer(self.model_folder)).encode())
        mark.update(json.dumps(self._task.dump_config(), sort_keys=True, default=str).encode())
        for split, docs in sorted(self._docs.items()):
            mark.update("\n".join([split, *map(plain, docs)]).encode())
        return mark.hexdigest()

    def best(self, split: str) -> float | None:
        """Return None: no expert is known to belong to it."""
        return None

    def strata(self, split: str) -> np.ndarray:
        """Return which of eight parts of the documents each lies in."""
        n = len(self._docs[split])
        return np.arange(n) * 8 // max(1, n)

    def predict(
        self,
        runner: Runner,
        split: str,
        *,
        index: np.ndarray | None = None,
        pause: Pause | None = None,
    ) -> Outcomes:
        """Answer the documents of a split, or those of `index`."""
        check_split(split)
        docs = self._docs[split]
        chosen = np.arange(len(docs)) if index is None else index
        tokenizer = open_tokenizer(self.model_folder)
        self._chat.check(self.name, tokenizer)
        model = HarnessModel(runner, tokenizer)
        values: list[Any] = []
        for start in range(0, len(chosen), CHUNK):
            if pause is not None:
                pause(start)
            values += self._answer(model, [docs[i] for i in chosen[start : start + CHUNK]])
        return self._outcomes(values, self._dealt.groups[split][chosen])

    def _answer(self, model: HarnessModel, docs: Sequence[Any]) -> list[Any]:
        """Return the counted metric of some documents."""
        task, asked = self._task, []
        for i, doc in enumerate(docs):
            # By document, so that a part of them is asked the same as all of them.
            task.set_fewshot_seed(SEED)
            context = task.fewshot_context(
                doc,
                task.config.num_fewshot or 0,
                gen_prefix=task.doc_to_prefix(doc),
                **self._chat.settings(model.tokenizer),
            )
            made = task.construct_requests(
                doc=doc,
                ctx=context,
                metadata=(self.title, i, task.config.repeats),
                **self._chat.of_requests(model.tokenizer),
            )
            asked.append(made if isinstance(made, list) else [made])
        flat = [request for requests in asked for request in requests]
        for kind in dict.fromkeys(request.request_type for request in flat):
            mine = [request for request in flat if request.request_type == kind]
            said = getattr(model, kind)([request.args for request in mine])
            for request, answer in zip(mine, said, strict=True):
                request.resps.extend([answer] * request.repeats)
        task._instances = flat
        task.apply_filters()
        first = next(iter(flat[0].filtered_resps))
        found = []
        for doc, requests in zip(docs, asked, strict=True):
            answers = [request.filtered_resps[first] for request in requests]
            found.append(task.process_results(doc, answers)[self.counted])
        return found

    def _outcomes(self, values: Sequence[Any], groups: np.ndarray) -> Outcomes:
        if self.metric == "bits_per_byte":
            pairs = np.array(values, np.float64).reshape(-1, 2)  # log-likelihood and bytes
            return Outcomes(-pairs[:, 0] / math.log(2), pairs[:, 1], groups)
        top = np.array([float(value) for value in values])
        if not np.isin(top, (0.0, 1.0)).all():
            raise TaskError(
                f"{self.name}: {self.counted} must be right or wrong for each document, got "
                f"{top[~np.isin(top, (0.0, 1.0))][0]:g}.",
                "Choose another with metric=NAME.",
            )
        return Outcomes(top, np.ones_like(top), groups)

    @cached_property
    def _task(self) -> Any:
        manager = manager_of(self.include)
        if self.title not in manager.all_tasks:
            raise TaskError(
                f"lm-eval has no task {self.title!r}.", did_you_mean(self.title, manager.all_tasks)
            )
        if self.title not in manager.all_subtasks:
            raise TaskError(
                f"{self.name}: is a group of tasks of lm-eval, not one task.",
                "Score it with the command score, or name its tasks, each as lm-eval:NAME.",
            )
        task = self.opened if self.opened is not None else self.load()["tasks"][self.title]
        if getattr(task, "UNSAFE_CODE", False) or getattr(task, "MULTIMODAL", False):
            raise TaskError(
                f"{self.name}: runs code that models write, or needs images or sound.",
                "Score it with lm-eval itself.",
            )
        shots = self.called.options.get("shots")
        if shots is not None:
            task.set_config("num_fewshot", int(shots))
        return task

    @property
    def filter(self) -> str:
        """The name of the filter whose answers count: the first."""
        return self._task._filters[0].name

    @cached_property
    def _chat(self) -> Chat:
        return chat_of(self.called)

    @cached_property
    def counted(self) -> str:
        """The metric of the harness that counts."""
        known = list(self._task.higher_is_better())
        usable = [metric for metric in (*SHARES, *BYTES) if metric in known]
        wanted = self.called.options.get("metric", usable[0] if usable else "")
        if wanted not in usable:
            raise TaskError(
                f"{self.name}: counts {', '.join(known) or 'nothing'}; of these, "
                f"{', '.join(usable) or 'none'} can be given an interval here.",
                "Choose one with metric=NAME, or another task.",
            )
        return wanted

    def load(self) -> Mapping[str, Any]:
        """Return what the harness finds under this name: tasks, and groups of them.

        Raises:
            TaskError: examples could not be fetched or read.
        """
        try:
            return manager_of(self.include).load(self.title)
        except Exception as error:  # noqa: BLE001  (data sets are fetched here, by any means)
            first = "".join(str(error).strip().splitlines()[:1])[:200]
            raise TaskError(
                f"{self.name}: its examples could not be read ({type(error).__name__}: {first}).",
                "Fetch them once with a connection to the Hub, or choose another task.",
            ) from error

    @property
    def _docs(self) -> Mapping[str, Sequence[Any]]:
        return self._dealt.docs

    @cached_property
    def _dealt(self) -> Dealt:
        docs, most = self.called.options.get("docs", "half"), self.called.number("most", 0)
        if docs not in ("half", "all"):
            raise TaskError(f"{self.name}: docs must be 'half' or 'all', got {docs!r}.")
        return deal(self._task, whole=docs == "all", most=most or None)


@cache
def manager_of(include: Path | None) -> Any:
    """Return the harness's index of tasks, which takes seconds to make."""
    tasks = import_module("lm_eval.tasks")
    return tasks.TaskManager(include_path=include, include_defaults=include is None)
