"""How prompts of lm-evaluation-harness are put to a model that was tuned on conversations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from jinja2 import TemplateError

from merger.errors import TaskError
from merger.tasks.names import TaskName

SWITCHES = ("chat", "turns")


@dataclass(frozen=True)
class Chat:
    """What a task's name says about conversations; the harness puts the messages together.

    Args:
        template: Whether the tokenizer's chat template is applied (`--apply_chat_template`).
        system: What the system says first (`--system_instruction`); "" for nothing.
        turns: Whether each example is a turn of its own (`--fewshot_as_multiturn`).
    """

    template: bool = False
    system: str = ""
    turns: bool = False

    def settings(self, tokenizer: Any) -> dict[str, Any]:
        """Return what the harness takes as it makes a prompt."""
        if not self.template:
            return {"system_instruction": self.system or None}
        return {
            "system_instruction": self.system or None,
            "apply_chat_template": True,
            "fewshot_as_multiturn": self.turns,
            "chat_template": partial(_render, tokenizer),
        }

    def of_requests(self, tokenizer: Any) -> dict[str, Any]:
        """Return what the harness takes as it makes requests of a prompt."""
        kept = ("apply_chat_template", "chat_template")
        return {k: v for k, v in self.settings(tokenizer).items() if k in kept}

    def check(self, label: str, tokenizer: Any) -> str:
        """Return the template that the harness picks of the tokenizer; "" where none is asked for.

        Raises:
            TaskError: the tokenizer has none.
        """
        if not self.template:
            return ""
        pick: Callable[..., str | None] = import_module(
            "lm_eval.api.model"
        ).TemplateLM.chat_template
        try:
            found = pick(SimpleNamespace(tokenizer=tokenizer), True)
        except (AttributeError, ValueError):
            found = None
        if not found:
            raise TaskError(
                f"{label}: its tokenizer has no chat template.",
                "Leave out chat=yes, or add chat_template.jinja beside the tokenizer.",
            )
        return found

    @property
    def words(self) -> str:
        """How prompts are put, for the sentence that says what was measured."""
        said = ", the system's words set" if self.system else ""
        if not self.template:
            return f"no chat template{said}"
        turns = "examples as turns" if self.turns else "examples in one turn"
        return f"the tokenizer's chat template, {turns}{said}"


def chat_of(name: TaskName) -> Chat:
    """Return what a task's name says about conversations.

    Raises:
        TaskError: a switch that is neither yes nor no, or turns without a template.
    """
    options: Mapping[str, str] = name.options
    for switch in SWITCHES:
        if options.get(switch, "no") not in ("yes", "no"):
            raise TaskError(
                f"{name.short}: {switch} must be yes or no, got {options[switch][:40]!r}."
            )
    template = options.get("chat") == "yes"
    # As the harness decides it where nobody says.
    turns = options.get("turns", "yes" if template else "no") == "yes"
    chat = Chat(template, options.get("system", ""), turns)
    if chat.turns and not chat.template:
        raise TaskError(
            f"{name.short}: turns=yes makes turns of a conversation, and there is none.",
            "Add chat=yes.",
        )
    return chat


def _render(
    tokenizer: Any, messages: list[dict[str, str]], add_generation_prompt: bool = True
) -> str:
    """Return messages as text, as the harness's own Hugging Face model does."""
    apply = partial(
        tokenizer.apply_chat_template,
        tokenize=False,
        add_generation_prompt=add_generation_prompt,
        continue_final_message=not add_generation_prompt,
    )
    try:
        return apply(messages)
    except TemplateError:
        # There are templates that refuse a system's words.
        return apply([message for message in messages if message["role"] != "system"])
