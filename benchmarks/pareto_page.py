"""Measure the Pareto tab with 2,000 scored merges in a real browser: `make bench`.

Hover and zoom are the browser's alone: from the pointer's move to the label that is drawn, from
the zoom to the new axes. A slider's drag goes to the server and back; the same drag
on the Overview tab in the same run is its floor.
"""

import json
import os
import random
import tempfile
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks.live_page import MOVE, machine, quantiles, settle
from merger.keeping import anchor_of
from merger.library import Library
from merger.live import LiveSet, Place
from merger.recipe import Recipe
from merger.scored import MergeFacts
from merger.scorer import SCORER_VERSION
from merger.workspace import Workspace
from tests.e2e.app_fixture import WAIT, Desk, running_app
from tests.e2e.browser import launch
from viz.catalog import first_recipe, zoo_family

HERE = Path(__file__).parent
POINTS = 2000
TRIES = 30
DRAGS = 8  # each waits for a full validation to end, which would be measured too
VISITOR = "benchmark-visitor-of-the-pareto-tab"

CHART = "document.querySelector('[data-panel=pareto] .ms-panel__chart')"
PLACES = f"""() => {{ const chart = {CHART}, r = chart.getBoundingClientRect();
  const {{ xaxis, yaxis }} = chart._fullLayout;
  const trace = chart.data.find((t) => t.name === 'merges');
  return [...trace.x].map((x, i) => [r.left + xaxis._offset + xaxis.l2p(x),
    r.top + yaxis._offset + yaxis.l2p(trace.y[i])]); }}"""
# From the event to the frame after the handler has drawn: what somebody waits for.
HOVER = f"""([x, y]) => new Promise((done) => {{
  const layer = {CHART}.querySelector('.nsewdrag');
  const start = performance.now();
  layer.dispatchEvent(new MouseEvent('mousemove', {{bubbles: true, clientX: x, clientY: y}}));
  const look = () => {{
    if ({CHART}.querySelector('.hoverlayer .hovertext')) done(performance.now() - start);
    else if (performance.now() - start > 2000) done(null); else requestAnimationFrame(look); }};
  requestAnimationFrame(look); }})"""
UNHOVER = f"() => {{ Plotly.Fx.unhover({CHART}); }}"
ZOOM = f"""(at) => new Promise((done) => {{
  const start = performance.now();
  Plotly.relayout({CHART}, {{'xaxis.range': at.x, 'yaxis.range': at.y}}).then(() =>
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)))); }})"""
DRAG = MOVE.replace("[data-panel=tasks]", "[data-panel=pareto]")


def fill(workspace: Path) -> None:
    """Write 2,000 rows for one visitor: real scores of the first merge, shifted at random."""
    family = zoo_family()
    recipe = first_recipe(family)
    live = LiveSet.open(recipe, place=Place())
    told = live.report(live.full(recipe)).to_json()
    anchor, draw = anchor_of(live), random.Random(0)
    with closing(Workspace(workspace)) as place:
        library = Library(place)
        for i in range(POINTS):
            library.add(
                f"{i:064x}",
                recipe.to_yaml(),
                _shifted(told, f"{i:064x}", draw),
                scorer=str(SCORER_VERSION),
                owner=VISITOR,
                facts=MergeFacts(anchor, draw.uniform(0, 0.3), 2_000_000, _about(recipe)),
            )


def _shifted(told: dict[str, Any], digest: str, draw: random.Random) -> dict[str, Any]:
    tasks = []
    for row in told["tasks"]:
        off = draw.uniform(-0.3, 0.1)
        ends = {name: min(1.0, max(0.0, row[name] + off)) for name in ("value", "low", "high")}
        tasks.append(row | ends)
    return told | {"digest": digest, "tasks": tasks}


def _about(recipe: Recipe) -> dict[str, Any]:
    words = (
        "Task arithmetic of 0.964 × mnist, 0.858 × fashion, 0.664 × latin, 0.257 × hiragana, "
        "0.647 × arabic and 0.143 × greek, with scale 0.82"
    )
    return {
        "method": recipe.method,
        "words": words,
        "experts": [e.name for e in recipe.experts],
        "base": {},
    }


