"""Measure the live page against its floors, all in one run: `make bench`.

Floors: the round trip of a page whose handler does nothing, and the bare forward pass of the live
subset. Real: from a slider's input event to the chart that shows its answer. Then 200 more moves,
for what they leave behind in the browser and the server.
"""

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from merger.live import LiveSet, Place
from merger.live_scores import scores_for
from merger.model_thread import MODELS
from merger.recipe import Recipe
from tests.e2e.app_fixture import WAIT, App, free_port, running_app
from tests.e2e.browser import launch

HERE = Path(__file__).parent
MOVES = 20
METHODS = ("task_arithmetic", "linear", "ties", "dare_linear", "dare_ties")

MOVE = """(value) => new Promise((done) => {
  const track = document.getElementById('ms-weight-1-track');
  const chart = document.querySelector('[data-panel=tasks] .ms-panel__chart');
  const start = performance.now();
  track.value = value;
  track.dispatchEvent(new Event('input', {bubbles: true}));
  const mine = window.Mergescope.studio.seq;
  const look = () => {
    if (chart.__seq >= mine) done(performance.now() - start); else requestAnimationFrame(look);
  };
  look();
})"""

EMPTY = """async () => { const start = performance.now(); await window.nothing('{}');
  return performance.now() - start; }"""


def quantiles(values: list[float]) -> dict[str, float]:
    """Return median and 95 % quantile."""
    ordered = sorted(values)
    return {
        "p50": statistics.median(ordered),
        "p95": ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))],
    }


@contextmanager
def empty_page() -> Iterator[str]:
    """Run the page that does nothing."""
    port = free_port()
    process = subprocess.Popen([sys.executable, str(HERE / "empty_page.py"), str(port)])
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(url, timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def floor_empty(browser: Any) -> dict[str, float]:
    """Measure the round trip of the empty handler."""
    with empty_page() as url:
        page = browser.new_page()
        page.goto(url)
        page.wait_for_function("window.nothing")
        found = quantiles([page.evaluate(EMPTY) for _ in range(MOVES)])
        page.close()
    return found


def floor_forward(text: str, n: int) -> dict[str, float]:
    """Measure the bare forward pass of a live subset of n images a task, in milliseconds."""
    live = LiveSet.open(Recipe.from_yaml(text), place=Place())
    preview = scores_for(live.models.reference, (), n).preview
    assert preview is not None
    preview.answer(live.merge(Recipe.from_yaml(text)).tensors)

    def once() -> float:
        start = time.perf_counter()
        MODELS.run(preview._pass)
        return 1000 * (time.perf_counter() - start)

    # With pauses, as between the moves of a hand: processors slow down and wake up.
    times = []
    for _ in range(MOVES):
        time.sleep(0.3)
        times.append(once())
    return quantiles(times)


def open_page(browser: Any, url: str) -> Any:
    """Open the Studio and wait until it is measured."""
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.goto(url)
    page.wait_for_function("window.Mergescope?.studio?.idle === true", timeout=WAIT)
    return page


def settle(page: Any) -> None:
    """Wait until the page rests."""
    page.wait_for_function("window.Mergescope.studio.idle === true", timeout=WAIT)


def measure_method(page: Any, method: str) -> dict[str, Any]:
    """Measure single moves, and whether a drag ends with its last value on screen."""
    page.evaluate("document.querySelector('.ms-method').open = true")
    page.locator(f"input[name=ms-method][value={method}]").check()
    settle(page)
    first = page.evaluate(MOVE, 0.91)
    times = []
    for i in range(MOVES):
        settle(page)  # a full validation that runs beside would be measured too
        times.append(page.evaluate(MOVE, round(0.2 + 0.03 * i, 2)))
    for i in range(30):
        page.evaluate(
            """(v) => { const t = document.getElementById('ms-weight-1-track'); t.value = v;
            t.dispatchEvent(new Event('input', {bubbles: true})); }""",
            round(0.5 + 0.01 * i, 2),
        )
        page.wait_for_timeout(16)
    settle(page)
    last = "0.79" in page.evaluate("window.Mergescope.studio.text")
    return {"first": first, **quantiles(times), "last_value_shown": last}


def leftovers(page: Any, app: App) -> dict[str, Any]:
    """Measure what 100 more moves leave behind after 100 moves."""
    session = page.context.new_cdp_session(page)

    def snapshot() -> dict[str, float]:
        settle(page)
        for _ in range(3):
            session.send("HeapProfiler.collectGarbage")
            page.wait_for_timeout(200)
        session.send("Performance.enable")
        metrics = {
            m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]
        }
        status = Path(f"/proc/{app.process.pid}/status").read_text()
        lines = dict(line.split(":", 1) for line in status.splitlines())
        return {
            "nodes": metrics["Nodes"],
            "listeners": metrics["JSEventListeners"],
            "heap_mb": metrics["JSHeapUsedSize"] / 1e6,
            "threads": int(lines["Threads"]),
            "server_mb": int(lines["VmRSS"].split()[0]) / 1e3,
        }

    def moves(start: float) -> None:
        for i in range(100):
            page.evaluate(MOVE, round(start + 0.005 * i, 3))

    moves(0.2)
    before = snapshot()
    moves(0.7)
    after = snapshot()
    return {"after_100": before, "after_200": after}


