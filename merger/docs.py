"""Write docs/methods.md: every method and verb, from what it declares about itself.

python -m merger.docs [--check]     # --check writes nothing, and fails if the page is not current
"""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from merger.evidence import EVIDENCE
from merger.facts import Fact, facts_of, section_of, value_words
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
    sure = "\n".join(f"- {word}: {_escaped(text)}" for word, text in EVIDENCE.items())
    parts = [
        INTRO,
        f"Laws that the tests hold methods to, where they claim them:\n\n{laws}",
        f"How sure a method's specification is:\n\n{sure}",
    ]
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
    parts.append("\n".join(f"- **{fact.name}**: {_fact(fact)}" for fact in facts_of(method)))
    if method.params:
        parts.append(_settings(method.params))
    if method.dialects:
        parts.append(_dialects(method))
    for name, head in (("Refuses", "Raises"), ("Reference", "Reference")):
        text = section_of(method, head)
        if text:
            parts.append(f"**{name}**: {_linked(_escaped(text))}")
    return "\n\n".join(parts)


def _fact(fact: Fact) -> str:
    return _linked(_escaped(fact.text))


def _contents(families: Mapping[str, Sequence[Method]]) -> str:
    lines = []
    for family, members in families.items():
        links = ", ".join(f"[{_escaped(m.title)}](#{_anchor(m)})" for m in members)
        lines.append(f"- {_capital(family)}: {links}")
    return "\n".join(lines)


def _settings(params: Sequence[Param]) -> str:
    rows = [("setting", "default", "valid", "slider", "meaning"), ("---",) * 5]
    for param in params:
        symbol = f" ({_escaped(param.knob.symbol)})" if param.knob.symbol else ""
        each = ", *per expert*" if param.per_expert else ""
        default = param.knob.none if param.default is None else value_words(param.default)
        track = param.to_json()["slider"]
        slider = " to ".join(value_words(v) for v in track) if track and not param.choices else ""
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
        kind += f" from {value_words(low)} to {value_words(high)}"
    elif low is not None:
        kind += f" from {value_words(low)} up"
    elif high is not None:
        kind += f" up to {value_words(high)}"
    return f"{kind}, or `{param.knob.none}`" if param.optional else kind


def _dialects(method: Method) -> str:
    lines = []
    for word, settings in method.dialects.items():
        changes = ", ".join(f"`{k}: {value_words(v)}`" for k, v in settings.items())
        lines.append(f"- `dialect: {word}` sets {changes}")
    return "\n".join(lines)


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


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
