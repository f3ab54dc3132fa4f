"""What a real merge is written as, a model or a LoRA adapter, and what was found out about it."""

from collections.abc import Mapping, Sequence
from typing import Any

from merger.diagnostics.energy import EnergyInfo
from merger.errors import RecipeError
from viz.figures.energy import draw_energy
from viz.figures.figure import Figure
from viz.figures.words import percent

MOST_RANK = 4096
CARD_HEIGHT = 190  # pixels of a chart on the card of a job


def checked_rank(value: object) -> int:
    """Return the rank of the adapter that the page asks for.

    Raises:
        RecipeError: it is no whole number from 1 to 4096.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_RANK:
        raise RecipeError(
            f"The rank of an adapter must be a whole number from 1 to {MOST_RANK}, "
            f"got {str(value)[:20]}.",
            "Change the rank under Recipe & export.",
        )
    return value


def adapter_view(report: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what the card of a job shows of the adapter that it wrote.

    Args:
        report: An `AdapterReport` as plain data; None where a model was written.
    """
    if report is None:
        return None
    error = report["error"]
    words = (
        f"A LoRA adapter of rank {report['rank']}: it keeps {percent(1.0 - error**2, 2)} of the "
        f"change's energy; what it loses is {percent(error, 2)} as long as the change itself."
    )
    whole = report["whole"]
    if whole:
        words += f" {len(whole)} tensor{'s are' if len(whole) > 1 else ' is'} stored whole."
    fits = sorted(report["fits"], key=lambda fit: (-fit["error"], fit["key"]))
    rows = [[fit["key"], str(fit["rank"]), percent(fit["error"], 2)] for fit in fits]
    curve = [
        [str(rank), percent(held, 2)]
        for rank, held in zip(report["ranks"], report["energy"], strict=True)
    ]
    return {"words": words, "rows": rows, "curve": curve, "figure": _figure(report)}


def _figure(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the curve of an adapter; None for one that was written before there were any."""
    kept = report.get("curve")
    if kept is None:
        return None
    figure = draw_energy(EnergyInfo.from_json(kept))
    # What the lines are stands below: a legend would take half of so narrow a chart.
    layout = {**figure.layout, "showlegend": False}
    return Figure(figure.data, layout, {**figure.meta, "height": CARD_HEIGHT}).to_json()


def check_views(reports: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """Return what the card of a job shows of the tests of the models that it wrote.

    Args:
        reports: Self-tests as plain data, with the name of each model; None where none was asked.
    """
    return [_check_view(report, many=len(reports or ()) > 1) for report in reports or ()]


def _check_view(report: Mapping[str, Any], many: bool) -> dict[str, Any]:
    answer, drift = report["answer"], report["drift"]
    words = [f"{report['name']}:"] if many else []
    words.append(report["verdict"])
    if answer is not None and answer["words"]:
        listed = " or ".join(map(_word, answer["words"]))
        words.append(f"Asked {answer['asked']}, it goes on with {listed}.")
    rows = [
        ["outside the layers" if row["layer"] is None else f"layer {row['layer']}", _ratio(row)]
        for row in drift["layers"]
    ]
    return {
        "words": " ".join(words),
        "well": report["is_well"],
        "against": drift["reference"],
        "rows": rows,
    }


def _word(text: str) -> str:
    """Return a word in quotes, and one that cannot be seen by its name."""
    unseen = {"": "nothing", " ": "a space", "\n": "a line break", "\t": "a tab"}
    return unseen.get(text, f"“{text}”" if text.strip() else "blanks")


def _ratio(row: Mapping[str, Any]) -> str:
    return "unknown" if row["ratio"] is None else f"{row['ratio']:.3f}"