def main() -> None:
    """Measure everything and write the page."""
    found: dict[str, Any] = {"date": date.today().isoformat(), "machine": machine()}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = launch(playwright)
        found["empty"] = floor_empty(browser)
        with running_app(Path(folder) / "workspace", threads=2) as app:
            page = open_page(browser, app.url)
            text = page.evaluate("window.Mergescope.studio.text")
            found["methods"] = {m: measure_method(page, m) for m in METHODS}
            found["leftovers"] = leftovers(page, app)
            n = page.evaluate(
                """() => new Promise((done) => { const original = window.Mergescope.update;
                const tag = () => document.querySelector('.ms-kpi__tag').textContent;
                const track = document.getElementById('ms-weight-1-track'); track.value = 1.11;
                track.dispatchEvent(new Event('input', {bubbles: true}));
                const look = () => { if (tag().includes('preview'))
                    done(Number(tag().match(/n ([\\d,\\u202f.]+)/)[1].replace(/\\D/g, '')));
                    else requestAnimationFrame(look); }; look(); })"""
            )
        found["images"] = n
        found["forward"] = floor_forward(text, n // 6)
        browser.close()
    (HERE / "live_page.json").write_text(json.dumps(found, indent=1) + "\n")
    (HERE / "live_page.md").write_text(report(found))
    print(report(found))


def machine() -> str:
    """Name the machine in general terms."""
    return f"{platform.machine()}, Python {platform.python_version()}, shared virtual machine"


def report(found: dict[str, Any]) -> str:
    """Return the results as a page, with what was aimed at."""
    empty, forward = found["empty"], found["forward"]
    floor = {q: empty[q] + forward[q] for q in ("p50", "p95")}
    lines = [
        "# The live page against its floors",
        "",
        f"{found['date']}, {found['machine']}. Milliseconds. `make bench` measures this anew.",
        "",
        f"Live subset: {found['images']} images over 6 tasks; 6 experts, 0.94 M parameters.",
        "",
        "| what | p50 | p95 | over the floors, p50 | over the floors, p95 | aim |",
        "|---|---|---|---|---|---|",
        f"| empty handler, round trip | {empty['p50']:.0f} | {empty['p95']:.0f} | | | |",
        f"| bare forward of the subset | {forward['p50']:.0f} | {forward['p95']:.0f} | | | |",
    ]
    for name, row in found["methods"].items():
        extra = 150 if name in ("ties", "dare_linear", "dare_ties") else 0
        over = {q: row[q] - floor[q] for q in ("p50", "p95")}
        aim = f"p95 ≤ +{150 + extra}" + ("" if extra else ", p50 ≤ +60")
        met = over["p95"] <= 150 + extra and (extra or over["p50"] <= 60)
        lines.append(
            f"| {name} | {row['p50']:.0f} | {row['p95']:.0f} | {over['p50']:+.0f} | "
            f"{over['p95']:+.0f} | {aim}: {'met' if met else 'missed'} |"
        )
    shown = all(row["last_value_shown"] for row in found["methods"].values())
    a, b = found["leftovers"]["after_100"], found["leftovers"]["after_200"]
    grown = 100 * (b["server_mb"] / a["server_mb"] - 1)
    lines += [
        "",
        f"A drag of 30 moves ends with its last value on screen: {'yes' if shown else 'NO'}.",
        "",
        "| after garbage collection | 100 moves | 200 moves | aim |",
        "|---|---|---|---|",
        f"| DOM nodes | {a['nodes']:.0f} | {b['nodes']:.0f} | +0 |",
        f"| event listeners | {a['listeners']:.0f} | {b['listeners']:.0f} | |",
        f"| browser heap, MB | {a['heap_mb']:.1f} | {b['heap_mb']:.1f} | |",
        f"| server threads | {a['threads']} | {b['threads']} | +0 |",
        f"| server memory, MB | {a['server_mb']:.0f} | {b['server_mb']:.0f} ({grown:+.1f} %)"
        " | +2 % |",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
