"""One tensor up close: how each expert's changes are spread, and the tensor's own numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from merger.diagnostics.histogram import HistogramInfo
from viz.figures.figure import Figure, Values, axis, build, patch
from viz.figures.words import against_chance, best_pair, estimated, percent, plain_number
from viz.theme import expert_colours

HEIGHT = 380
EXTRA = "<extra></extra>"


def draw_histogram(info: HistogramInfo, colours: Mapping[str, str] | None = None) -> Figure:
    """Draw how each expert's changes of one tensor are spread.

    Args:
        info: The measure.
        colours: Colour token by expert, as on the chips.
    """
    centres = (info.edges[1:] + info.edges[:-1]) / 2
    styles = [
        {
            "type": "scatter",
            "name": name,
            "x": centres,
            "mode": "lines",
            "connectgaps": False,
            "line": {"color": colour, "width": 2, "shape": "hvh"},
            "hovertemplate": f"change %{{x:.2e}}<br>%{{y:.3%}} of the weights{EXTRA}",
        }
        for name, colour in zip(info.experts, expert_colours(info.experts, colours), strict=True)
    ]
    shares = _shares(info)
    top = float(np.nanmax(shares, initial=1e-6))
    low = float(np.nanmin(np.where(shares > 0, shares, np.nan), initial=top))
    layout = {
        "xaxis": axis("change of a weight", nticks=5, tickformat="~g", zeroline=True,
                      range=[float(info.edges[0]), float(info.edges[-1])]),
        "yaxis": axis("share of weights (log)", type="log", dtick=1, tickformat="~%",
                      range=[float(np.log10(low)) - 0.1, float(np.log10(top)) + 0.2]),
        "showlegend": True,
    }  # fmt: skip
    shape = {"height": HEIGHT, "link": "traces", "experts": list(info.experts), "key": info.key}
    return build(styles, _values(info), layout, {**_meta(info), **shape})


def patch_histogram(info: HistogramInfo) -> dict[str, Any]:
    """Move the numbers of the same tensor; another tensor needs a new figure."""
    return patch(_values(info), _meta(info))


def _shares(info: HistogramInfo) -> np.ndarray:
    total = np.maximum(1, info.counts.sum(1) + info.outside)
    shares = info.counts / total[:, None]
    return np.where(shares > 0, shares, np.nan)


def _values(info: HistogramInfo) -> Values:
    return {name: {"y": row} for name, row in zip(info.experts, _shares(info), strict=True)}


def _meta(info: HistogramInfo) -> dict[str, Any]:
    shape = " × ".join(str(s) for s in info.shape) or "one number"
    drawn = f"{info.key} ({shape}): how large the changes of each expert are, and which way."
    look = _look(info)
    columns = [
        "expert", "‖τ‖", "5%", "25%", "median", "75%", "95%", "unchanged weights", "off the chart",
    ]  # fmt: skip
    rows = [
        [
            name,
            float(info.norms[i]),
            *(float(q) for q in info.quantiles[i]),
            int(info.zeros[i]),
            int(info.outside[i]),
        ]
        for i, name in enumerate(info.experts)
    ]
    return {
        "title": "One tensor up close",
        "look": look,
        "caption": f"{drawn}{estimated(info.sample)}",
        "alt": f"{info.key}. {look}",
        "table": {"columns": columns, "rows": rows},
    }


def _look(info: HistogramInfo) -> str:
    if not info.norms.any():
        return "No expert changed it."
    widest = int(info.norms.argmax())
    parts = [f"{info.experts[widest]} changed it most (‖τ‖ {plain_number(info.norms[widest], 3)})"]
    if len(info.experts) > 1:
        for word, rate in (("conflict", info.conflict), ("cancelled mass", info.cancelled)):
            value, null, half = float(rate.value), float(rate.null), float(rate.half)
            parts.append(f"{word} is {percent(value)}, {against_chance(value, null, half)}")
        at = best_pair(info.cosine)
        if at is not None:
            pair = f"{info.experts[at[0]]} and {info.experts[at[1]]}"
            parts.append(f"{pair} are most alike (cosine {plain_number(info.cosine[at])})")
    return "; ".join(parts) + "."
