"""How far the same recipe lands from itself under other implementations' defaults, by layer."""

from typing import Any

import numpy as np

from merger.diagnostics.dialects import DialectsInfo
from viz.figures.figure import Figure, Values, axis, build, nice_limit, patch
from viz.figures.layers import gapped, layer_axis, layer_places, layer_words
from viz.figures.words import percent

HEIGHT = 360
INK = ("@accent", "@expert-3", "@expert-4", "@expert-8")
DASHES = ("solid", "dash", "dot", "dashdot")
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0)
TITLE = "Same recipe, other dialect"


def draw_dialects(info: DialectsInfo) -> Figure:
    """Draw ‖Δ − Δ of the chosen dialect‖ / ‖Δ of the chosen dialect‖ by layer, a line each.

    Args:
        info: The measure.
    """
    styles = [
        {
            "type": "scatter",
            "name": name,
            "x": layer_places(info.layers),
            "mode": "lines+markers",
            "connectgaps": False,
            "line": {"color": INK[i % 4], "width": 2, "dash": DASHES[i % 4]},
            "marker": {"color": INK[i % 4], "size": 7},
            "hovertemplate": "%{customdata}<br>differs by %{y:.1%}<extra></extra>",
        }
        for i, name in enumerate(info.dialects)
    ]
    top = top_of(info)
    layout = {
        "xaxis": layer_axis(info.layers),
        "yaxis": axis(
            f"difference from {info.chosen}",
            range=[-0.02 * top, 1.05 * top],
            tickformat=".1%" if top < 0.05 else ".0%",
        ),
        "showlegend": True,
    }
    return build(
        styles, _values(info), layout, {**_meta(info), "height": HEIGHT, "link": "traces"}
    )


def patch_dialects(info: DialectsInfo) -> dict[str, Any]:
    """Move the lines; the axis keeps its range."""
    return patch(_values(info), _meta(info))


def frame_dialects(info: DialectsInfo) -> list[Any]:
    """Return what decides lines and axis."""
    return [info.method, info.chosen, info.dialects, top_of(info)]


def top_of(info: DialectsInfo) -> float:
    """Return where the axis ends, a round number."""
    return nice_limit(info.by_layer, STEPS)


def _values(info: DialectsInfo) -> Values:
    words = [layer_words(layer) for layer in info.layers]
    return {
        name: {
            "y": gapped(line, info.layers),
            "customdata": gapped([f"{name}, {word}" for word in words], info.layers, ""),
        }
        for name, line in zip(info.dialects, info.by_layer, strict=True)
    }


def _meta(info: DialectsInfo) -> dict[str, Any]:
    look = _look(info)
    drawn = (
        f"How far the merged update lies from that of the {info.chosen} dialect, as a share of "
        "its size, by layer. The table says what each dialect sets; what you set yourself holds "
        "in all of them."
    )
    return {
        "title": TITLE,
        "look": look,
        "caption": drawn,
        "alt": look,
        "table": _table(info),
    }


def _look(info: DialectsInfo) -> str:
    parts = [_one(info, i) for i in range(len(info.dialects))]
    if not any(info.notes) and not np.isfinite(info.whole).any():
        return "The merge changes nothing, so that there is no difference to measure."
    return " ".join(parts)


def _one(info: DialectsInfo, i: int) -> str:
    name, whole = info.dialects[i], float(info.whole[i])
    if info.notes[i]:
        return f"{name} gives no merge here: {info.notes[i].rstrip('.')}."
    if not whole > 0:
        return f"{name} gives the same update as {info.chosen}."
    most = int(np.nanargmax(info.by_layer[i]))
    where = f"most {layer_words(info.layers[most])}".replace("most layer", "most in layer")
    share = percent(float(info.by_layer[i, most]))
    return f"{name} differs from {info.chosen} by {percent(whole)}, {where} ({share})."


def _table(info: DialectsInfo) -> dict[str, Any]:
    columns = ["dialect", "difference", *info.settings, *map(layer_words, info.layers)]
    settings = info.values or ((),) * (1 + len(info.dialects))
    rows = [[f"{info.chosen} (chosen)", 0.0, *settings[0], *[0.0] * len(info.layers)]]
    for i, name in enumerate(info.dialects):
        line = (float(v) for v in info.by_layer[i])
        rows.append([name, float(info.whole[i]), *settings[i + 1], *line])
    return {"columns": columns, "rows": rows}
