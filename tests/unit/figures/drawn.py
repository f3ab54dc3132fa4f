"""Check a figure the way the browser reads it, and show it to plotly's own schema."""

import json
import re
from typing import Any

import plotly.graph_objects as go

from viz.figures.figure import Figure
from viz.theme import EXPERTS_LIGHT, LIGHT, SCALES_LIGHT

TOKENS = {
    **{f"@{name}": colour for name, colour in LIGHT.items()},
    **{f"@expert-{i + 1}": colour for i, colour in enumerate(EXPERTS_LIGHT)},
}
SMALLEST_FONT = 11


def check(figure: Figure) -> dict[str, Any]:
    """Validate a figure and return it as the browser gets it."""
    shape = json.loads(json.dumps(figure.to_json(), allow_nan=False))
    names = [trace["name"] for trace in shape["data"]]
    assert len(set(names)) == len(names)
    assert [trace["uid"] for trace in shape["data"]] == names
    resolved = _resolve({"data": shape["data"], "layout": shape["layout"]})
    go.Figure(**resolved)
    meta = shape["meta"]
    for word in ("title", "look", "caption", "alt"):
        assert meta[word].strip() and "nan" not in meta[word] and "None" not in meta[word]
    assert all(meta[word].endswith(".") for word in ("look", "caption", "alt"))
    assert meta["link"] in ("cells", "pairs", "rows", "traces", "points")
    width = len(meta["table"]["columns"])
    assert all(len(row) == width for row in meta["table"]["rows"])
    assert isinstance(meta["height"], int) and meta["height"] > 100
    _check_layout(shape["layout"])
    _check_fonts(shape)
    return shape


def check_patch(figure: Figure, patch: dict[str, Any]) -> None:
    """Check that a patch names traces of the figure and is plain JSON."""
    json.dumps(patch, allow_nan=False)
    names = {trace["name"] for trace in figure.data}
    assert set(patch) == {"traces", "meta"} and set(patch["traces"]) <= names
    assert "height" not in patch["meta"] and patch["meta"]["caption"] and patch["meta"]["look"]


def _check_layout(layout: dict[str, Any]) -> None:
    assert "title" not in layout
    for name, axis in layout.items():
        if re.fullmatch(r"[xy]axis\d*", name):
            assert isinstance(axis["title"]["text"], str)
            assert axis["automargin"] and axis["tickangle"] == 0 and len(axis["range"]) == 2


def _check_fonts(part: Any) -> None:
    if isinstance(part, dict):
        for key, value in part.items():
            if key.endswith("font") and isinstance(value, dict) and "size" in value:
                assert value["size"] >= SMALLEST_FONT
            _check_fonts(value)
    elif isinstance(part, list):
        for item in part:
            _check_fonts(item)


def _resolve(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: _resolve(value) for key, value in part.items()}
    if isinstance(part, list):
        return [_resolve(value) for value in part]
    if isinstance(part, str) and part.startswith("@"):
        name = part.split("/")[0]
        scale = SCALES_LIGHT.get(name[1:])
        if scale:
            return [[i / (len(scale) - 1), colour] for i, colour in enumerate(scale)]
        return TOKENS[name]
    return part
