"""What a figure is: plotly traces, a layout, and the words that go with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from merger.info import plain

Values = Mapping[str, Mapping[str, Any]]  # trace name → what in it depends on the data


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart, ready for the browser.

    Args:
        data: Plotly traces, each with a unique name.
        layout: Plotly layout; colours are tokens such as "@muted" that the browser resolves.
        meta: title, caption, alt, table and height.
    """

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    meta: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and numbers; NaN becomes None, which plotly leaves out."""
        return {"data": plain(self.data), "layout": plain(self.layout), "meta": plain(self.meta)}


def build(
    styles: Sequence[Mapping[str, Any]],
    values: Values,
    layout: Mapping[str, Any],
    meta: Mapping[str, Any],
) -> Figure:
    """Join how traces look with what they hold."""
    data = [merge({"uid": s["name"], **s}, values.get(s["name"], {})) for s in styles]
    return Figure(data, dict(layout), dict(meta))


def patch(values: Values, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the browser needs to move an existing figure."""
    return {"traces": plain(dict(values)), "meta": plain(dict(meta))}


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Join two nested mappings; the second wins."""
    out = dict(under)
    for key, value in over.items():
        mine = out.get(key)
        both = isinstance(mine, Mapping) and isinstance(value, Mapping)
        out[key] = merge(mine, value) if both else value  # type: ignore[arg-type]
    return out


def axis(title: str = "", **settings: Any) -> dict[str, Any]:
    """Return an axis with a title (if any) whose labels are never turned or cut."""
    return {"title": {"text": title}, "automargin": True, "tickangle": 0, **settings}


def labelled(labels: Sequence[str], title: str = "", **settings: Any) -> dict[str, Any]:
    """Return an axis of numbered places with a text at each; names need not differ."""
    places = list(range(len(labels)))
    shown = {"tickmode": "array", "tickvals": places, "ticktext": list(labels), "showgrid": False}
    return axis(title, **{**shown, "range": [-0.5, len(labels) - 0.5], **settings})


def nice_limit(values: np.ndarray, steps: Sequence[float], least: float = 0.0) -> float:
    """Return the first step that holds every value, so that a colour range is a round number."""
    finite = np.abs(np.asarray(values, np.float64))
    finite = finite[np.isfinite(finite)]
    top = max(float(finite.max(initial=0.0)), least)
    return next((step for step in steps if step >= top), steps[-1])
