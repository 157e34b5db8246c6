"""What training minimises: terms, and the objective that adds them. Needs the `train` extra."""

from efficientfan.losses.coordinate import CoordinateLoss
from efficientfan.losses.heatmap import HeatmapLoss
from efficientfan.losses.objective import Batch, Objective, Prediction, Term
from efficientfan.losses.visibility import VisibilityLoss

__all__ = ["Batch", "CoordinateLoss", "HeatmapLoss", "Objective", "Prediction", "Term", "VisibilityLoss"]
