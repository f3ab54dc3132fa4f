"""How much of a change so many directions of each matrix hold, and where a rank stands."""

from typing import Any

import numpy as np

from merger.diagnostics.energy import EnergyInfo
from merger.energy_words import (
    DRAWN,
    energy_table,
    kept_words,
    layer_words,
    needed_words,
    stored_words,
)
from viz.figures.figure import Figure, Values, axis, build, patch

TITLE = "What does an adapter keep?"
HEIGHT = 340
ALL, KINDS, LAYERS, CHOSEN = "all matrices", "each kind of module", "each layer", "chosen rank"
EXTRA = "<extra></extra>"
ROOM = 0.06  # decades beside the first and the last rank


def draw_energy(info: EnergyInfo) -> Figure:
    """Draw the share of the energy by rank: all matrices, kinds of module, layers.

    Args:
        info: The measure.
    """
    line = {"type": "scatter", "mode": "lines", "connectgaps": False}
    hover = f"%{{customdata}}<br>rank %{{x}}: %{{y:.2%}}{EXTRA}"
    styles: list[dict[str, Any]] = [
        {**line, "name": LAYERS, "line": {"color": "@neutral/0.35", "width": 1},
         "hovertemplate": hover, "showlegend": len(info.layers) > 1},
        {**line, "name": KINDS, "line": {"color": "@neutral", "width": 1.5},
         "hovertemplate": hover, "showlegend": len(info.modules) > 1},
        {**line, "name": ALL, "line": {"color": "@text", "width": 3}, "hovertemplate": hover},
        {"type": "scatter", "mode": "lines+markers", "name": CHOSEN,
         "line": {"color": "@accent", "width": 1.5, "dash": "dot"},
         "marker": {"color": "@accent", "size": [0, 10]}, "hovertemplate": hover},
    ]  # fmt: skip
    most = float(info.ranks[-1]) if len(info.ranks) else 1.0
    last = float(np.log10(max(most, info.rank, 2)))
    ticks = [4**i for i in range(8) if 4**i <= 10**last]
    layout = {
        "xaxis": axis("rank: directions of each matrix", type="log", tickmode="array",
                      tickvals=ticks, ticktext=[str(t) for t in ticks],
                      range=[-ROOM, last + ROOM]),
        "yaxis": axis("energy kept", range=[0, 1.04], tickformat=".0%"),
        "showlegend": True,
        "legend": {"traceorder": "reversed"},
    }  # fmt: skip
    return build(
        styles, _values(info), layout, {**_meta(info), "height": HEIGHT, "link": "traces"}
    )


def patch_energy(info: EnergyInfo) -> dict[str, Any]:
    """Move the lines and the chosen rank; the axis of ranks stays."""
    return patch(_values(info), _meta(info))


def frame_energy(info: EnergyInfo) -> list[Any]:
    """Return what decides the axes."""
    most = int(info.ranks[-1]) if len(info.ranks) else 1
    return [most, max(most, info.rank), len(info.modules) > 1, len(info.layers) > 1]


def _values(info: EnergyInfo) -> Values:
    ranks = info.ranks.tolist()
    layers = [layer_words(layer) for layer in info.layers]
    return {
        ALL: {"x": ranks, "y": info.whole.tolist(), "customdata": [ALL] * len(ranks)},
        KINDS: _lines(ranks, info.modules, info.by_module),
        LAYERS: _lines(ranks, layers, info.by_layer),
        CHOSEN: {"x": [info.rank] * 2, "y": [0.0, info.kept], "customdata": [CHOSEN] * 2}
        if info.matrices and info.rank
        else {"x": [], "y": [], "customdata": []},
    }


def _lines(ranks: list[int], names: Any, rows: np.ndarray) -> dict[str, Any]:
    """Return several lines as one trace, with a gap between each two."""
    x: list[Any] = []
    y: list[Any] = []
    words: list[str] = []
    for name, row in zip(names, rows, strict=True):
        x += [*ranks, None]
        y += [*map(float, row), None]
        words += [*[name] * len(ranks), ""]
    return {"x": x, "y": y, "customdata": words}


def _meta(info: EnergyInfo) -> dict[str, Any]:
    look = " ".join(filter(None, (kept_words(info), needed_words(info))))
    heads, rows = energy_table(info)
    return {
        "title": TITLE,
        "look": look,
        "caption": f"{DRAWN} {stored_words(info)}",
        "alt": look,
        "table": {"columns": heads, "rows": rows},
    }
