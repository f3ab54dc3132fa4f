"""Compare: two merges side by side, task by task and example by example."""

from typing import Any

from merger.comparison import Row, compare_rows, measure_comparison, shared_tasks
from merger.diagnostics.compare import CompareInfo
from merger.errors import FeedError, TaskError
from merger.intervals import Interval
from viz.figures.compare import draw_compare, limit_of, patch_compare
from viz.scene import Pin, Scene
from viz.scores import Scores
from viz.spec import PanelSpec, Screen

NAN = float("nan")
NOTHING = (
    "No merge is pinned yet.",
    "Press “Pin” (p), or set A above; then change something, or set B.",
)


def measure(scene: Scene) -> tuple[CompareInfo, dict[str, str]]:
    """Return what the panel shows.

    Raises:
        FeedError: nothing is pinned. TaskError: one of the two cannot be scored.
    """
    first = scene.pins[0] if scene.pins else scene.pin
    if first is None:
        raise FeedError(*NOTHING)
    second = scene.pins[1] if len(scene.pins) > 1 else None
    other = scene.scored if second is None else _scores_of(second, scene)
    a = _scores_of(first, scene)
    owners = {name: expert for name, (expert, _) in scene.anchors[1].items()}
    if a.full is not None and other.full is not None:
        tasks = shared_tasks(other.tasks, a.full, other.full)
        info = measure_comparison(tasks, a.full, other.full, live=second is None, owners=owners)
    else:
        info = _estimated(a, other, owners)
    return info, scene.colours


def _scores_of(pin: Pin, scene: Scene) -> Scores:
    if pin.scores is not None:
        return pin.scores
    why = scene.missing or "A pinned merge is not scored yet."
    raise TaskError(why, scene.family.missing or "It is scored once the sliders rest.")


def _estimated(a: Scores, b: Scores, owners: dict[str, str]) -> CompareInfo:
    """Compare a pin with an estimate, whose change against it is known on a subset."""
    names = [task.name for task in a.tasks]
    if b.change is None or [task.name for task in b.tasks] != names:
        raise TaskError("The pinned merge is not scored on these tasks yet.", "Let it rest.")
    rows = [
        Row(
            task=task,
            a=Interval(a.value[i], a.low[i], a.high[i]),
            b=Interval(b.value[i], b.low[i], b.high[i]),
            change=b.change[i],
            only_a=NAN,
            only_b=NAN,
            n=int(b.n[i]),
            groups=int(b.n[i]),
        )
        for i, task in enumerate(b.tasks)
    ]
    return compare_rows(rows, split=b.split, measured=False, live=True, owners=owners)


def _frame(scene: Scene, shown: Any) -> list[Any]:
    info: CompareInfo = shown[0]
    return [*info.tasks, *info.owners, info.live, info.normalised, limit_of(info)]


SCREEN = Screen(
    id="compare",
    title="Compare",
    order=8,
    above="ms-compare-root",
    panels=(
        PanelSpec(
            id="compare",
            title="What does each task gain or lose from A to B?",
            height=360,
            measure=measure,
            draw=lambda shown: draw_compare(*shown),
            patch=lambda shown: patch_compare(shown[0]),
            frame=_frame,
            wide=True,
            why="Paired: both merges answer the same examples, so only those that changed hands "
            "count. Bonett and Price's interval (2012) where examples are independent, a "
            "bootstrap over font families where images share one or over passages of a text. "
            "The mean joins the tasks' intervals as squares. Mean and worst count shares of the "
            "experts' best accuracies where these are known, like the headline numbers. The worst "
            "task of each is compared with the paired interval where it is the same one, else "
            "their own intervals join as squares (Newcombe, 1998); that it is the worst was "
            "chosen on the same examples.",
        ),
    ),
    below="ms-changed-root",
)
