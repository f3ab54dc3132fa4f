"""Colours and type sizes; the browser holds the same ones as --ms-* variables and adapts them."""

from collections.abc import Mapping

# Okabe and Ito, without their vermillion: #D55E00 means conflict and nothing else.
EXPERTS_LIGHT = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#7b5ea7", "#b8a400", "#7f7f7f",
)  # fmt: skip
EXPERTS_DARK = ("#3d9bd8", *EXPERTS_LIGHT[1:5], "#a88ad4", *EXPERTS_LIGHT[6:])
LIGHT = {
    "text": "#17202c", "muted": "#4a5667", "grid": "#e6eaef", "axis": "#aeb7c4", "card": "#ffffff",
    "accent": "#1f4e79", "conflict": "#d55e00", "agree": "#0072b2", "neutral": "#8b96a5",
    "pin": "#4a5667", "cell-text": "#0b0f14",
}  # fmt: skip
DARK = {
    "text": "#e7ecf3", "muted": "#a5b1c2", "grid": "#283241", "axis": "#55637a", "card": "#181f2a",
    "accent": "#8fbce6", "conflict": "#d55e00", "agree": "#4aa3df", "neutral": "#8794a8",
    "pin": "#a5b1c2", "cell-text": "#ffffff",
}  # fmt: skip
# From conflict to agreement, and from nothing to much; pale enough for numbers in the cells.
SCALES_LIGHT = {
    "diverging": ("#d55e00", "#efb288", "#f3f4f6", "#a3cbe6", "#4a9bd1"),
    "sequential": ("#f3f4f6", "#d8d5ea", "#b5afda", "#8f86c8"),
    "conflicts": ("#f3f4f6", "#f6d3b8", "#ec9f66", "#d55e00"),
    "cividis": ("#00224e", "#35456c", "#666970", "#948e77", "#c8b866", "#fee838"),
}
SCALES_DARK = {
    "diverging": ("#bf5400", "#73452d", "#263040", "#28567a", "#2a75ab"),
    "sequential": ("#263040", "#3d3f63", "#564f88", "#7468b8"),
    "conflicts": ("#263040", "#553d35", "#8a4a20", "#bf5400"),
    "cividis": SCALES_LIGHT["cividis"],
}
TITLE, LABEL, TICK, CELL = 15, 13, 12, 12  # pixels; nothing is set below 11


def expert_colours(names: tuple[str, ...], known: Mapping[str, str] | None = None) -> list[str]:
    """Return one colour token per expert: the one it has on its chip, else by position."""
    chosen = known or {}
    return [
        chosen.get(name, f"@expert-{i % len(EXPERTS_LIGHT) + 1}") for i, name in enumerate(names)
    ]
