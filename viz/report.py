"""What a report of a merge says: the words, numbers and sources; the browser sets them in type.

Everything here is plain data. Names and texts of users go out as they are, and the page writes
them with `textContent` only.
"""

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

import merger
from merger.card import origin_of
from merger.checkpoint import Checkpoint
from merger.difference import differences
from merger.method import Method
from merger.recipe import Recipe, Step, plain_value
from merger.spec import METHODS
from viz.desk import Merge
from viz.figures.words import percent, plain_number, signed
from viz.kpis import kpis
from viz.scene import Scene
from viz.scores import Scores, task_bars
from viz.screens import SCREENS
from viz.session import recipe_line
from viz.theme import EXPERTS_LIGHT, LIGHT, SCALES_LIGHT

PACKAGES = ("torch", "transformers", "safetensors", "numpy", "gradio", "plotly")
BUNDLED = "Apache-2.0; the bundled images have their own licences, listed in docs/zoo.md"
VALIDATION = (
    "These are validation scores. Settings that were chosen by looking at them do a little worse "
    "on new examples; score the recipe on the test split once, at the end."
)


def report_of(scene: Scene, made: Merge, pins: Sequence[Recipe] = ()) -> dict[str, Any]:
    """Return a report without its figures.

    Args:
        scene: The merge, measured.
        made: The same merge with its models open.
        pins: Recipes it is compared with; the first is the one in the figures.
    """
    recipe = scene.recipe
    return {
        "title": f"{METHODS[recipe.method].title} of {len(recipe.experts)} experts",
        "line": recipe_line(recipe),
        "digest": made.merged.digest,
        "pins": [recipe_line(pin) for pin in pins],
        "differences": differences_table(recipe, pins),
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "kpis": kpis(scene),
        "scores": scores_table(scene),
        "scores_note": VALIDATION if scene.scores else scene.missing or scene.family.missing,
        "models": models_table(scene, made),
        "method": method_words(recipe),
        "settings": settings_table(recipe),
        "yaml": recipe.to_yaml(),
        "versions": versions(),
        "sections": [
            {
                "id": screen.id,
                "title": screen.title,
                "panels": [{"id": p.id, "title": p.title, "why": p.why} for p in screen.panels],
            }
            for screen in SCREENS
            if screen.panels
        ],
        "colours": light_colours(),
    }


def differences_table(recipe: Recipe, pins: Sequence[Recipe]) -> dict[str, Any] | None:
    """Return what A and B have not in common; B is the second pin, else the reported recipe."""
    if not pins:
        return None
    b = pins[1] if len(pins) > 1 else recipe
    rows = [[row.what, row.a, row.b] for row in differences(pins[0], b)]
    caption = "What is not named here is the same in both." if rows else "They are the same."
    return {"columns": ["what differs", "A", "B"], "rows": rows, "caption": caption}


def scores_table(scene: Scene) -> dict[str, Any] | None:
    """Return one row per task with split, n and interval; None where nothing is scored."""
    scores = scene.scores
    if scores is None:
        return None
    base, own = scene.anchors
    pinned = scene.pin.scores if scene.pin else None
    bars = task_bars(scores, base, own, pinned)
    share = bars.metric != "bits_per_byte"

    def number(value: float) -> str:
        return percent(value) if share else plain_number(value, 3)

    columns = ["task", "split", "n", "merged", "95% interval", "base", "own expert", "kept"]
    rows = [
        [
            task,
            bars.split,
            int(bars.n[i]),
            ("" if bars.measured else "≈ ") + number(bars.merged[i]),
            f"{number(bars.low[i])} to {number(bars.high[i])}",
            number(bars.base[i]),
            number(bars.expert[i]),
            percent(float(scores.normalised[i])),
        ]
        for i, task in enumerate(bars.tasks)
    ]
    if pinned is not None:
        columns += ["pinned", "change, 95% interval"]
        for i, row in enumerate(rows):
            row += [number(bars.pinned[i]), _change(scores, i, share)]
    unit = "n counts examples" if share else "n counts windows; bits per byte, lower is better"
    kind = "measured" if bars.measured else "preview"
    caption = (
        f"{bars.metric.replace('_', ' ').capitalize()} on {bars.split} ({kind}); {unit}. "
        "Kept: the score as a share of the own expert's best."
    )
    return {"columns": columns, "rows": rows, "caption": caption, "kind": kind}


