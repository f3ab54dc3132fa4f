"""What is told about a method wherever it is shown: needs, cost, where it fails, how sure."""

import re
from typing import Any, NamedTuple

from merger.evidence import EVIDENCE
from merger.spec import LAWS, Method

WORKS_ON = {
    "element": "single entries",
    "row": "rows: one output channel each",
    "tensor": "whole tensors",
    "model": "the whole model at once",
}
GIVES = {
    "delta": "one model",
    "weight": "one model",
    "per_task": "one model per expert",
    "deltas": "changed task vectors",
}
STAGES = {"before": "a verb before the method", "after": "a verb after the method"}
ARXIV = re.compile(r"^arXiv:(\d{4}\.\d{4,5})$")


class Fact(NamedTuple):
    """One line of the table about a method.

    Args:
        name: What it is about.
        text: What there is to say; names of settings stand in backticks.
        lines: The same at length, one statement each; empty where the text says all.
        link: Where the source can be read; empty without one.
    """

    name: str
    text: str
    lines: tuple[str, ...] = ()
    link: str = ""


def facts_of(method: Method) -> tuple[Fact, ...]:
    """Return everything the table about a method says, in reading order."""
    neutral = method.neutral_for(3).items()
    evidence = method.evidence or ""
    facts = (
        Fact("Place", STAGES.get(method.stage, "")),
        Fact("Needs", ", ".join(method.needs) or "nothing but the experts"),
        Fact("Experts", _count(method)),
        Fact("Order of the experts", method.order_words if method.stage == "merge" else ""),
        Fact("Gives", GIVES[method.output]),
        Fact("Works on", WORKS_ON[method.scope_at(method.resolve({}))]),
        Fact("Cost", cost_of(method)),
        Fact("Where it fails", section_of(method, "Fails")),
        Fact("How sure", evidence, (f"{evidence}: {EVIDENCE[evidence]}",) if evidence else ()),
        Fact("Paper", _paper(method), link=link_of(method)),
        Fact("Coefficients", "without effect" if method.weights_note else ""),
        Fact("Neutral with 3 experts", ", ".join(f"`{k}: {value_words(v)}`" for k, v in neutral)),
        Fact("Laws", ", ".join(method.laws), tuple(f"{law}: {LAWS[law]}" for law in method.laws)),
    )
    return tuple(fact for fact in facts if fact.text)


def cost_of(method: Method) -> str:
    """Return how often the models are read at the defaults, and what is decomposed or ranked."""
    defaults = method.resolve({})
    surveyed = [use.of for use in method.feeds if use.feed.surveyed]
    wanted = [of.scope_at(defaults) for of in surveyed if of.wanted_at(defaults)]
    passes = "one pass over the models"
    if "global" in wanted:
        passes = "passes over the whole models to measure, then one to merge"
    elif wanted:
        passes = "a pass to measure each tensor, then one to merge"
    more = section_of(method, "Cost").rstrip(".")
    return f"{passes}; {_inside(more)}" if more else passes


def _inside(text: str) -> str:
    """Return a sentence as it stands within another; abbreviations keep their capitals."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def title_of(method: Method) -> str:
    """Return the title of the paper, from the docstring; empty where none has an arXiv number."""
    found = re.search(
        rf"([^,;]+), \d{{4}}, {re.escape(method.paper)}", section_of(method, "Reference")
    )
    return found.group(1).strip() if found and ARXIV.match(method.paper) else ""


def link_of(method: Method) -> str:
    """Return where the paper can be read; empty where it has no arXiv number."""
    found = ARXIV.match(method.paper)
    return f"https://arxiv.org/abs/{found.group(1)}" if found else ""


def search_text(method: Method) -> str:
    """Return everything that a search for the method looks into, in lower case."""
    sections = [section_of(method, head) for head in ("Words", "Fails", "Reference")]
    words = (
        method.name, method.title, method.family, method.summary, method.paper,
        *method.needs, *method.dialects, GIVES[method.output], method.evidence or "", *sections,
    )  # fmt: skip
    return " ".join(" ".join(words).split()).lower()


def section_of(method: Method, head: str) -> str:
    """Return a paragraph of the docstring that begins with a word and a colon."""
    found = re.search(rf"^{head}: (.*(?:\n[ \t]+.*)*)", method.doc, re.MULTILINE)
    return " ".join(found.group(1).split()) if found else ""


def value_words(value: Any) -> str:
    """Return a setting as recipes write it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _count(method: Method) -> str:
    low, high = method.experts
    if high is None:
        return f"{low} or more"
    return f"{low}" if low == high else f"{low} to {high}"


def _paper(method: Method) -> str:
    title = title_of(method)
    return f"{title}, {method.paper}" if title else method.paper
