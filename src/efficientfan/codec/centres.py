"""Face boxes as a map of centres and four numbers per cell, and back (after CenterNet, Zhou et al., 2019).

Cell (i, j) of stride s has its centre at image pixel ((i + 0.5) s - 0.5, (j + 0.5) s - 0.5). A box with centre
(x, y), width w and height h, in pixels, is written at a cell whose centre is (u, v) as

    (x - u) / w,  (y - v) / h,  log(w / s),  log(h / s)

so that every number stays small whatever the size of the face.
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

__all__ = ["CentreDecoder", "CentreTargets", "decode_boxes", "encode_centres"]

Array = NDArray[Any]

CENTRE_WIDTH = 0.08
"""Sigma of a centre's Gaussian in box widths and heights; at least `LEAST_SIGMA` cells."""
LEAST_SIGMA = 0.5
BOX_REACH = 0.25
"""Box numbers are learnt at cells whose Gaussian is above it."""
LARGEST_LOG = 5.0
"""exp(5) strides are 1,187 pixels at stride 8; an untrained network must not overflow."""


@dataclass(frozen=True)
class CentreTargets:
    """What a map of cells should say.

    Attributes:
        centres: (h, w) float32 in [0, 1]: a Gaussian at each face's centre, exactly 1 at its cell.
        boxes: (h, w, 4) float32 xyxy of the face a cell belongs to, in image pixels.
        box_weights: (h, w) float32: how much a cell's box counts; 0 far from every centre.
        counted: (h, w) float32: 0 where a cell is neither face nor background.
    """

    centres: Array
    boxes: Array
    box_weights: Array
    counted: Array


def encode_centres(boxes: Array, trust: Array, width: int, height: int, stride: int) -> CentreTargets:
    """Targets of an image.

    Args:
        boxes: (N, 4) xyxy in pixels; a face whose centre is outside the image is taken as ignored.
        trust: (N,) of `BoxTrust`; cells in ignored boxes do not count, other faces are learnt.
        width, height: of the image, multiples of the stride.
        stride: pixels per cell.
    """
    shape = (height // stride, width // stride)
    u, v = (cells_to_pixels(np.arange(count), stride) for count in (shape[1], shape[0]))
    centres, weights, counted = np.zeros(shape), np.zeros(shape), np.ones(shape)
    learnt = np.zeros((*shape, 4))
    sizes = boxes[:, 2:] - boxes[:, :2]
    # Large faces first: where two centres meet, the cell belongs to the smaller face, which has fewer cells.
    for index in np.argsort(-sizes.prod(axis=1), kind="stable"):
        x0, y0, x1, y1 = boxes[index]
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        inside = -0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5
        if trust[index] == BoxTrust.IGNORED or not inside:
            covered = np.outer((v >= y0) & (v <= y1), (u >= x0) & (u <= x1))
            counted[covered & (centres < 0.5)] = 0
            continue
        sigma = np.maximum(CENTRE_WIDTH * sizes[index], LEAST_SIGMA * stride)
        gaussian = np.outer(
            np.exp(-((v - y) ** 2) / (2 * sigma[1] ** 2)), np.exp(-((u - x) ** 2) / (2 * sigma[0] ** 2))
        )
        row, column = int((y + 0.5) // stride), int((x + 0.5) // stride)
        gaussian[row, column] = 1
        own = gaussian > np.maximum(centres, BOX_REACH)
        own[row, column] = True
        centres = np.maximum(centres, gaussian)
        counted[gaussian > 0.5] = 1
        learnt[own] = boxes[index]
        weights[own] = gaussian[own]
    return CentreTargets(*(each.astype(np.float32) for each in (centres, learnt, weights, counted)))


def decode_boxes(numbers: Tensor, stride: int) -> Tensor:
    """Box numbers (N, 4, h, w) of every cell to boxes (N, h, w, 4), xyxy in image pixels."""
    height, width = numbers.shape[2:]
    x = (torch.arange(width, dtype=numbers.dtype, device=numbers.device) + 0.5) * stride - 0.5
    y = (torch.arange(height, dtype=numbers.dtype, device=numbers.device) + 0.5) * stride - 0.5
    sizes = stride * numbers[:, 2:].clamp(-LARGEST_LOG, LARGEST_LOG).exp()
    centre_x = x[None, None, :] + numbers[:, 0] * sizes[:, 0]
    centre_y = y[None, :, None] + numbers[:, 1] * sizes[:, 1]
    half_width, half_height = sizes[:, 0] / 2, sizes[:, 1] / 2
    return torch.stack(
        [centre_x - half_width, centre_y - half_height, centre_x + half_width, centre_y + half_height], dim=3
    )


class CentreDecoder(nn.Module):
    """Centre logits and box numbers to boxes and scores, one per cell; only peaks keep their score."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, centres: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 1, h, w) logits and (N, 4, h, w) to boxes (N, h * w, 4), xyxy pixels, and scores (N, h * w)."""
        highest = F.max_pool2d(centres, 3, 1, 1)
        scores = torch.where(centres >= highest, centres.sigmoid(), torch.zeros_like(centres))
        return decode_boxes(numbers, self.stride).flatten(1, 2), scores.flatten(1)
