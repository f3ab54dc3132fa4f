"""What a visitor can pick from: families of a base and the experts that were tuned from it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merger.adapted import AdaptedCheckpoint
from merger.checkpoint import Checkpoint
from merger.errors import MergeError, SourceError, did_you_mean
from merger.live_scores import tasks_to_show
from merger.places import count_layers
from merger.recipe import Expert, Recipe
from merger.sources import ModelFolder, list_models, open_source, source_steps
from merger.zoo.read import zoo_info

MAX_EXPERTS = 8
NO_BASE = (
    "None of these models names one of the others as its base. Say which one it is, if it is "
    "here: task vectors, and the methods that use them, need it."
)


@dataclass(frozen=True, slots=True)
class Choice:
    """One expert on offer.

    Args:
        source: Source without a step.
        name: Its name in recipes and on chips.
        task: The task it was trained for; None when unknown.
        steps: Steps of its checkpoints in order; empty when there is one.
        scores: Own score by step ("final" for a single one): (value, n) on validation.
        final: The step that stands for it where none is named; None when unknown.
        rank: Of a LoRA adapter, the most directions it changes a matrix in; None for a model.
    """

    source: str
    name: str
    task: str | None
    steps: tuple[int, ...]
    scores: tuple[tuple[float, int] | None, ...]
    final: int | None = None
    rank: int | None = None

    def score_at(self, step: int | None) -> tuple[float, int] | None:
        """Return its own score at a step, the final one when None; None when unknown."""
        at = self.final if step is None else step
        if at not in self.steps:
            return self.scores[-1] if self.scores else None
        return self.scores[self.steps.index(at)]


@dataclass(frozen=True, slots=True)
class Family:
    """A base and the experts that fit it.

    Args:
        id: Stable id, used in the page's state.
        title: Shown in the picker.
        base: Source of the base; None when nobody said which model it is.
        choices: The experts on offer.
        tasks: Names of the tasks that can be scored.
        note: One sentence that says what these models are.
        missing: Why some task, or none, can be scored; empty when all can.
        folder: Where `file:` sources of this family lie; None for the bundled experts.
        group: Id of the family without a base that this one is a reading of; else its own id.
        base_name: What the base is called there; empty without one.
        refused: What lies there too and cannot be used: names, and why not.
        layers: How many layers the names of its tensors number.
        granted: Of models of the hub, "org/name@commit"; who may see one is asked at each request.
        texts: Folders of the host whose texts models of the hub are scored on.
    """

    id: str
    title: str
    base: str | None
    choices: tuple[Choice, ...]
    tasks: tuple[str, ...]
    note: str = ""
    missing: str = ""
    folder: Path | None = None
    group: str = ""
    base_name: str = ""
    refused: tuple[tuple[str, str], ...] = ()
    layers: int = 0
    granted: tuple[str, ...] = ()
    texts: tuple[Path, ...] = ()

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where its `file:` sources are looked for, and what it is scored on."""
        return self.texts if self.folder is None else (self.folder,)

    def choice(self, name: str) -> Choice:
        """Return the expert with this name."""
        for choice in self.choices:
            if choice.name == name:
                return choice
        raise SourceError(
            f"{self.title} has no expert {name[:80]!r}.",
            did_you_mean(name, [c.name for c in self.choices]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what the page needs to draw the chips."""
        return {
            "id": self.id,
            "title": self.title,
            "note": self.note,
            "missing": self.missing,
            "has_base": self.base is not None,
            "group": self.group or self.id,
            "base_name": self.base_name,
            "tasks": list(self.tasks),
            "layers": self.layers,
            "refused": [{"name": name, "why": why} for name, why in self.refused],
            "experts": [
                {
                    "name": c.name,
                    "task": c.task,
                    "steps": list(c.steps),
                    "final": c.final,
                    "rank": c.rank,
                    "scores": [None if s is None else [s[0], s[1]] for s in c.scores],
                }
                for c in self.choices
            ],
        }


@dataclass(frozen=True, slots=True)
class Catalog:
    """All families of this installation; the first is shown at the start."""

    families: tuple[Family, ...]

    def family(self, id: str) -> Family:
        """Return the family with this id."""
        for family in self.families:
            if family.id == id:
                return family
        raise SourceError(f"There is no family {id[:80]!r}.", "Pick one from the list.")

    def family_of(self, recipe: Recipe) -> Family:
        """Return the family that offers every source a recipe names.

        Raises:
            SourceError: a source that no family offers; free paths are the command line's.
        """
        for family in self.families:
            offered = {c.source for c in family.choices}
            if recipe.base in (family.base, None) and all(
                e.source in offered for e in recipe.experts
            ):
                return family
        known = {s for f in self.families for s in (f.base, *(c.source for c in f.choices)) if s}
        strange = [s for s in _sources(recipe) if s not in known]
        what = strange[0] if strange else " and ".join(_sources(recipe))
        raise SourceError(
            f"{what[:120]!r} is not among the models this page offers.",
            did_you_mean(what, known) if strange else "Use experts of one family.",
        )


def _sources(recipe: Recipe) -> list[str]:
    return [*([recipe.base] if recipe.base else []), *(e.source for e in recipe.experts)]


def zoo_family() -> Family:
    """Return the bundled experts."""
    info = zoo_info()
    choices = []
    # The index lists every checkpoint; a chip stands for the expert with all of them.
    for expert in {e.name: e for e in info.experts}.values():
        steps = tuple(info.steps(expert.name))
        scores = tuple(info.accuracy(expert.name, step, "validation") for step in steps)
        source = f"zoo:{expert.name}"
        choices.append(Choice(source, expert.name, expert.task, steps, scores, steps[-1]))
    return Family(
        id="zoo",
        title="Bundled experts",
        base="zoo:base",
        choices=tuple(choices),
        tasks=tuple(t.name for t in info.tasks),
        note="Real glyphs and photographs under synthetic capture conditions.",
        layers=count_layers(open_source("zoo:base").tensors),
    )


def folder_families(folders: Iterable[Path]) -> tuple[Family, ...]:
    """Return the families of some folders of models.

    A folder whose base is known is one family. Else there is one without a base, and one for
    each model that somebody may say is the base of the others.
    """
    found: list[Family] = []
    for i, folder in enumerate(folders):
        found += _folder_families(f"models-{i}", folder.resolve())
    return tuple(found)


def _folder_families(id: str, folder: Path) -> list[Family]:
    models = list_models(folder)
    if len(models) == 1:
        # The only model there is what adapters beside it are put on, whatever they call it.
        models = list_models(folder, models[0].name)
        models = models if len(models) > 1 else list_models(folder)
    named = next((m for m in models if m.is_base), None)
    if not models or (named and len(models) == 1):
        raise SourceError(
            f"{folder} holds no model to merge.",
            "Give a folder whose subfolders have a config.json and safetensors files.",
        )
    if named is not None:
        return [_folder_family(id, id, folder, models, named)]
    readings = []
    for model in models:
        found = list_models(folder, model.name)
        base = next(m for m in found if m.is_base)
        readings.append(_folder_family(f"{id}~{model.name}", id, folder, found, base))
    return [_folder_family(id, id, folder, models, None), *(readings if len(models) > 1 else [])]


def _folder_family(
    id: str, group: str, folder: Path, models: Sequence[ModelFolder], base: ModelFolder | None
) -> Family:
    reference = None if base is None else open_source(base.source, base_dir=folder)
    shown = reference
    choices: list[Choice] = []
    refused: list[tuple[str, str]] = []
    for model in (m for m in models if m is not base):
        try:
            opened = open_source(model.source, base_dir=folder, base=reference)
        except MergeError as error:
            # One that cannot be used must not hide the others.
            refused.append((model.name, _inside(folder, f"{error.message} {error.hint}")))
            continue
        choices.append(_choice(model, folder, opened))
        shown = shown or opened
    if shown is None or not choices:
        why = " ".join(why for _, why in refused)
        raise SourceError(f"{folder} holds no model to merge. {why}".strip())
    tasks, missing = tasks_to_show(shown, [folder])
    return Family(
        id=id,
        title=folder.name or str(folder),
        base=base.source if base else None,
        choices=tuple(choices),
        tasks=tuple(t.name for t in tasks),
        note="" if base else NO_BASE,
        missing=missing,
        folder=folder,
        group=group,
        base_name=base.name if base else "",
        refused=tuple(refused),
        layers=count_layers(shown.tensors),
    )


def _choice(model: ModelFolder, folder: Path, opened: Checkpoint) -> Choice:
    found = source_steps(model.source, base_dir=folder)
    scores = (None,) * max(1, len(found.steps))
    rank = opened.rank if isinstance(opened, AdaptedCheckpoint) else None
    return Choice(model.source, model.name, None, found.steps, scores, found.final, rank)


def _inside(folder: Path, text: str) -> str:
    """Return what is said of a folder's models without where on this machine it lies."""
    return text.replace(f"{folder}/", "").strip()


def first_recipe(family: Family) -> Recipe:
    """Return the merge that a family opens with: a working one, never an empty page."""
    picked = family.choices[:MAX_EXPERTS]
    experts = tuple(Expert(c.source, c.name) for c in picked)
    if family.base is None:
        return Recipe("average", experts)
    # 1/n makes it their average, with coefficients that can be dragged.
    return Recipe(
        "task_arithmetic", experts, base=family.base, params={"scale": round(1 / len(experts), 2)}
    )