def measure(desk: Desk) -> dict[str, Any]:
    """Measure hover, zoom, and a slider's drag on this tab and on Overview."""
    page = desk.page
    desk.tab("Overview")
    floor = _drags(page, MOVE)
    desk.tab("Pareto")
    desk.drawn("pareto")
    page.wait_for_function(f"{CHART}.data[0].x.length > {POINTS // 2}", timeout=WAIT)
    page.wait_for_load_state("networkidle")
    places = page.evaluate(PLACES)
    hovers = []
    for i in range(TRIES):
        page.evaluate(UNHOVER)
        page.wait_for_timeout(60)
        hovers.append(page.evaluate(HOVER, places[(i * 61) % len(places)]))
    zooms = [page.evaluate(ZOOM, _window(page, i)) for i in range(TRIES)]
    return {
        "points": POINTS,
        "hover": quantiles([t for t in hovers if t is not None]),
        "hover_missed": sum(t is None for t in hovers),
        "zoom": quantiles(zooms),
        "drag": _drags(page, DRAG),
        "drag_overview": floor,
    }


def _window(page: Any, i: int) -> dict[str, list[float]]:
    whole = page.evaluate(f"[{CHART}._fullLayout.xaxis.range, {CHART}._fullLayout.yaxis.range]")
    share = 0.9 if i % 2 else 1 / 0.9
    (a, b), (c, d) = whole
    return {"x": [a, a + share * (b - a)], "y": [c, c + share * (d - c)]}


def _drags(page: Any, move: str) -> dict[str, float]:
    times = []
    for i in range(DRAGS):
        settle(page)
        times.append(page.evaluate(move, round(0.2 + 0.02 * i, 2)))
    settle(page)
    return quantiles(times)


def main() -> None:
    """Measure everything and write the page."""
    found: dict[str, Any] = {"date": date.today().isoformat(), "machine": machine()}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        workspace = Path(folder) / "workspace"
        fill(workspace)
        browser = launch(playwright)
        with running_app(workspace, threads=2) as app:
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.goto(app.url)
            page.evaluate("(v) => localStorage.setItem('mergescope-visitor', v)", VISITOR)
            page.reload()
            found |= measure(Desk(page, app.url).settled())
            found["load"] = os.getloadavg()[0]
        browser.close()
    (HERE / "pareto_page.json").write_text(json.dumps(found, indent=1) + "\n")
    (HERE / "pareto_page.md").write_text(report(found))
    print(report(found))


def report(found: dict[str, Any]) -> str:
    """Return the results as a page, with what was aimed at."""
    floor, drag = found["drag_overview"], found["drag"]
    lines = [
        "# 2,000 scored merges on the Pareto tab",
        "",
        f"{found['date']}, {found['machine']}. Milliseconds. `make bench` measures this anew.",
        f"Load average {found['load']:.1f} on {os.cpu_count()} cores while it ran: above one a "
        "core, times are of a busy machine, and only the comparison with Overview holds.",
        "",
        "| what | p50 | p95 | aim |",
        "|---|---|---|---|",
    ]
    for name, words in (("hover", "hover: move to label"), ("zoom", "zoom: box to new axes")):
        row = found[name]
        met = "met" if row["p95"] < 100 else "missed"
        lines.append(f"| {words} | {row['p50']:.0f} | {row['p95']:.0f} | p95 < 100: {met} |")
    over = {q: drag[q] - floor[q] for q in ("p50", "p95")}
    met = "met" if max(over.values()) < 100 else "missed"
    lines += [
        f"| drag on Overview, slider to chart | {floor['p50']:.0f} | {floor['p95']:.0f} | |",
        f"| drag on this tab, slider to chart | {drag['p50']:.0f} | {drag['p95']:.0f} | |",
        f"| what 2,000 points add to a drag | {over['p50']:+.0f} | {over['p95']:+.0f} "
        f"| both < +100: {met} |",
        "",
        "A drag ends when the answer of the server, an estimate on the live subset, is on screen.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
