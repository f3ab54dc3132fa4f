"""Read the bundled zoo: the one module that the rest of the program asks.

Listing needs no torch; what does is imported at its first use.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merger.zoo.info import ExpertInfo, TaskEntry, TaskInfo, ZooInfo, zoo_info
from merger.zoo.places import ZOO_DIR

if TYPE_CHECKING:
    from merger.zoo.head import Head, head_logits
    from merger.zoo.tensors import (
        TaskData,
        checkpoint_folder,
        load_checkpoint,
        load_head,
        load_task,
        open_checkpoint,
    )

HEAVY = {
    "Head": "head",
    "head_logits": "head",
    "TaskData": "tensors",
    "checkpoint_folder": "tensors",
    "load_checkpoint": "tensors",
    "load_head": "tensors",
    "load_task": "tensors",
    "open_checkpoint": "tensors",
}


def tasks(path: Path = ZOO_DIR) -> tuple[TaskEntry, ...]:
    """Return the tasks as the score panels need them."""
    return zoo_info(path).entries()


def __getattr__(name: str) -> Any:
    if name not in HEAVY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"merger.zoo.{HEAVY[name]}"), name)


__all__ = [
    "ZOO_DIR",
    "ExpertInfo",
    "Head",
    "TaskData",
    "TaskEntry",
    "TaskInfo",
    "ZooInfo",
    "checkpoint_folder",
    "head_logits",
    "load_checkpoint",
    "load_head",
    "load_task",
    "open_checkpoint",
    "tasks",
    "zoo_info",
]
