"""Gaussian heatmap targets, drawn for a whole batch on the device that trains."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["gaussian_heatmaps", "inside_crop"]


def inside_crop(points: Tensor, size: int) -> Tensor:
    """(..., K) bool: which points (..., K, 2), crop pixels, lie on the crop. NaN lies outside."""
    return ((points >= -0.5) & (points <= size - 0.5)).all(dim=-1)


def gaussian_heatmaps(
    points: Tensor, mask: Tensor, *, heatmap_size: int, stride: int, sigma: float
) -> Tensor:
    """Heatmap targets: a Gaussian of peak 1 around each landmark, at its exact sub-cell position.

    Args:
        points: (N, K, 2) crop pixels; may be NaN where masked.
        mask: (N, K), zero for landmarks without a target; their map is all zero.
        heatmap_size: side of the maps in cells.
        stride: crop pixels per cell.
        sigma: standard deviation in cells; MobileFAN's code takes 1 cell of 64 (PAPERS, "Recipes seen").

    Returns:
        (N, K, heatmap_size, heatmap_size) in [0, 1], in the dtype of `points`.
    """
    cells = (torch.nan_to_num(points) + 0.5) / stride - 0.5
    axis = torch.arange(heatmap_size, dtype=points.dtype, device=points.device)
    # A Gaussian is separable: one profile along x, one along y, and their outer product.
    profile = torch.exp(-((axis - cells[..., None]) ** 2) / (2 * sigma**2))  # (N, K, 2, cells)
    maps = profile[..., 1, :, None] * profile[..., 0, None, :]  # (N, K, rows, columns)
    return maps * (mask > 0)[..., None, None].to(maps.dtype)
