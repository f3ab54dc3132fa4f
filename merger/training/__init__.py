"""How experts and their merge do along training: own and merged scores by checkpoint step."""

from merger.training.grid import StepGrid, step_grid
from merger.training.info import TrainingInfo
from merger.training.measure import measure_training
from merger.training.store import CurveStore

__all__ = ["CurveStore", "StepGrid", "TrainingInfo", "measure_training", "step_grid"]
