"""Measure the page on a Llama-shaped family of 300 million parameters: part of `make bench`.

    python -m benchmarks.large_page                    writes a family into a temporary folder
    python -m benchmarks.large_page --models DIR       uses one that is there

Scores of models this large follow at rest; what a slider moves is geometry from a sample.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks.large_family import write_family
from benchmarks.live_page import floor_empty, machine, quantiles
from tests.e2e.app_fixture import running_app
from tests.e2e.browser import launch

HERE = Path(__file__).parent
MILLIONS, EXPERTS = 300, 3
MOVES = 20
METHODS = ("task_arithmetic", "linear", "ties", "dare_linear", "dare_ties")
LONG = 600_000

MOVE = """(value) => new Promise((done) => {
  const track = document.getElementById('ms-weight-1-track');
  const studio = window.Mergescope.studio, update = window.Mergescope.update;
  const start = performance.now();
  track.value = value;
  track.dispatchEvent(new Event('input', {bubbles: true}));
  const mine = studio.seq;
  window.Mergescope.update = (payload) => {
    const out = update(payload);
    if (payload.kpis && payload.seq >= mine) {
      window.Mergescope.update = update;
      requestAnimationFrame(() => done(performance.now() - start));
    }
    return out;
  };
})"""


def anonymous_mb(pid: int) -> float:
    """Return the memory of a process that is its own, without files mapped into it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields["RssAnon"].split()[0]) / 1e3


def measure(browser: Any, folder: Path, workspace: Path) -> dict[str, Any]:
    """Open the page on a family, drag, look at every tab, and wait for the scores."""
    found: dict[str, Any] = {"empty": floor_empty(browser)}
    with running_app(workspace, "--models", str(folder), threads=2) as app:
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        start = time.perf_counter()
        page.goto(app.url)
        page.wait_for_function("window.Mergescope?.studio?.digest?.length > 10", timeout=LONG)
        found["first_answer_s"] = time.perf_counter() - start
        found["tabs_s"] = {}
        for tab in ("Conflict", "Overlap", "Overview"):
            start = time.perf_counter()
            page.get_by_role("tab", name=tab).click()
            page.wait_for_function(
                "[...document.querySelectorAll('[data-panel]')].filter((p) => p.offsetParent)"
                ".every((p) => p.querySelector('.main-svg, .ms-panel__error > *'))",
                timeout=LONG,
            )
            found["tabs_s"][tab] = time.perf_counter() - start
        found["methods"] = {m: moves(page, m) for m in METHODS}
        found["moved_mb"] = anonymous_mb(app.process.pid)
        start = time.perf_counter()
        page.evaluate(MOVE, 0.97)
        page.wait_for_function(
            "document.querySelector('[data-panel=tasks] .main-svg')", timeout=LONG
        )
        found["score_s"] = time.perf_counter() - start
        found["scored_mb"] = anonymous_mb(app.process.pid)
    return found


def moves(page: Any, method: str) -> dict[str, float]:
    """Measure moves of one coefficient under a method, after its first touch."""
    page.evaluate("document.querySelector('.ms-method').open = true")
    page.locator(f"input[name=ms-method][value={method}]").check()
    first = page.evaluate(MOVE, 0.91)
    times = []
    for i in range(MOVES):
        times.append(page.evaluate(MOVE, round(0.2 + 0.03 * i, 2)))
        page.wait_for_timeout(100)  # shorter than a rest: no score is begun in between
    return {"first": first, **quantiles(times)}


def report(found: dict[str, Any]) -> str:
    """Return the results as a page."""
    lines = [
        "# The page on large models",
        "",
        f"{found['date']}, {found['machine']}. `make bench` measures this anew. Llama-shaped, "
        f"{found['parameters'] / 1e6:.0f} M parameters in bf16, {EXPERTS} experts and their base. "
        "Geometry from a seeded sample, scores at rest from whole merges.",
        "",
        f"First answer after {found['first_answer_s']:.1f} s; first look at a tab: "
        + ", ".join(f"{k} {v:.1f} s" for k, v in found["tabs_s"].items())
        + f". Validation score of one merge, from its last move: {found['score_s']:.0f} s. "
        f"The server's own memory: {found['moved_mb']:.0f} MB after the moves, "
        f"{found['scored_mb']:.0f} MB after a score (float32 weights: "
        f"{4 * found['parameters'] / 1e6:.0f} MB).",
        "",
        "| milliseconds | first touch | p50 | p95 |",
        "|---|---|---|---|",
        f"| empty handler, round trip | | {found['empty']['p50']:.0f} "
        f"| {found['empty']['p95']:.0f} |",
    ]
    for name, row in found["methods"].items():
        lines.append(f"| {name} | {row['first']:.0f} | {row['p50']:.0f} | {row['p95']:.0f} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path)
    args = parser.parse_args()
    found: dict[str, Any] = {"date": date.today().isoformat(), "machine": machine()}
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = args.models or Path(temporary) / "llama"
        if args.models is None:
            write_family(folder, MILLIONS, EXPERTS)
        shards = folder.glob("base/*.safetensors")
        found["parameters"] = sum(path.stat().st_size for path in shards) / 2
        browser = launch(playwright)
        found |= measure(browser, folder, Path(temporary) / "workspace")
        browser.close()
    (HERE / "large_page.json").write_text(json.dumps(found, indent=1) + "\n")
    (HERE / "large_page.md").write_text(report(found))
    print(report(found))


if __name__ == "__main__":
    main()
