"""What the doctor says of the models that are picked, before anything is merged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from merger.doctor import DoctorReport, doctor
from merger.hub.words import without_cache
from merger.model_facts import ModelFacts
from merger.pace import NAME as PACE
from viz.answers import answers
from viz.jobs_view import in_bytes
from viz.places import place_of

if TYPE_CHECKING:
    from viz.studio import Studio


@dataclass(eq=False)
class Checkup:
    """The server half of the doctor's card."""

    studio: Studio

    def functions(self) -> tuple[Callable[..., Any], ...]:
        """Return what assets/studio/checkup.js calls, by name."""
        return (self.checkup,)

    @answers
    def checkup(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return whether the picked models fit, what differs, and what a merge would take."""
        recipe, family = self.studio.asking.recipe(request, solo=None)
        pace = self.studio.workspace.folder / PACE
        report = doctor(recipe, roots=place_of(family).roots, pace=pace)
        return {"checkup": checkup_view(report)}


def checkup_view(report: DoctorReport) -> dict[str, Any]:
    """Return what the card shows of a report."""
    # What is noted of settings stands under the method, and follows its sliders.
    problems = [p for p in report.problems if p.severity == "error" or p.where != "recipe"]
    errors = sum(p.severity == "error" for p in problems)
    state = "bad" if errors else "noted" if problems else "well"
    return {
        "state": state,
        "verdict": _verdict(state, errors, len(problems)),
        "problems": [
            {
                "severity": p.severity,
                "where": "" if p.where == "recipe" else p.where,
                "what": without_cache(p.what),
                "todo": without_cache(p.remedy),
            }
            for p in sorted(problems, key=lambda p: p.severity != "error")
        ],
        "cost": _cost(report) if not errors else [],
        "models": _models(report),
        "licence": report.licence.sentence,
        "words": report.words,
        "basis": f"Seconds are estimated {report.basis}." if report.basis and not errors else "",
    }


def _verdict(state: str, errors: int, count: int) -> str:
    if state == "bad":
        return "These cannot be merged." if errors == 1 else f"{errors} things stand in the way."
    if state == "noted":
        return f"These models fit; {count} thing{'s' * (count != 1)} to know."
    return "These models fit."


def _cost(report: DoctorReport) -> list[dict[str, str]]:
    return [
        {"name": "parameters", "value": in_count(report.parameters)},
        {"name": "memory", "value": roughly(report.peak_bytes)},
        {"name": "on disk", "value": roughly(report.disk_bytes)},
        {"name": "to merge", "value": in_seconds(report.seconds)},
        *(
            [{"name": "to fetch", "value": roughly(report.fetch_bytes)}]
            if report.fetch_bytes
            else []
        ),
    ]


def in_count(count: int) -> str:
    """Return a number of parameters as people say it.

    Example:
        >>> in_count(940_224), in_count(6_738_415_616)
        ('940,224', '6.74 billion')
    """
    for word, factor in (("billion", 1e9), ("million", 1e6)):
        if count >= factor:
            return f"{count / factor:.3g} {word}"
    return f"{count:,}"


def roughly(size: float) -> str:
    """Return an estimated size with the two digits that an estimate has.

    Example:
        >>> roughly(328_300_000), roughly(13_476_831_232), roughly(1_856)
        ('330 MB', '13 GB', '1.9 kB')
    """
    number, unit = in_bytes(float(f"{size:.2g}")).split()
    return f"{number.removesuffix('.0')} {unit}"


def in_seconds(seconds: float) -> str:
    """Return an estimated time as people say it.

    Example:
        >>> in_seconds(0.2), in_seconds(48), in_seconds(400)
        ('1 s', '48 s', '7 min')
    """
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _models(report: DoctorReport) -> list[dict[str, str]]:
    """Return what the models are, those that are alike together."""
    alike: dict[str, list[str]] = {}
    for facts in report.models:
        alike.setdefault(_in_words(facts), []).append(facts.name)
    return [{"name": ", ".join(names), "words": words} for words, names in alike.items()]


def _in_words(facts: ModelFacts) -> str:
    parts = [
        facts.architecture,
        f"{facts.layers} layer{'s' * (facts.layers != 1)}",
        f"{in_count(facts.parameters)} parameters",
        " and ".join(list(facts.dtypes)[:2]),
    ]
    if facts.rows is not None:
        told = "" if facts.tokens is None else f" for {facts.tokens:,} tokens"
        parts += [f"{facts.rows:,} rows{told}", "shared head" if facts.tied else "own head"]
    return ", ".join(part for part in parts if part)
