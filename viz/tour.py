"""The guided tour as data: each stop sets a recipe and says what is measured there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from merger.recipe import Recipe
from merger.sizes import stored_bytes
from merger.words import recipe_in_words
from viz import tour_recipes as recipes
from viz import tour_words as words
from viz.catalog import Catalog
from viz.scene import Scene
from viz.screens import panels

FAMILY = "zoo"
SUM = f"the plain sum (× {recipes.FACTOR:g})"


@dataclass(frozen=True)
class Stop:
    """One stop of the tour.

    Args:
        id: How the page calls it.
        title: What it is about; it claims nothing.
        tab: Which tab is opened; empty leaves the one that is open.
        at: What is outlined, as a CSS selector.
        todo: What to try there; it claims nothing.
        seconds: How long people take for it.
        recipe: Returns the recipe that is set; None leaves the one on the page.
        pin: Returns the recipe that it is compared with; None for none.
        words: Returns what is seen, computed from what the panels of the tab show.
        grows: Whether there is more to say while a job goes on, or the visitor changes the merge.
    """

    id: str
    title: str
    tab: str
    at: str
    todo: str
    seconds: int
    recipe: Callable[[recipes.Known], Recipe | None]
    words: Callable[[Scene], str]
    pin: Callable[[recipes.Known], Recipe] | None = None
    grows: bool = False


def _shown(panel: str, scene: Scene) -> Any:
    """Return what a panel shows of a scene; some come with the colours of the experts."""
    info = panels()[panel].measure(scene)
    return info[0] if isinstance(info, tuple) else info


def _of_output(scene: Scene) -> str:
    assert scene.live is not None
    size = stored_bytes(scene.live.models.plan(scene.recipe))
    return words.of_output(recipe_in_words(scene.recipe), size)


def _stepped(scene: Scene) -> str:
    step = next((e.step for e in scene.recipe.experts if e.step is not None), None)
    here = "Where it stands" if step is None else f"With all experts at step {step}, {SUM}"
    return words.of_change(_shown("tasks", scene), here, "at their last steps")


STOPS = (
    Stop(
        id="average",
        title="The plain average",
        tab="overview",
        at="[data-panel=tasks]",
        todo="Six experts, one model: the mean of their weights. Point at a bar for its number; "
        "the diamond is the task's own expert, the line the base.",
        seconds=30,
        recipe=recipes.average,
        words=lambda scene: words.of_average(_shown("tasks", scene)),
    ),
    Stop(
        id="conflict",
        title="Where do the experts conflict?",
        tab="conflict",
        at="[data-panel=conflict-grid]",
        todo="Orange cells conflict more than chance, blue ones less. Open a cell to look into "
        "its weights.",
        seconds=30,
        recipe=recipes.average,
        words=lambda scene: words.of_conflict(_shown("conflict-grid", scene)),
    ),
    Stop(
        id="training",
        title="When should training stop?",
        tab="training",
        at=".ms-training, [data-panel=training]",
        todo=f"Every expert keeps earlier checkpoints. Here they are added up with one factor, "
        f"{recipes.FACTOR:g}.",
        seconds=50,
        recipe=recipes.plain_sum,
        words=lambda scene: words.of_training(_shown("training", scene).info),
        grows=True,
    ),
    Stop(
        id="back",
        title="Slide the steps back",
        tab="training",
        at=".ms-training, [data-panel=training]",
        todo="All experts went back in training. Move “All experts” yourself: arrow keys work, "
        "and so does undo.",
        seconds=35,
        recipe=recipes.stepped_back,
        words=_stepped,
        pin=recipes.plain_sum,
    ),
    Stop(
        id="ties",
        title="TIES: trim, then elect a sign",
        tab="overview",
        at="[data-panel=tasks]",
        todo="The experts are fully trained again. Grey bars are the plain sum, pinned; drag the "
        "density and watch.",
        seconds=30,
        recipe=recipes.ties,
        words=lambda scene: words.of_change(
            _shown("tasks", scene), f"TIES (× {recipes.FACTOR:g})", SUM
        ),
        pin=recipes.plain_sum,
    ),
    Stop(
        id="lines",
        title="LiNeS: scale by depth",
        tab="overview",
        at="[data-panel=tasks]",
        todo="The plain sum again; what it changes is scaled afterwards, less in early layers and "
        "more in late ones.",
        seconds=25,
        recipe=recipes.lines,
        words=lambda scene: words.of_change(
            _shown("tasks", scene), f"With LiNeS {SUM}", "without it"
        ),
        pin=recipes.plain_sum,
    ),
    Stop(
        id="explore",
        title="Let it try settings",
        tab="pareto",
        at=".ms-explore, [data-panel=pareto]",
        todo="“Explore 64” draws settings of TIES and scores each in the background. Cancel keeps "
        "what is there; going on is fine too.",
        seconds=40,
        recipe=recipes.ties,
        words=lambda scene: words.of_front(_shown("pareto", scene)),
        grows=True,
    ),
    Stop(
        id="knee",
        title="The knee of the front",
        tab="pareto",
        at="[data-panel=pareto]",
        todo="The cross is the merge on the page. Click any point: the sliders go there.",
        seconds=25,
        recipe=recipes.at_the_knee,
        words=lambda scene: words.of_knee(_shown("pareto", scene)),
    ),
    Stop(
        id="merge",
        title="Merge for real",
        tab="",
        at="#ms-merge",
        todo="Press it if you like, and download the result when it is done.",
        seconds=20,
        recipe=lambda known: None,
        words=_of_output,
        grows=True,
    ),
    Stop(
        id="share",
        title="Share the link",
        tab="",
        at="#ms-share",
        todo="“Link” copies it. The tour ends here; your own recipe is one press away.",
        seconds=15,
        recipe=lambda known: None,
        words=lambda scene: words.of_link(recipe_in_words(scene.recipe)),
        grows=True,
    ),
)


def stop_of(id: object) -> Stop | None:
    """Return the stop with an id; None where there is none."""
    return next((stop for stop in STOPS if stop.id == id), None)


def outline(catalog: Catalog) -> dict[str, Any]:
    """Return what the page knows of the tour beforehand: its stops, and whether to offer it.

    It is offered where the bundled experts are what the page opens with.
    """
    there = any(family.id == FAMILY for family in catalog.families)
    fields = ("id", "title", "tab", "at", "todo", "seconds", "grows")
    return {
        "stops": [{name: getattr(stop, name) for name in fields} for stop in STOPS * there],
        "offered": there and catalog.families[0].id == FAMILY,
    }
