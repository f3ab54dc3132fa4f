"""What several models answer to one image: how likely each holds each class."""

from typing import Any

from merger.diagnostics.answers import AnswersInfo
from viz.figures.answer_words import answers_in_words, classes_in_words
from viz.figures.figure import Figure, Values, patch
from viz.figures.models import draw_rows, row_values
from viz.figures.words import percent

FEW = 0.005  # what is less likely stands as a colour only


def draw_answers(info: AnswersInfo) -> Figure:
    """Draw how likely each model holds each class."""
    ticks = {0.0: "0%", 0.5: "50%", 1.0: "100%"}
    return draw_rows(
        info.names, info.classes, _values(info), _meta(info),
        top=1.0, ticks=ticks, title=info.task,
    )  # fmt: skip


def patch_answers(info: AnswersInfo) -> dict[str, Any]:
    """Recolour the rows; classes and models stay."""
    return patch(_values(info), _meta(info))


def _values(info: AnswersInfo) -> Values:
    words = [[percent(p, 0) if p >= FEW else "" for p in row] for row in info.chances]
    hover = [
        [[f"{name}: {c}", percent(p), _verdict(info, i, j)] for j, (c, p) in enumerate(both)]
        for i, (name, row) in enumerate(zip(info.names, info.chances, strict=True))
        for both in [list(zip(info.classes, row, strict=True))]
    ]
    return row_values(info.chances, words, hover)


def _verdict(info: AnswersInfo, model: int, label: int) -> str:
    parts = ["its answer"] if info.best[model] == label else []
    if info.truth == label:
        parts.append("the right answer")
    return ", ".join(parts)


def _meta(info: AnswersInfo) -> dict[str, Any]:
    asked = f"one image of {info.split}" if info.split else "your image"
    silent = [f"{n}: {w}" for n, w in zip(info.names, info.whys, strict=True) if w]
    return {
        "title": "How likely does each model hold each class?",
        "look": answers_in_words(info),
        "caption": "Rows: the models; columns: the classes; numbers: what the model's softmax "
        f"gives each class for {asked}. One image says nothing about accuracy."
        f"{' No answer from ' + '; '.join(silent) if silent else ''}",
        "alt": f"Answers to {asked}: {classes_in_words(info)}.",
        "table": _table(info),
        "kind": "measured",
        "n": 1,
        **({"split": info.split} if info.split else {}),
    }


def _table(info: AnswersInfo) -> dict[str, Any]:
    rows: list[list[Any]] = [
        [
            name,
            info.classes[best] if best >= 0 else "",
            _right(info, int(best)),
            *([float(p) for p in row] if best >= 0 else [None] * len(row)),
        ]
        for name, best, row in zip(info.names, info.best, info.chances, strict=True)
    ]
    return {"columns": ["model", "answer", "right", *info.classes], "rows": rows}


def _right(info: AnswersInfo, best: int) -> str:
    if info.truth < 0 or best < 0:
        return ""
    return "yes" if best == info.truth else "no"
