"""How surprising several models find each token of a text."""

from typing import Any

import numpy as np

from merger.diagnostics.surprise import SurpriseInfo
from viz.figures.answer_words import surprise_in_words, visible
from viz.figures.figure import Figure, Values, nice_limit, patch
from viz.figures.models import draw_rows, row_values
from viz.figures.words import percent, plain_number

LIMITS = (4.0, 8.0, 12.0, 16.0, 24.0)
EXPECTED = 3


def draw_surprise(info: SurpriseInfo) -> Figure:
    """Draw the bits that each token costs each model."""
    top = limit_of(info)
    ticks = {0.0: "0 bits: expected", top: f"{plain_number(top, 0)} bits: a surprise"}
    columns = [visible(word) for word in info.words[1:]] or ["next"]
    return draw_rows(
        info.names, columns, _values(info), _meta(info), top=top, ticks=ticks, title="token"
    )


def patch_surprise(info: SurpriseInfo) -> dict[str, Any]:
    """Recolour the rows; tokens and models stay, and so does the scale."""
    return patch(_values(info), _meta(info))


def limit_of(info: SurpriseInfo) -> float:
    """Return where the colours end; what a slider moves has no say, so that they stay."""
    fixed = np.array([role != "merged" for role in info.roles])
    return nice_limit(info.bits[fixed], LIMITS, LIMITS[0])


def _values(info: SurpriseInfo) -> Values:
    bits = info.bits if info.bits.shape[1] else np.full((len(info.names), 1), np.nan)
    words = [[plain_number(b, 1) if np.isfinite(b) else "" for b in row] for row in bits]
    hover = [
        [[f"{name}: “{_word(info, j)}”", f"{plain_number(b, 2)} bits", f"token {j + 2}"]
         for j, b in enumerate(row)]
        for name, row in zip(info.names, bits, strict=True)
    ]  # fmt: skip
    return row_values(bits, words, hover)


def _word(info: SurpriseInfo, column: int) -> str:
    return visible(info.words[column + 1]) if column + 1 < len(info.words) else "next"


def _meta(info: SurpriseInfo) -> dict[str, Any]:
    asked = f"a passage of {info.task}, {info.split}" if info.task else "your text"
    silent = [f"{n}: {w}" for n, w in zip(info.names, info.whys, strict=True) if w]
    cut = f" The {info.left_out} tokens before do not fit and are left out." * bool(info.left_out)
    return {
        "title": "How surprising does each model find each token?",
        "look": surprise_in_words(info),
        "caption": f"Rows: the models; columns: the tokens of {asked}; colour: bits, that is "
        f"−log₂ of the chance the model gave the token. The first token is context only.{cut} "
        "One text says nothing about a model's score."
        f"{' No answer from ' + '; '.join(silent) if silent else ''}",
        "alt": f"Surprise of {asked}: {_alt(info)}.",
        "table": _table(info),
        "kind": "measured",
        "n": 1,
        **({"split": info.split} if info.split else {}),
    }


def _alt(info: SurpriseInfo) -> str:
    found = info.bits_per_byte
    known = [i for i in range(len(info.names)) if np.isfinite(found[i])]
    said = [f"{info.names[i]} {plain_number(found[i], 3)} bits per byte" for i in known]
    return ", ".join(said) or "a single token"


def _table(info: SurpriseInfo) -> dict[str, Any]:
    tokens = [f"{i + 2}: {visible(w)}" for i, w in enumerate(info.words[1:])]
    columns = ["model", "bits per byte", "bytes", *(f"next {i + 1}" for i in range(EXPECTED))]
    rows: list[list[Any]] = []
    for i, name in enumerate(info.names):
        value = float(info.bits_per_byte[i])
        following = [f"{visible(w)} {percent(p)}" for w, p in info.following[i][:EXPECTED]]
        following += [""] * (EXPECTED - len(following))
        bits = [float(b) if np.isfinite(b) else None for b in info.bits[i]]
        rows.append([name, value if np.isfinite(value) else None, info.bytes, *following, *bits])
    return {"columns": [*columns, *tokens], "rows": rows}