def _change(scores: Scores, i: int, share: bool) -> str:
    if scores.change is None or not np.isfinite(scores.change[i].value):
        return "–"
    change = scores.change[i]
    factor, digits, unit = (100, 1, " points") if share else (1, 3, "")
    value, low, high = (
        signed(factor * x, digits) for x in (change.value, change.low, change.high)
    )
    seen = "" if change.sees_difference else "; no difference seen"
    return f"{value}{unit} ({low} to {high}{seen})"


def models_table(scene: Scene, made: Merge) -> dict[str, Any]:
    """Return where every model comes from: source, step, exact weights, licence, coefficient."""
    recipe, models = scene.recipe, made.live.models
    weights = recipe.weights or (1.0,) * len(recipe.experts)
    rows = []
    if models.base is not None:
        rows.append(
            ["base", "", recipe.base or "", "", *_weights_of(recipe.base, models.base), ""]
        )
    for expert, weight in zip(recipe.experts, weights, strict=True):
        found = _weights_of(expert.source, models.experts[expert.name])
        step = "final" if expert.step is None else str(expert.step)
        rows.append(["expert", expert.name, expert.source, step, *found, _word(weight)])
    columns = ["role", "name", "source", "step", "content id", "licence", "coefficient"]
    caption = "A content id names the weights, whatever the folder."
    return {"columns": columns, "rows": rows, "caption": caption}


def _weights_of(source: str | None, model: Checkpoint) -> tuple[str, str]:
    origin = origin_of("", "", model)
    silent = BUNDLED if (source or "").startswith("zoo:") else "not stated"
    return origin.content_id, origin.license or silent


def method_words(recipe: Recipe) -> dict[str, str]:
    """Return what the method is and where it comes from."""
    method = METHODS[recipe.method]
    return {
        "title": method.title,
        "summary": method.summary,
        "formula": method.formula,
        "paper": method.paper,
    }


def settings_table(recipe: Recipe) -> dict[str, Any]:
    """Return every setting in words, also those that were left at their default."""
    rows = _knobs(METHODS[recipe.method], recipe.params, len(recipe.experts), "")
    for stage, steps in (("before", recipe.before), ("after", recipe.after)):
        for step in steps:
            rows += _verb(step, stage, len(recipe.experts))
    for rule in recipe.rules:
        what = f"take it from {rule.take}" if rule.take else "other settings"
        own = {"weights": rule.weights, **rule.params}
        said = ", ".join(f"{k} {_word(v)}" for k, v in own.items() if v is not None)
        rows.append([f"rule: {rule.match}", f"{what} {said}".strip(), "set", "Tensors by name."])
    kind = recipe.out_dtype or "as the base's, per tensor"
    rows.append(["out_dtype", kind, "set" if recipe.out_dtype else "default", "What is written."])
    seeded = "set" if recipe.seed else "default"
    rows.append(["seed", str(recipe.seed), seeded, "Seed of random methods."])
    return {"columns": ["setting", "value", "", "meaning"], "rows": rows}


def _knobs(method: Method, given: Mapping[str, Any], n: int, prefix: str) -> list[list[str]]:
    found = method.resolve(given, n)
    return [
        [
            prefix + p.name,
            p.knob.none if found[p.name] is None else _word(found[p.name]),
            "set" if p.name in given else "default",
            p.help or "",
        ]
        for p in method.params
    ]


def _verb(step: Step, stage: str, n: int) -> list[list[str]]:
    method = METHODS[step.verb]
    head = [f"{stage}: {method.title}", "on", "set", method.summary]
    return [head, *_knobs(method, step.params, n, f"{method.title}: ")]


def _word(value: Any) -> str:
    plain = plain_value(value)
    if isinstance(plain, bool):
        return "yes" if plain else "no"
    if isinstance(plain, float):
        return f"{plain:g}"
    if isinstance(plain, list):
        return ", ".join(_word(v) for v in plain)
    if isinstance(plain, dict):
        return ", ".join(f"{k} {_word(v)}" for k, v in plain.items())
    return "auto" if plain is None else str(plain)


def versions() -> dict[str, str]:
    """Return what computed the numbers, by name."""
    found = {"Mergescope": merger.__version__, "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # an optional one
    return found


def light_colours() -> dict[str, str]:
    """Return the colours that figures of a report have, by the names the browser uses."""
    experts = {f"expert-{i + 1}": colour for i, colour in enumerate(EXPERTS_LIGHT)}
    scales = {f"scale-{name}": ", ".join(stops) for name, stops in SCALES_LIGHT.items()}
    return {**LIGHT, **experts, **scales}
