"""Write docs/methods.md: every method and verb, from what it declares about itself.

python -m merger.docs [--check]     # --check writes nothing, and fails if the page is not current
"""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from merger.knobs import Param
from merger.spec import LAWS, METHODS, Method

PAGE = Path(__file__).parents[1] / "docs" / "methods.md"
INTRO = """# Merge methods

*Written by `make docs` from the declarations in `merger/methods/`; edits here are lost.*

Symbols: θ₀ the base, θₜ an expert, τₜ = θₜ − θ₀ its task vector (already multiplied by the
expert's coefficient), T the number of experts, λ the scale. Settings are checked against what is
valid; a slider covers the useful part of that. A setting marked *per expert* takes a list with one
value per expert. Numbers may change with depth: `{depth: [first, …, last]}`.
`python -m merger methods NAME` shows the same for one method."""
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


def main(arguments: Sequence[str]) -> int:
    """Write the page, or only compare it."""
    text = page(list(METHODS.values()))
    if "--check" in arguments:
        current = PAGE.is_file() and PAGE.read_text("utf-8") == text
        print("docs/methods.md is current." if current else "docs/methods.md: run `make docs`.")
        return 0 if current else 1
    PAGE.write_text(text, "utf-8", newline="\n")
    print(f"Wrote {PAGE.name}: {len(METHODS)} methods and verbs.")
    return 0


def page(methods: Sequence[Method]) -> str:
    """Return the page about these methods, grouped by family."""
    families: dict[str, list[Method]] = {}
    for method in sorted(methods, key=lambda m: m.place):
        family = method.family if method.stage == "merge" else "verbs"
        families.setdefault(family, []).append(method)
    laws = "\n".join(f"- {name}: {_escaped(text)}" for name, text in LAWS.items())
    parts = [INTRO, f"Laws that the tests hold methods to, where they claim them:\n\n{laws}"]
    parts += ["## Contents", _contents(families)]
    for family, members in families.items():
        parts.append(f"## {_capital(family)}")
        parts += [section(method) for method in members]
    return "\n\n".join(parts) + "\n"


def section(method: Method) -> str:
    """Return what the page says about one method."""
    parts = [f"### {_escaped(method.title)} (`{method.name}`)", _escaped(method.summary)]
    if method.formula:
        parts.append(f"```text\n{method.formula}\n```")
    facts = [f"- **{name}**: {text}" for name, text in _facts(method) if text]
    parts.append("\n".join(facts))
    if method.params:
        parts.append(_settings(method.params))
    if method.dialects:
        parts.append(_dialects(method))
    for name, text in (("Refuses", _paragraph(method.doc, "Raises")),
                       ("Reference", _paragraph(method.doc, "Reference"))):  # fmt: skip
        if text:
            parts.append(f"**{name}**: {_linked(_escaped(text))}")
    return "\n\n".join(parts)


def _contents(families: Mapping[str, Sequence[Method]]) -> str:
    lines = []
    for family, members in families.items():
        links = ", ".join(f"[{_escaped(m.title)}](#{_anchor(m)})" for m in members)
        lines.append(f"- {_capital(family)}: {links}")
    return "\n".join(lines)


def _facts(method: Method) -> list[tuple[str, str]]:
    low, high = method.experts
    count = f"{low}" if low == high else f"{low} or more" if high is None else f"{low} to {high}"
    neutral = method.neutral_for(3)
    return [
        ("Place", STAGES.get(method.stage, "")),
        ("Needs", ", ".join(method.needs) or "nothing but the experts"),
        ("Experts", count),
        ("Order of the experts", method.order_words if method.stage == "merge" else ""),
        ("Gives", GIVES[method.output]),
        ("Works on", _cost(method)),
        ("Coefficients", "" if not method.weights_note else "without effect"),
        ("Neutral with 3 experts", ", ".join(f"`{k}: {_value(v)}`" for k, v in neutral.items())),
        ("Laws", ", ".join(method.laws)),
    ]


def _cost(method: Method) -> str:
    defaults = method.resolve({})
    text = WORKS_ON[method.scope_at(defaults)]
    surveyed = [use.of for use in method.feeds if use.feed.surveyed]
    wide = any(of.scope_at(defaults) == "global" and of.wanted_at(defaults) for of in surveyed)
    return f"{text}, after a pass over the whole models" if wide else text


def _settings(params: Sequence[Param]) -> str:
    rows = [("setting", "default", "valid", "slider", "meaning"), ("---",) * 5]
    for param in params:
        symbol = f" ({_escaped(param.knob.symbol)})" if param.knob.symbol else ""
        each = ", *per expert*" if param.per_expert else ""
        default = param.knob.none if param.default is None else _value(param.default)
        track = param.to_json()["slider"]
        slider = " to ".join(_value(v) for v in track) if track and not param.choices else ""
        rows.append(
            (f"`{param.name}`{symbol}", f"`{default}`", _valid(param) + each, slider,
             _escaped(param.help))
        )  # fmt: skip
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _valid(param: Param) -> str:
    if param.choices:
        return ", ".join(f"`{word}`" for word in param.choices)
    if param.type is bool:
        return "`true`, `false`"
    low, high = param.knob.low, param.knob.high
    kind = "a whole number" if param.type is int else "a number"
    if low is not None and high is not None:
        kind += f" from {_value(low)} to {_value(high)}"
    elif low is not None:
        kind += f" from {_value(low)} up"
    elif high is not None:
        kind += f" up to {_value(high)}"
    return f"{kind}, or `{param.knob.none}`" if param.optional else kind


def _dialects(method: Method) -> str:
    lines = []
    for word, settings in method.dialects.items():
        changes = ", ".join(f"`{k}: {_value(v)}`" for k, v in settings.items())
        lines.append(f"- `dialect: {word}` sets {changes}")
    return "\n".join(lines)


def _paragraph(doc: str, head: str) -> str:
    """Return a paragraph of a docstring that begins with a word and a colon."""
    found = re.search(rf"^{head}: (.*(?:\n[ \t]+.*)*)", doc, re.MULTILINE)
    return " ".join(found.group(1).split()) if found else ""


def _linked(text: str) -> str:
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is; what stands in backticks stays code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"([\\*_|<>\[\]])", r"\\\1", part)
        for part in parts
    )


def _anchor(method: Method) -> str:
    title = f"{method.title} {method.name}".lower()
    return re.sub(r"[^\w\- ]", "", title).replace(" ", "-")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
