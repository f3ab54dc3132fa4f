"""What becomes of the change in each layer: merged, outvoted or cancelled, left out."""

from typing import Any

import numpy as np

from merger.diagnostics.flow import Parts, StepsInfo
from merger.diagnostics.grid import ratio
from viz.figures.figure import Figure, Values, axis, build, patch
from viz.figures.layers import gapped, layer_axis, layer_places, layer_words
from viz.figures.words import estimated, percent

HEIGHT = 320
TITLE = "Layer by layer"
MERGED, OPPOSED, LEFT = "merged", "lost to conflict", "left out"
INK = {MERGED: "@accent", OPPOSED: "@conflict", LEFT: "@neutral/0.55"}


def draw_layer_flow(info: StepsInfo, whose: str = "", layer: str = "") -> Figure:
    """Draw the shares of each layer's change, stacked to 100 %.

    Args:
        info: The measure.
        whose: One expert's name; all together when empty.
        layer: The layer that other charts look at; empty for all.
    """
    places = layer_places(info.layers)
    styles = [
        {
            "type": "bar",
            "name": name,
            "x": places,
            "marker": {"color": colour, "line": {"width": 0}},
            "hovertemplate": "%{customdata[1]}<extra></extra>",
        }
        for name, colour in _lanes(info).items()
    ]
    layout = {
        "barmode": "stack",
        "bargap": 0.15,
        "xaxis": layer_axis(info.layers) | {"range": [-0.6, len(info.layers) - 0.4]},
        "yaxis": axis("share of the change", range=[0, 1], tickformat=".0%"),
        "showlegend": True,
    }
    shape = {"height": HEIGHT, "link": "traces", "clickable": True, "layers": list(info.layers)}
    values = _values(info, whose)
    return build(styles, values, layout, {**_meta(info, whose, layer), **shape})


def patch_layer_flow(info: StepsInfo, whose: str = "", layer: str = "") -> dict[str, Any]:
    """Move the bars; the axis keeps its range."""
    return patch(_values(info, whose), _meta(info, whose, layer))


def frame_layer_flow(info: StepsInfo) -> list[Any]:
    """Return what decides bars and axis."""
    return [list(_lanes(info)), info.layers]


def _lanes(info: StepsInfo) -> dict[str, str]:
    """Return what may become of a change, with its colour."""
    opposed = {OPPOSED: INK[OPPOSED]} if info.flow().conflicts else {}
    left = {LEFT: INK[LEFT]} if info.word else {}
    return {MERGED: INK[MERGED], **opposed, **left}


def _found(info: StepsInfo, whose: str) -> dict[str, np.ndarray]:
    """Return each lane by layer."""
    mass = info.mass
    if whose in info.experts:
        mass = mass.of_expert(info.experts.index(whose))
    return _split(mass)


def _split(mass: Parts) -> dict[str, np.ndarray]:
    return {MERGED: mass.merged.sum(0), OPPOSED: mass.opposed.sum(0), LEFT: mass.left_out.sum(0)}


def words_of(info: StepsInfo) -> dict[str, str]:
    """Return what each lane is called for this method."""
    opposed = "outvoted" if info.elects else "cancelled"
    return {MERGED: "merged", OPPOSED: opposed, LEFT: info.word}


def _values(info: StepsInfo, whose: str) -> Values:
    found, words = _found(info, whose), words_of(info)
    whole = np.sum(list(found.values()), axis=0)
    out: dict[str, dict[str, Any]] = {}
    for name in _lanes(info):
        shares = ratio(found[name], whole)
        data = [
            [layer, f"{layer_words(layer)}: {percent(float(share))} {words[name]}"]
            for layer, share in zip(info.layers, shares, strict=True)
        ]
        out[name] = {
            "y": gapped(shares, info.layers),
            "customdata": gapped(data, info.layers, [None, ""]),
        }
    return out


def _meta(info: StepsInfo, whose: str, layer: str) -> dict[str, Any]:
    words = words_of(info)
    lanes = [words[name] for name in _lanes(info)]
    size = "energy" if info.flow_unit == "directions" else "size"
    who = f"{whose}'s change" if whose in info.experts else "the experts' change"
    listed = f"{', '.join(lanes[:-1])} and {lanes[-1]}" if len(lanes) > 1 else lanes[0]
    drawn = f"How much of {who} is {listed} in each layer, by {size}."
    chosen = (
        f" The river shows {layer_words(layer)}; click it again for all."
        if layer in info.layers
        else " Click a layer to see its river."
    )
    look = _look(info, whose)
    return {
        "title": TITLE,
        "look": look,
        "caption": f"{drawn}{chosen}{estimated(info.sample)}",
        "alt": look,
        "table": _table(info, whose),
        "chosen": layer if layer in info.layers else "",
    }


def _look(info: StepsInfo, whose: str) -> str:
    found = _found(info, whose)
    whole = np.sum(list(found.values()), axis=0)
    share = ratio(found[MERGED], whole)
    if not np.isfinite(share).any():
        return "Nothing changes at these coefficients."
    if len(_lanes(info)) < 2:
        return f"No step of {info.method} takes anything away in any layer."
    most, least = int(np.nanargmax(share)), int(np.nanargmin(share))
    if float(share[most]) - float(share[least]) < 0.0005:
        return f"Every layer keeps {percent(float(share[most]))} of the change."
    high, low = (percent(float(share[at])) for at in (most, least))
    best, worst = _place(info, most), _place(info, least, False)
    return f"{best} keeps most of it ({high}), {worst} least ({low})."


def _place(info: StepsInfo, at: int, first: bool = True) -> str:
    words = layer_words(info.layers[at]).replace("outside", "what lies outside the layers")
    return words[:1].upper() + words[1:] if first else words


def _table(info: StepsInfo, whose: str) -> dict[str, Any]:
    found, words = _found(info, whose), words_of(info)
    whole = np.sum(list(found.values()), axis=0)
    lanes = list(_lanes(info))
    rows = [
        [layer, *(float(ratio(found[name], whole)[at]) for name in lanes)]
        for at, layer in enumerate(info.layers)
    ]
    return {"columns": ["layer", *(words[name] for name in lanes)], "rows": rows}
