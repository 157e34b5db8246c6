"""What training minimizes: terms, and the objective that adds them. Needs the `train` extra."""

from efficientfan.losses.landmarks import CoordinateLoss, HeatmapLoss, VisibilityLoss
from efficientfan.losses.objective import Batch, Objective, Prediction, Term

__all__ = ["Batch", "CoordinateLoss", "HeatmapLoss", "Objective", "Prediction", "Term", "VisibilityLoss"]
