"""Which licences a merged model inherits, from what the models' own cards state.

This reads cards; it is no legal advice.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from merger.ancestry import made_from
from merger.checkpoint import Checkpoint
from merger.front_matter import read_front_matter

Kind = Literal["unknown", "free", "same terms", "own terms", "non-commercial", "no changes"]
NON_COMMERCIAL = re.compile(r"(?:^|[-_ ])(?:nc|mrl|mnpl|research)(?:$|[-_ ])|non-?commercial")
NO_CHANGES = re.compile(r"(?:^|-)nd(?:$|-)")
SAME_TERMS = re.compile(r"^(?:a?gpl|lgpl|osl|eupl|cc-by-sa|cc-by-nc-sa)")
OWN_TERMS = re.compile(
    r"llama|gemma|openrail|bigscience|bigcode|creativeml|deepseek|qwen|falcon|cohere|jais|"
    r"^other|apple|intel-research|tongyi|yi-|exaone|nvidia|health-ai|open-mdw-custom"
)


class Stated(NamedTuple):
    """What one model's card says of its licence.

    Args:
        name: How the recipe calls the model.
        licence: The licence, "" where the card states none or there is no card.
        kind: What it asks for, roughly.
        base: What the card says the model was made from.
        is_own: Whether the hub has no word for the licence, so that the card gives its name.
    """

    name: str
    licence: str
    kind: Kind
    base: tuple[str, ...]
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Lineage:
    """The licences of all models and what follows for the result.

    Args:
        models: What each model's card states, in the recipe's order.
        sentence: What the result inherits.
        warnings: What stands against passing the result on, or asks for more than attribution.
    """

    models: tuple[Stated, ...]
    sentence: str
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "models": [{"name": m.name, "licence": m.licence} for m in self.models],
            "sentence": self.sentence,
            "warnings": list(self.warnings),
        }


def lineage_of(named: Iterable[tuple[str, Checkpoint]]) -> Lineage:
    """Return the licences that models state, and what the result inherits.

    Args:
        named: Each model with the name that the recipe has for it; base first.
    """
    opened = list(named)
    models = []
    for i, (name, model) in enumerate(opened):
        parts = made_from(model, [other for j, (_, other) in enumerate(opened) if j != i])
        one = len(parts) == 1
        models += [stated(name if one else f"{name}: {part.label}", part) for part in parts]
    return Lineage(tuple(models), _sentence(models), tuple(_warnings(models)))


def stated(name: str, model: Checkpoint) -> Stated:
    """Return what a model's own card says of its licence."""
    table = {} if model.folder is None else read_front_matter(model.folder / "README.md")
    found = _texts(table.get("license"))
    # "other" is the hub's word for a licence that has its own name beside it.
    own = _texts(table.get("license_name")) if found[:1] == ["other"] else []
    licence = " + ".join(own or found)
    base = tuple(_texts(table.get("base_model")))
    return Stated(name, licence, kind_of(licence), base, bool(own))


def _texts(value: Any) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    texts = [text.strip() for text in listed if isinstance(text, str) and text.strip()]
    return ["".join(c if c.isprintable() else " " for c in text)[:80] for text in texts[:5]]


def kind_of(licence: str) -> Kind:
    """Return what a licence asks for, roughly, by its name on the hub.

    Example:
        >>> kind_of("apache-2.0"), kind_of("cc-by-nc-4.0"), kind_of("llama3.1"), kind_of("")
        ('free', 'non-commercial', 'own terms', 'unknown')
    """
    text = licence.lower()
    if not text:
        return "unknown"
    if NO_CHANGES.search(text):
        return "no changes"
    if NON_COMMERCIAL.search(text):
        return "non-commercial"
    if SAME_TERMS.search(text):
        return "same terms"
    return "own terms" if OWN_TERMS.search(text) else "free"


def _sentence(models: Sequence[Stated]) -> str:
    stated = list(dict.fromkeys(m.licence for m in models if m.licence))
    silent = [m.name for m in models if not m.licence]
    if not stated:
        return "No model states a licence: ask the authors before passing the result on."
    if not silent and len(stated) == 1:
        return f"All models state {stated[0]}, and so does the result."
    terms = f"The terms of {_listed(stated)} hold for the result."
    if not silent:
        return terms
    return f"{terms} {_listed(silent)} state{'s' * (len(silent) == 1)} none: ask the authors."


def _warnings(models: Sequence[Stated]) -> Iterable[str]:
    for kind, words in (
        ("no changes", "allows no changed versions to be passed on, and a merge is one"),
        ("non-commercial", "allows no commercial use, so neither does the result"),
        ("own terms", "brings terms of its own (use, naming), which the result carries on"),
    ):
        for licence, names in _by_licence(models, kind).items():
            yield f"{_listed(names)}: {licence} {words}."
    same = list(_by_licence(models, "same terms"))
    others = list(_by_licence(models, "non-commercial", "own terms"))
    both = [*same, *(other for other in others if other not in same)]
    if same and len(both) > 1:
        yield (
            f"{_listed(both)} ask for contrary things: {same[0]} wants the whole result under its "
            "own terms. Ask before passing it on."
        )


def _by_licence(models: Sequence[Stated], *kinds: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for model in models:
        if model.kind in kinds:
            found.setdefault(model.licence, []).append(model.name)
    return found


def _listed(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
