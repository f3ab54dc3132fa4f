"""The training steps of a source: what the zoo keeps, and `checkpoint-N` of a Trainer's folder.

The Trainer of transformers writes `checkpoint-N/` into its output folder, and the final model
beside them where it is asked to. Both are one expert: the final model, at its steps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from merger.content import content_id
from merger.errors import SourceError
from merger.header import shown
from merger.layout import read_json

NAME = re.compile(r"checkpoint-([1-9][0-9]{0,11})")
CONFIGS = ("config.json", "adapter_config.json")


@dataclass(frozen=True, slots=True)
class SourceSteps:
    """The checkpoints of a source.

    Args:
        steps: Training steps of its checkpoints, in order; empty where nothing is known of them.
        final: The step of the checkpoint that stands for the source; None when unknown.
    """

    steps: tuple[int, ...] = ()
    final: int | None = None


NO_STEPS = SourceSteps()


def kept_steps(folder: Path) -> tuple[int, ...]:
    """Return the steps of the checkpoints inside a folder, in order."""
    if not folder.is_dir():
        return ()
    found = [(NAME.fullmatch(path.name), path) for path in folder.iterdir()]
    return tuple(sorted(int(m[1]) for m, path in found if m and _is_model(path)))


def folder_at(folder: Path, step: int | None, source: str) -> Path:
    """Return the folder of a checkpoint: the model itself, or what the Trainer kept at a step.

    Raises:
        SourceError: There is no checkpoint of that step.
    """
    steps = kept_steps(folder)
    if step is None:
        # A Trainer that was not asked to save the final model leaves its checkpoints only.
        return folder / f"checkpoint-{steps[-1]}" if steps and not _is_model(folder) else folder
    if step in steps:
        return folder / f"checkpoint-{step}"
    if steps and step == folder_steps(folder).final:
        return folder
    if not steps:
        raise SourceError(
            f"{shown(source)} holds one checkpoint, so step {step} picks nothing.",
            "Leave the step out, or name the folder of that checkpoint.",
        )
    raise SourceError(
        f"{shown(source)} has no checkpoint at step {step}.",
        f"It has {', '.join(map(str, steps))}.",
    )


def folder_steps(folder: Path) -> SourceSteps:
    """Return the steps of a model folder, with that of the final model where it can be told."""
    steps = kept_steps(folder)
    if not steps:
        return NO_STEPS
    if not _is_model(folder):
        return SourceSteps(steps, steps[-1])
    final = _final_step(folder, steps)
    return SourceSteps(tuple(sorted({*steps, *([] if final is None else [final])})), final)


def _final_step(folder: Path, steps: tuple[int, ...]) -> int | None:
    """Return when the final model was saved; it may be the best checkpoint instead of the last."""
    same = [step for step in reversed(steps) if _is_same(folder, folder / f"checkpoint-{step}")]
    if same:
        return same[0]
    said = _state(folder).get("global_step")
    if not isinstance(said, int):
        said = _state(folder / f"checkpoint-{steps[-1]}").get("max_steps")
    return said if isinstance(said, int) and said > steps[-1] else None


def _is_same(one: Path, other: Path) -> bool:
    mine, theirs = (sorted(path.glob("*.safetensors")) for path in (one, other))
    names = [path.name for path in mine] == [path.name for path in theirs]
    return bool(mine) and names and content_id(mine) == content_id(theirs)


def _state(folder: Path) -> dict:
    path = folder / "trainer_state.json"
    try:
        return read_json(path) if path.is_file() else {}
    except SourceError:
        return {}


def _is_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in CONFIGS)
