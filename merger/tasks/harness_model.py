"""Answers what tasks of lm-evaluation-harness ask a language model, with a model in memory.

Texts are cut into tokens as the harness's own Hugging Face model does it: with the tokenizer's
special tokens, spaces at the end of a context moved to what follows, long contexts cut on the
left.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch

from merger.errors import TaskError
from merger.runner import Runner
from merger.tasks.continuations import Continued, continuation_logs

LONGEST = 2048  # where the config does not say what the model knows
MOST_NEW = 256


class HarnessModel:
    """A model for the harness.

    Args:
        runner: The model, with its numbers loaded.
        tokenizer: Its tokenizer.
    Raises:
        TaskError: the tokenizer has no token to begin with.
    """

    def __init__(self, runner: Runner, tokenizer: Any) -> None:
        self._runner = runner
        self.tokenizer = tokenizer
        known = getattr(runner.config, "max_position_embeddings", None)
        self._longest = known if isinstance(known, int) and known > 1 else LONGEST
        first = tokenizer.bos_token_id
        self._first = tokenizer.eos_token_id if first is None else first
        if self._first is None:
            raise TaskError(
                f"{runner.label}: lm-eval needs a tokenizer with a first or last token.",
                "Set bos_token in tokenizer_config.json.",
            )

    def loglikelihood(self, asked: Sequence[tuple[str, str]]) -> list[tuple[float, bool]]:
        """Return how likely each continuation is after its context, and whether it is greedy."""
        logs, greedy = continuation_logs(self._runner, [self._pair(c, f) for c, f in asked])
        return [(float(log), bool(best)) for log, best in zip(logs, greedy, strict=True)]

    def loglikelihood_rolling(self, asked: Sequence[tuple[str]]) -> list[float]:
        """Return how likely each whole text is, in windows that predict each token once."""
        utils = import_module("lm_eval.utils")
        found = []
        for (text,) in asked:
            windows = utils.get_rolling_token_windows(
                token_list=self._encode(text),
                prefix_token=self._first,
                max_seq_len=self._longest,
                context_len=1,
            )
            pairs = [
                Continued((*seen, said[-1]), len(seen) + 1 - len(said)) for seen, said in windows
            ]
            found.append(float(continuation_logs(self._runner, pairs)[0].sum()))
        return found

    def generate_until(self, asked: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
        """Return what the model goes on with, greedily, up to a stop word.

        Raises:
            TaskError: the task wants random draws.
        """
        return [self._generate(context, dict(settings)) for context, settings in asked]

    def _pair(self, context: str, following: str) -> Continued:
        if not context:
            ids = self.tokenizer.encode(following, add_special_tokens=False)
            return self._cut((self._first, *ids), 1)
        spaces = len(context) - len(context.rstrip())
        if spaces:
            context, following = context[:-spaces], context[-spaces:] + following
        whole = self._encode(context + following)
        start = len(self._encode(context)) if context else 0
        if not start:
            whole, start = [self._first, *whole], 1
        return self._cut(tuple(whole), start)

    def _encode(self, text: str) -> list[int]:
        """Return a text's tokens; a chat template may have set the first one already."""
        begins = import_module("lm_eval.models.utils").has_bos_prefix
        if begins(text, self.tokenizer.decode(self._first)):
            return self.tokenizer.encode(text, add_special_tokens=False)
        return self.tokenizer.encode(text)

    def _cut(self, ids: tuple[int, ...], start: int) -> Continued:
        cut = max(0, len(ids) - self._longest - 1)
        if start - cut < 1 or start >= len(ids):
            raise TaskError(
                f"{self._runner.label}: an answer of {len(ids) - start} tokens does not fit into "
                f"the {self._longest} that the model knows.",
                "Choose a task with shorter answers.",
            )
        return Continued(ids[cut:], start - cut)

    def _generate(self, context: str, settings: dict[str, Any]) -> str:
        if settings.get("do_sample") and settings.get("temperature", 1.0):
            raise TaskError(
                "lm-eval: this task draws its answers at random, and scores here do not.",
                "Choose a task that decodes greedily.",
            )
        until = settings.get("until") or []
        words = [until] if isinstance(until, str) else list(until)
        most = int(settings.get("max_gen_toks", settings.get("max_new_tokens", MOST_NEW)))
        room = self._longest - most
        if room < 1:
            raise TaskError(
                f"lm-eval: the task goes on for {most} tokens, the model knows {self._longest}.",
                "Choose a task with shorter answers.",
            )
        ids = torch.tensor([self._encode(context)[-room:]])
        with torch.inference_mode():
            module: Any = self._runner.module
            every = module.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=most,
                do_sample=False,
                use_cache=True,
                eos_token_id=self.tokenizer.eos_token_id,
                pad_token_id=self.tokenizer.eos_token_id or 0,
                **({"stop_strings": words, "tokenizer": self.tokenizer} if words else {}),
            )
        text = self.tokenizer.decode(every[0, ids.shape[1] :], skip_special_tokens=True)
        for word in words:
            text = text.split(word)[0] if word else text
        return text
