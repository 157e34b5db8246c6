"""Faces as a map of centers with a box and five points per cell, and back (after CenterNet, Zhou et al., 2019).

Cell (i, j) of stride s has its center at image pixel ((i + 0.5) s - 0.5, (j + 0.5) s - 0.5). A box with center
(x, y), width w and height h, in pixels, is written at a cell whose center is (u, v) as

    (x - u) / w,  (y - v) / h,  log(w / s),  log(h / s)

and each of the five points (p, q) of schema "five" as (p - u) / w, (q - v) / h, so that every number stays small
whatever the size of the face.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from efficientfan.geometry import cells_to_pixels
from efficientfan.structures import BoxTrust

__all__ = [
    "BOX_NUMBERS",
    "POINT_NUMBERS",
    "CenterDecoder",
    "CenterTargets",
    "decode_boxes",
    "decode_points",
    "encode_centers",
]

Array = NDArray[Any]

BOX_NUMBERS, POINT_NUMBERS = 4, 10
"""Numbers per cell of a box and of five points."""

CENTER_WIDTH = 0.08
"""Sigma of a center's Gaussian in box widths and heights; at least `LEAST_SIGMA` cells."""
LEAST_SIGMA = 0.5
BOX_REACH = 0.25
"""Box and points are learned at cells whose Gaussian is above it."""
LARGEST_LOG = 6.0
"""exp(6) strides are 1,614 pixels at stride 4; an untrained network must not overflow."""


@dataclass(frozen=True)
class CenterTargets:
    """What a map of cells should say.

    Attributes:
        centers: (h, w) float32 in [0, 1]: a Gaussian at each face's center, exactly 1 at its cell.
        chances: (h, w) float32 in [0, 1]: at a face's cell how sure it is that there is a face; 0 elsewhere.
        boxes: (h, w, 4) float32 xyxy of the face a cell belongs to, in image pixels.
        points: (h, w, 5, 2) float32, the face's five points in image pixels, 0 where unknown.
        box_weights: (h, w) float32: how much a cell's box counts; 0 far from every center.
        point_weights: (h, w) float32: the same of its points; 0 where they are unknown.
        counted: (h, w) float32: 0 where a cell is neither face nor background.
    """

    centers: Array
    chances: Array
    boxes: Array
    points: Array
    box_weights: Array
    point_weights: Array
    counted: Array


def encode_centers(
    boxes: Array, trust: Array, points: Array, chances: Array, width: int, height: int, stride: int
) -> CenterTargets:
    """Targets of an image.

    Args:
        boxes: (N, 4) xyxy in pixels; a face whose center is outside the image is taken as ignored.
        trust: (N,) of `BoxTrust`; cells in ignored boxes do not count, other faces are learned.
        points: (N, 5, 2) in pixels, NaN where unknown.
        chances: (N,) in (0, 1].
        width, height: of the image, multiples of the stride.
        stride: pixels per cell.
    """
    shape = (height // stride, width // stride)
    u, v = (cells_to_pixels(np.arange(count), stride) for count in (shape[1], shape[0]))
    centers, sure, counted = np.zeros(shape), np.zeros(shape), np.ones(shape)
    weights, point_weights = np.zeros(shape), np.zeros(shape)
    own_boxes, own_points = np.zeros((*shape, 4)), np.zeros((*shape, 5, 2))
    sizes = boxes[:, 2:] - boxes[:, :2]
    # Large faces first: where two centers meet, the cell belongs to the smaller face, which has fewer cells.
    for index in np.argsort(-sizes.prod(axis=1), kind="stable"):
        x0, y0, x1, y1 = boxes[index]
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        inside = -0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5
        if trust[index] == BoxTrust.IGNORED or not inside:
            covered = np.outer((v >= y0) & (v <= y1), (u >= x0) & (u <= x1))
            counted[covered & (centers < 0.5)] = 0
            continue
        sigma = np.maximum(CENTER_WIDTH * sizes[index], LEAST_SIGMA * stride)
        gaussian = np.outer(
            np.exp(-((v - y) ** 2) / (2 * sigma[1] ** 2)), np.exp(-((u - x) ** 2) / (2 * sigma[0] ** 2))
        )
        row, column = int((y + 0.5) // stride), int((x + 0.5) // stride)
        gaussian[row, column] = 1
        own = gaussian > np.maximum(centers, BOX_REACH)
        own[row, column] = True
        centers = np.maximum(centers, gaussian)
        sure[row, column] = chances[index]
        counted[gaussian > 0.5] = 1
        known = np.isfinite(points[index]).all()
        own_boxes[own], own_points[own] = boxes[index], points[index] if known else 0.0
        weights[own] = gaussian[own] * chances[index]
        point_weights[own] = weights[own] if known else 0.0
    maps = (centers, sure, own_boxes, own_points, weights, point_weights, counted)
    return CenterTargets(*(each.astype(np.float32) for each in maps))


def decode_boxes(numbers: Tensor, stride: int) -> Tensor:
    """Box numbers (N, 4, h, w) of every cell to boxes (N, h, w, 4), xyxy in image pixels."""
    x, y = _cell_centers(numbers, stride)
    sizes = _sizes(numbers, stride)
    center_x = x + numbers[:, 0] * sizes[:, 0]
    center_y = y + numbers[:, 1] * sizes[:, 1]
    half_width, half_height = sizes[:, 0] / 2, sizes[:, 1] / 2
    return torch.stack(
        [center_x - half_width, center_y - half_height, center_x + half_width, center_y + half_height], dim=3
    )


def decode_points(numbers: Tensor, point_numbers: Tensor, stride: int) -> Tensor:
    """Box numbers (N, 4, h, w) and point numbers (N, 10, h, w) to points (N, h, w, 5, 2) in image pixels."""
    x, y = _cell_centers(numbers, stride)
    sizes = _sizes(numbers, stride)
    across = x[:, None] + point_numbers[:, 0::2] * sizes[:, None, 0]  # (N, 5, h, w)
    along = y[:, None] + point_numbers[:, 1::2] * sizes[:, None, 1]
    return torch.stack([across, along], dim=-1).permute(0, 2, 3, 1, 4)


def _cell_centers(numbers: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """x (1, 1, w) and y (1, h, 1) of the cells' centers in image pixels."""
    height, width = numbers.shape[2:]
    x = (torch.arange(width, dtype=numbers.dtype, device=numbers.device) + 0.5) * stride - 0.5
    y = (torch.arange(height, dtype=numbers.dtype, device=numbers.device) + 0.5) * stride - 0.5
    return x[None, None, :], y[None, :, None]


def _sizes(numbers: Tensor, stride: int) -> Tensor:
    """(N, 2, h, w) widths and heights in image pixels."""
    return stride * numbers[:, 2:4].clamp(-LARGEST_LOG, LARGEST_LOG).exp()


class CenterDecoder(nn.Module):
    """Center logits and numbers to boxes, scores and points, one per cell; only peaks keep their score."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(
        self, centers: Tensor, numbers: Tensor, point_numbers: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 1, h, w) logits, (N, 4, h, w) and (N, 10, h, w) to boxes (N, h * w, 4), scores (N, h * w) and points
        (N, h * w, 10), x and y in turn; all in image pixels."""
        highest = F.max_pool2d(centers, 3, 1, 1)
        scores = torch.where(centers >= highest, centers.sigmoid(), torch.zeros_like(centers))
        points = decode_points(numbers, point_numbers, self.stride)
        return (
            decode_boxes(numbers, self.stride).flatten(1, 2),
            scores.flatten(1),
            points.flatten(3).flatten(1, 2),
        )
