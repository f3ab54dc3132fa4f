"""What several models' answers to one image or text say, in a sentence made from the numbers."""

import numpy as np

from merger.diagnostics.answers import SINGLE, AnswersInfo
from merger.diagnostics.surprise import SurpriseInfo
from viz.figures.words import percent, plain_number

SPACES = str.maketrans({" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "⏎"})


def visible(word: str) -> str:
    """Return a token so that its spaces can be seen; "⋯" for the later bytes of one letter."""
    return word.translate(SPACES) if word else "⋯"


def answers_in_words(info: AnswersInfo) -> str:
    """Say who agrees with whom, what the merge follows, and whether that is right."""
    return " ".join(part for part in (_votes(info), _merge(info), _truth(info)) if part)


def classes_in_words(info: AnswersInfo) -> str:
    """Return each model's answer with its probability."""
    parts = [
        f"{name} {info.classes[best]} {percent(row[best])}" if best >= 0 else f"{name} no answer"
        for name, best, row in zip(info.names, info.best, info.chances, strict=True)
    ]
    return ", ".join(parts)


def _votes(info: AnswersInfo) -> str:
    votes, total = info.votes, int(info.votes.sum())
    if not total:
        return ""
    if total == 1:
        return f"One model says “{info.classes[int(votes.argmax())]}”."
    if info.winner >= 0:
        first = f"{votes[info.winner]} of {total} models say “{info.classes[info.winner]}”"
        others = np.flatnonzero((votes > 0) & (np.arange(len(votes)) != info.winner))
        if not len(others):
            return f"All {total} models say “{info.classes[info.winner]}”."
        rest = ", ".join(f"{votes[c]} “{info.classes[c]}”" for c in others)
        return f"{first}, {rest}."
    split = ", ".join(f"{votes[c]} “{info.classes[c]}”" for c in np.flatnonzero(votes))
    return f"The {total} models are split: {split}."


def _merge(info: AnswersInfo) -> str:
    at = info.merged
    if at < 0 or info.best[at] < 0:
        return ""
    best = int(info.best[at])
    said = f"“{info.classes[best]}” ({percent(info.chances[at, best])})"
    theirs = int(info.best[info.own]) if info.own >= 0 else -1
    alike = [
        name
        for name, role, b in zip(info.names, info.roles, info.best, strict=True)
        if role in SINGLE and b == best
    ]
    if theirs == best:
        return f"The merge says {said} and follows {info.names[info.own]}, the task's own expert."
    if not alike:
        words = "which none of them says"
    elif theirs >= 0:
        own = info.names[info.own]
        words = f"like {_list(alike)}, not “{info.classes[theirs]}” like {own}, the task's expert"
    else:
        words = f"like {_list(alike)}"
    return f"The merge says {said}, {words}."


def _truth(info: AnswersInfo) -> str:
    if info.truth < 0:
        return ""
    at = info.merged
    label = f"The label is “{info.classes[info.truth]}”"
    if at < 0 or info.best[at] < 0:
        return f"{label}."
    return f"{label}: the merge is {'right' if info.best[at] == info.truth else 'wrong'}."


def surprise_in_words(info: SurpriseInfo) -> str:
    """Say whom the text surprises least, where the merge stands, and where models part."""
    found = info.bits_per_byte
    if not np.isfinite(found).any():
        return _following(info)
    parts, least, at = [], info.least, info.merged
    if least >= 0:
        parts.append(
            f"{info.names[least]} finds this text least surprising ({_bits(found[least])})."
        )
    if at >= 0 and np.isfinite(found[at]):
        gap = found[at] - found[least] if least >= 0 else 0.0
        beside = f", {plain_number(gap, 3)} more than {info.names[least]}" if gap > 0 else ""
        beside = f", {plain_number(-gap, 3)} less than {info.names[least]}" if gap < 0 else beside
        parts.append(f"The merge needs {_bits(found[at])}{beside}.")
    if info.widest > 0:
        word = visible(info.words[info.widest])
        parts.append(f"The models differ most on “{word}”, token {info.widest + 1}.")
    return " ".join(parts)


def _following(info: SurpriseInfo) -> str:
    at = info.merged
    if at < 0 or not info.following[at]:
        return "One token surprises nobody: there is nothing before it."
    word, chance = info.following[at][0]
    return (
        "One token surprises nobody: there is nothing before it. "
        f"After it the merge expects “{visible(word)}” ({percent(chance)})."
    )


def _bits(value: float) -> str:
    return f"{plain_number(value, 3)} bits per byte"


def _list(names: list[str]) -> str:
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
