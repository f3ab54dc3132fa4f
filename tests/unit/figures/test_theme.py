import re
from pathlib import Path

from viz.theme import (
    DARK,
    EXPERTS_DARK,
    EXPERTS_LIGHT,
    LIGHT,
    SCALES_DARK,
    SCALES_LIGHT,
    expert_colours,
)

CSS = (Path(__file__).parents[3] / "assets" / "style.css").read_text("utf-8")


def variables(names: dict) -> dict[str, str]:
    """Return --ms-* variables in the order in which the stylesheet sets them, light first."""
    found = re.findall(r"--ms-([a-z0-9-]+):\s*([^;]+);", CSS)
    return {name: [v.strip().lower() for n, v in found if n == name] for name in names}


def test_palettes_are_those_of_the_stylesheet():
    experts = [f"expert-{i + 1}" for i in range(8)]
    light = {**LIGHT, **dict(zip(experts, EXPERTS_LIGHT, strict=True))}
    dark = {**DARK, **dict(zip(experts, EXPERTS_DARK, strict=True))}
    scales = {f"scale-{name}": (c, SCALES_DARK[name]) for name, c in SCALES_LIGHT.items()}
    for name, found in variables(light).items():
        assert (found[0], found[-1]) == (light[name], dark[name]), name
    for name, found in variables(scales).items():
        assert (found[0], found[-1]) == tuple(", ".join(c) for c in scales[name]), name


def test_orange_means_conflict_and_nothing_else():
    assert "#d55e00" not in (*EXPERTS_LIGHT, *EXPERTS_DARK)
    assert len(set(EXPERTS_LIGHT)) == len(set(EXPERTS_DARK)) == 8


def test_experts_keep_the_colour_of_their_chip():
    assert expert_colours(("a", "b"), {"b": "@expert-7"}) == ["@expert-1", "@expert-7"]
    assert expert_colours(tuple("abcdefghi"))[8] == "@expert-1"


def test_text_in_cells_can_be_read_on_every_colour_of_a_scale():
    for scales, surface in ((SCALES_LIGHT, LIGHT), (SCALES_DARK, DARK)):
        for name in ("diverging", "sequential", "conflicts"):
            for colour in scales[name]:
                assert contrast(colour, surface["cell-text"]) >= 4.5, (name, colour)


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
