"""Where the parts of a zoo lie in its folder."""

from __future__ import annotations

from pathlib import Path

ZOO_DIR = Path(__file__).resolve().parents[2] / "assets" / "zoo"
BASE = "base"
INDEX = "zoo.yaml"
SPLITS = ("calibration", "validation", "test")


def model_folder(zoo: Path, name: str) -> Path:
    """Return the plain Hugging Face folder of the base or of an expert."""
    return zoo / BASE if name == BASE else zoo / "experts" / name


def delta_file(zoo: Path, name: str, step: int) -> Path:
    """Return the file that holds an earlier checkpoint of an expert."""
    return zoo / "checkpoints" / name / f"step-{step:05d}.safetensors"


def task_file(zoo: Path, task: str) -> Path:
    """Return the file that holds a task's images, labels and head."""
    return zoo / "tasks" / f"{task}.npz"
