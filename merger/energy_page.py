"""The curve of an adapter as one page that stands on its own: it loads nothing and runs nothing.

It lies beside the adapter's weights, where no app is needed to look at it; the app draws the same
measure with its own charts.
"""

import json
from collections.abc import Iterable, Sequence
from html import escape
from math import log10
from pathlib import Path

from merger.diagnostics.energy import EnergyInfo
from merger.energy_words import (
    DRAWN,
    energy_table,
    kept_words,
    layer_words,
    needed_words,
    stored_words,
)

PAGE, DATA = "energy.html", "energy.json"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 340, 52, 12, 12, 46
STYLE = """
:root { color-scheme: light dark; --text: #17202c; --muted: #4a5667; --grid: #e6eaef;
  --card: #fff; --accent: #1f4e79; --neutral: #8b96a5; }
@media (prefers-color-scheme: dark) { :root { --text: #e7ecf3; --muted: #a5b1c2;
  --grid: #283241; --card: #181f2a; --accent: #8fbce6; --neutral: #8794a8; } }
body { max-width: 860px; margin: 0 auto; padding: 24px 16px 48px; color: var(--text);
  background: var(--card); font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0 0 8px; font-size: 22px; line-height: 1.25; } p { margin: 4px 0 10px; }
.muted, figcaption { color: var(--muted); font-size: 13px; } figure { margin: 16px 0; }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--muted);
  font: 12px system-ui, sans-serif; } path { fill: none; stroke-linejoin: round; }
.grid { stroke: var(--grid); } .all { stroke: var(--text); stroke-width: 3; }
.kind { stroke: var(--neutral); stroke-width: 1.5; }
.layer { stroke: var(--neutral); stroke-opacity: .35; }
.chosen { stroke: var(--accent); stroke-width: 1.5; stroke-dasharray: 2 4; }
circle { fill: var(--accent); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px;
  font-variant-numeric: tabular-nums; } caption { text-align: left; color: var(--muted); }
th, td { padding: 4px 14px 4px 0; text-align: right; font-weight: 400; white-space: nowrap;
  border-bottom: 1px solid var(--grid); } th:first-child { text-align: left; }
thead th { color: var(--muted); font-weight: 600; }
"""


def write_energy(folder: Path, title: str, info: EnergyInfo) -> None:
    """Write the curve beside an adapter: as a page, and as plain data."""
    (folder / PAGE).write_text(energy_page(title, info), "utf-8", newline="\n")
    text = json.dumps(info.to_json(), indent=1, allow_nan=False)
    (folder / DATA).write_text(text + "\n", "utf-8", newline="\n")


def energy_page(title: str, info: EnergyInfo) -> str:
    """Return the page.

    Args:
        title: What the adapter is called.
        info: What it keeps.
    """
    said = [kept_words(info), needed_words(info), stored_words(info)]
    words = "".join(f"<p>{escape(text)}</p>" for text in said if text)
    heads, rows = energy_table(info)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}: what the adapter keeps</title><style>{STYLE}</style></head>"
        f"<body><h1>{escape(title)}: what the adapter keeps</h1>{words}"
        f"<figure>{_picture(info)}<figcaption>{escape(DRAWN)}</figcaption></figure>"
        f"{_table(heads, rows)}</body></html>\n"
    )


def _picture(info: EnergyInfo) -> str:
    last = log10(max(float(info.ranks[-1]) if len(info.ranks) else 2.0, info.rank, 2.0))

    def x(rank: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * log10(rank) / last

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    def line(css: str, name: str, curve: Iterable[float]) -> str:
        points = " ".join(
            f"{x(float(r)):.1f},{y(float(v)):.1f}" for r, v in zip(info.ranks, curve, strict=True)
        )
        return f'<path class="{css}" d="M{points}"><title>{escape(name)}</title></path>'

    parts = [
        f'<path class="grid" d="M{LEFT},{y(share):.1f}H{WIDTH - RIGHT}"/>'
        f'<text x="{LEFT - 8}" y="{y(share) + 4:.1f}" text-anchor="end">{share:.0%}</text>'
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    ticks = [4**i for i in range(8) if 4**i <= 10**last]
    parts += [
        f'<text x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick}</text>'
        for tick in ticks
    ]
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
        "rank: directions of each matrix</text>"
    )
    if info.matrices:
        layers = map(layer_words, info.layers)
        parts += [line("layer", n, c) for n, c in zip(layers, info.by_layer, strict=True)]
        parts += [line("kind", n, c) for n, c in zip(info.modules, info.by_module, strict=True)]
        parts.append(line("all", "all matrices", info.whole))
        at, top = x(info.rank), y(info.kept)
        parts.append(f'<path class="chosen" d="M{at:.1f},{y(0):.1f}V{top:.1f}"/>')
        parts.append(f'<circle cx="{at:.1f}" cy="{top:.1f}" r="5"/>')
    label = escape(kept_words(info), quote=True)
    inside = "".join(parts)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{inside}</svg>'


def _table(heads: Sequence[str], rows: Sequence[Sequence[str | float | int]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th>'
        + "".join(f"<td>{_number(value)}</td>" for value in values)
        + "</tr>"
        for name, *values in rows
    )
    return (
        '<div class="scroll" tabindex="0"><table><caption>Shares of the energy, and ranks'
        f"</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _number(value: str | float | int) -> str:
    return f"{value:.2%}" if isinstance(value, float) else escape(str(value))
