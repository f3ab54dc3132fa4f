"""How far each expert, and the merged model, moved from the base, layer by layer."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from merger.diagnostics.grid import ratio
from merger.diagnostics.norms import NormsInfo
from viz.figures.figure import Figure, Values, axis, build, patch
from viz.figures.layers import gapped, layer_axis, layer_places, layer_words
from viz.figures.words import estimated, percent, plain_number
from viz.theme import expert_colours

MERGED = "merged model"
HEIGHT = 360


def draw_norms(info: NormsInfo, colours: Mapping[str, str] | None = None) -> Figure:
    """Draw ‖τ‖ / ‖base‖ by layer, a line per expert, dashed for the merged model.

    Args:
        info: The measure.
        colours: Colour token by expert, as on the chips.
    """
    places = layer_places(info.layers)
    names = [*_names(info), MERGED]
    ink = [*expert_colours(info.experts, colours), "@text"]
    styles = [
        {
            "type": "scatter",
            "name": name,
            "x": places,
            "mode": "lines+markers",
            "connectgaps": False,
            "line": {"color": colour, "width": 2, "dash": "dash" if name == MERGED else "solid"},
            "marker": {"color": colour, "size": 7},
            "hovertemplate": f"%{{customdata}}<br>change %{{y:.2%}} of the base{EXTRA}",
        }
        for name, colour in zip(names, ink, strict=True)
    ]
    top = float(np.nanmax(_shares(info), initial=0.0)) or 1e-6
    layout = {
        "xaxis": layer_axis(info.layers),
        "yaxis": axis("change / base", range=[0, 1.25 * top],
                      tickformat=".1%" if top < 0.1 else ".0%"),
        "showlegend": True,
    }  # fmt: skip
    shape = {"height": HEIGHT, "link": "traces", "experts": list(info.experts)}
    return build(styles, _values(info), layout, {**_meta(info), **shape})


def patch_norms(info: NormsInfo) -> dict[str, Any]:
    """Move the lines; the axes keep their ranges."""
    return patch(_values(info), _meta(info))


EXTRA = "<extra></extra>"


def _names(info: NormsInfo) -> list[str]:
    """Return the experts' names, told apart from the merged line's own name."""
    return [f"{name} (expert)" if name == MERGED else name for name in info.experts]


def _shares(info: NormsInfo) -> np.ndarray:
    """Return ‖τ‖ / ‖base‖ per line and layer; the merged model's line comes last."""
    merged = info.merged_by_layer
    if len(merged) != len(info.layers):
        merged = np.full(len(info.layers), np.nan)
    return ratio(np.vstack([info.by_layer, merged]), info.base_by_layer)


def _values(info: NormsInfo) -> Values:
    out: dict[str, dict[str, Any]] = {}
    sizes = np.vstack([info.by_layer, np.full(len(info.layers), np.nan)])
    if len(info.merged_by_layer) == len(info.layers):
        sizes[-1] = info.merged_by_layer
    for name, line, size in zip([*_names(info), MERGED], _shares(info), sizes, strict=True):
        words = [
            f"{name}, {layer_words(layer)}: {plain_number(s, 3)}"
            for layer, s in zip(info.layers, size, strict=True)
        ]
        out[name] = {
            "y": gapped(line, info.layers),
            "customdata": gapped(words, info.layers, ""),
        }
    return out


def _meta(info: NormsInfo) -> dict[str, Any]:
    drawn = (
        "How far each expert moved from the base, layer by layer, as a share of the base's size "
        "there. The dashed line is the merged model."
    )
    look = _look(info)
    rows = [
        [name, *(float(v) for v in row)]
        for name, row in zip([*_names(info), MERGED], _shares(info), strict=True)
        if np.isfinite(row).any()
    ]
    columns = ["", *map(layer_words, info.layers)]
    return {
        "title": "How far did each move?",
        "look": look,
        "caption": f"{drawn}{estimated(info.sample)}",
        "alt": look,
        "table": {"columns": columns, "rows": rows},
    }


def _look(info: NormsInfo) -> str:
    if not len(info.norms) or not np.isfinite(info.relative).any():
        return "No expert differs from the base."
    far, near = int(np.nanargmax(info.relative)), int(np.nanargmin(info.relative))
    first = (
        f"{info.experts[far]} moved furthest ({percent(float(info.relative[far]))} of the base)"
    )
    if far != near:
        least = percent(float(info.relative[near]))
        first += f", {info.experts[near]} least ({least})"
    if not np.isfinite(info.merged_share):
        return f"{first}."
    share = plain_number(info.merged_share)
    return f"{first}; the merged model moves {share} times as far as the experts do on average."
