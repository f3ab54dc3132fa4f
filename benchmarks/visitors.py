"""Measure twenty visitors who drag at once on one process: `python -m benchmarks.visitors`.

The floor is one visitor alone in the same run: merges run one after the other, so twenty visitors
cannot be answered faster than twenty times that. Reported: how far from it, how evenly the answers
are shared, whether any answer was somebody else's, and what stays in memory.
"""

import json
import statistics
import tempfile
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.live_page import machine, quantiles
from tests.e2e.app_fixture import App, running_app
from tests.visitors import Visitor

HERE = Path(__file__).parent
VISITORS = 20
ALONE_MOVES = 30
ROUND_SECONDS = 30.0


def alone(url: str) -> dict[str, float]:
    """Measure one visitor with nobody else around, for each method that the others use."""
    times = []
    for number in range(4):
        visitor = Visitor(url, number)
        visitor.move()  # the first one reads and keeps what the others find
        visitor.seconds.clear()
        for _ in range(ALONE_MOVES // 4):
            visitor.move()
        times += visitor.seconds
    return quantiles([1000 * t for t in times])


def together(visitors: list[Visitor]) -> tuple[int, int]:
    """Let all of them drag for a while; return how many answers were wrong, and errors."""
    end = time.monotonic() + ROUND_SECONDS
    wrong, errors = [0] * len(visitors), [0] * len(visitors)

    def drag(i: int) -> None:
        visitor = visitors[i]
        while time.monotonic() < end:
            answer = visitor.move()
            if "error" in answer:
                errors[i] += 1
            elif visitor.weights(answer) != visitor.own_weights():
                wrong[i] += 1

    threads = [threading.Thread(target=drag, args=(i,)) for i in range(len(visitors))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(wrong), sum(errors)


def memory_mb(app: App) -> float:
    """Return the resident memory of the app's own process."""
    status = Path(f"/proc/{app.process.pid}/status").read_text()
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return int(lines["VmRSS"].split()[0]) / 1e3


def shared_out(visitors: list[Visitor]) -> dict[str, Any]:
    """Return how the answers of a round were shared, and how long they took."""
    counts = [len(visitor.seconds) for visitor in visitors]
    times = [1000 * t for visitor in visitors for t in visitor.seconds]
    medians = [1000 * statistics.median(visitor.seconds) for visitor in visitors]
    return {
        "answers": sum(counts),
        "fewest": min(counts),
        "most": max(counts),
        **quantiles(times),
        "fastest_median": min(medians),
        "slowest_median": max(medians),
    }


def main() -> None:
    """Measure and write the page."""
    found: dict[str, Any] = {"date": date.today().isoformat(), "machine": machine()}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_app(Path(folder) / "workspace", threads=2) as app,
    ):
        found["alone"] = alone(app.url)
        visitors = [Visitor(app.url, number) for number in range(VISITORS)]
        found["rounds"] = []
        for _ in range(3):
            for visitor in visitors:
                visitor.seconds.clear()
                visitor.answers.clear()
            wrong, errors = together(visitors)
            round_ = shared_out(visitors) | {"wrong": wrong, "errors": errors}
            found["rounds"].append(round_ | {"memory_mb": memory_mb(app)})
    (HERE / "visitors.json").write_text(json.dumps(found, indent=1) + "\n")
    (HERE / "visitors.md").write_text(report(found))
    print(report(found))


def report(found: dict[str, Any]) -> str:
    """Return the results as a page."""
    alone = found["alone"]
    lines = [
        "# Twenty visitors on one process",
        "",
        f"{found['date']}, {found['machine']}. `make bench` measures this anew.",
        "",
        f"{VISITORS} visitors with four methods and their own experts, each dragging as fast as "
        f"it is answered, in rounds of {ROUND_SECONDS:.0f} s. One visitor alone: "
        f"{alone['p50']:.0f} ms p50, {alone['p95']:.0f} ms p95. Answers come one after the other, "
        f"so {VISITORS} visitors cannot be answered faster than {VISITORS * alone['p50']:.0f} ms.",
        "",
        "| round | answers | p50, ms | p95, ms | p50 over the floor | fewest to most answers "
        "per visitor | wrong answers | errors | memory, MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for i, row in enumerate(found["rounds"]):
        over = row["p50"] / (VISITORS * alone["p50"])
        lines.append(
            f"| {i + 1} | {row['answers']} | {row['p50']:.0f} | {row['p95']:.0f} | {over:.2f}× | "
            f"{row['fewest']} to {row['most']} | {row['wrong']} | {row['errors']} | "
            f"{row['memory_mb']:.0f} |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
