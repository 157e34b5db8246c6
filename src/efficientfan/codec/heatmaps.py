"""Landmarks to heatmaps and back: Gaussian targets, and decoders, one small module per published way.

All decoders take maps (N, K, H, W) and return points (N, K, 2), (x, y) in crop pixels, and scores (N, K) in [0, 1].
They are part of the exported graph, so they use only operations that ONNX has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from efficientfan.errors import InputError, unknown

__all__ = [
    "DECODERS",
    "ArgmaxDecoder",
    "DarkDecoder",
    "Decoder",
    "IntegralDecoder",
    "LocalSoftArgmaxDecoder",
    "QuarterDecoder",
    "SoftArgmaxDecoder",
    "TopKDecoder",
    "build_decoder",
    "gaussian_heatmaps",
    "inside_crop",
]


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


class Decoder(nn.Module, ABC):
    """Base: turns cell coordinates into crop pixels (`efficientfan.geometry`: cell i at (i + 0.5) * stride - 0.5).

    Attributes:
        trains_coordinates: whether a coordinate loss can train through the points. Argmax and its refinements
            pick one cell: at most its neighbors would feel a gradient.
        takes_logits: whether a map counts by its softmax over the cells; if not, its values are heights.

    Args:
        stride: crop pixels per heatmap cell.
    """

    trains_coordinates: ClassVar[bool] = True
    takes_logits: ClassVar[bool] = False

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """(N, K, H, W) maps to points (N, K, 2) in crop pixels and scores (N, K) in [0, 1]."""
        cells, scores = self.decode_cells(maps.float())
        return (cells + 0.5) * self.stride - 0.5, scores.clamp(0, 1)

    @abstractmethod
    def decode_cells(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, in heatmap cells."""


def _peak(maps: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Flat maps (N, K, H*W), index, value, and (x, y) in cells of each maximum."""
    flat = maps.flatten(2)
    value, index = flat.max(dim=2)
    width = maps.shape[3]
    cells = torch.stack([index % width, torch.div(index, width, rounding_mode="floor")], dim=-1).to(
        maps.dtype
    )
    return flat, index, value, cells


class ArgmaxDecoder(Decoder):
    """The cell of the maximum; the score is the maximum. Coarse: its error alone is about 0.4 cells."""

    trains_coordinates = False

    def decode_cells(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        _, _, value, cells = _peak(maps)
        return cells, value


class QuarterDecoder(Decoder):
    """The maximum, moved a quarter cell towards its higher neighbor (Newell et al., ECCV 2016; used by MobileFAN)."""

    trains_coordinates = False

    def decode_cells(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        flat, index, value, cells = _peak(maps)
        slope = torch.stack(
            [_at(flat, index, cells, maps.shape, 1, 0) - _at(flat, index, cells, maps.shape, -1, 0),
             _at(flat, index, cells, maps.shape, 0, 1) - _at(flat, index, cells, maps.shape, 0, -1)],
            dim=-1,
        )  # fmt: skip
        return cells + 0.25 * torch.sign(slope), value


def _at(flat: Tensor, index: Tensor, cells: Tensor, shape: torch.Size, dx: int, dy: int) -> Tensor:
    """Map values (N, K) at the maxima moved by (dx, dy); a border mirrors, so no maximum moves across it."""
    height, width = shape[2], shape[3]
    x = width - 1 - (width - 1 - (cells[..., 0].long() + dx).abs()).abs()
    y = height - 1 - (height - 1 - (cells[..., 1].long() + dy).abs()).abs()
    return flat.gather(2, (y * width + x)[..., None])[..., 0]


class DarkDecoder(Decoder):
    """Distribution-aware decoding: a Newton step on the logarithm of the smoothed map (Zhang et al., CVPR 2020).

    Args:
        stride: crop pixels per heatmap cell.
        sigma: standard deviation in cells of the smoothing; the paper takes that of the targets. 0 turns it off.
    """

    kernel: Tensor

    trains_coordinates = False

    def __init__(self, stride: int, sigma: float = 0.0) -> None:
        super().__init__(stride)
        radius = round(3 * sigma)
        axis = torch.arange(-radius, radius + 1, dtype=torch.float32)
        kernel = torch.exp(-(axis**2) / (2 * sigma**2)) if sigma > 0 else torch.ones(1)
        self.register_buffer("kernel", kernel / kernel.sum(), persistent=False)

    def decode_cells(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        peak = maps.flatten(2).amax(dim=2)
        flat, index, _, cells = _peak(self._smooth(maps))
        logs = flat.clamp(min=1e-10).log()

        def at(dx: int, dy: int) -> Tensor:
            return _at(logs, index, cells, maps.shape, dx, dy)

        center = at(0, 0)
        gx, gy = (at(1, 0) - at(-1, 0)) / 2, (at(0, 1) - at(0, -1)) / 2
        xx, yy = at(1, 0) - 2 * center + at(-1, 0), at(0, 1) - 2 * center + at(0, -1)
        xy = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / 4
        determinant = xx * yy - xy * xy
        peaked = (determinant > 1e-6) & (xx < 0)
        safe = torch.where(peaked, determinant, torch.ones_like(determinant))
        step = -torch.stack([yy * gx - xy * gy, xx * gy - xy * gx], dim=-1) / safe[..., None]
        # A true sub-cell maximum lies within one cell; more means that the parabola does not fit.
        return cells + torch.where(peaked[..., None], step, torch.zeros_like(step)).clamp(-1, 1), peak

    def _smooth(self, maps: Tensor) -> Tensor:
        n, k, height, width = maps.shape
        taps = self.kernel.numel()
        if taps == 1:
            return maps
        single = maps.reshape(n * k, 1, height, width)
        kernel = self.kernel.to(maps.dtype)
        single = nn.functional.conv2d(single, kernel.view(1, 1, 1, taps), padding=(0, taps // 2))
        single = nn.functional.conv2d(single, kernel.view(1, 1, taps, 1), padding=(taps // 2, 0))
        return single.reshape(n, k, height, width)


def _expectation(probability: Tensor) -> Tensor:
    """Mean (x, y) in cells, (N, K, 2), of maps that sum to one each."""
    height, width = probability.shape[2:]
    x = torch.arange(width, dtype=probability.dtype, device=probability.device)
    y = torch.arange(height, dtype=probability.dtype, device=probability.device)
    return torch.stack([probability.sum(2) @ x, probability.sum(3) @ y], dim=-1)


def _concentration(probability: Tensor, cells: Tensor, sigma: float) -> Tensor:
    """How much of each map's mass lies near its point, (N, K): 1 for a Gaussian of `sigma` cells or narrower.

    The mass is weighed with a Gaussian of the same sigma; a map that is that Gaussian would reach one half, and
    is taken as full marks. A map spread evenly, or in two places, scores low.
    """
    height, width = probability.shape[2:]
    x = torch.arange(width, dtype=probability.dtype, device=probability.device)
    y = torch.arange(height, dtype=probability.dtype, device=probability.device)
    near_x = torch.exp(-((x - cells[..., :1]) ** 2) / (2 * sigma**2))  # (N, K, W)
    near_y = torch.exp(-((y - cells[..., 1:]) ** 2) / (2 * sigma**2))  # (N, K, H)
    mass = ((probability @ near_x[..., None])[..., 0] * near_y).sum(-1)
    return (2 * mass).clamp(0, 1)


class IntegralDecoder(Decoder):
    """The papers' integral coordinates: the expectation over the rectified map divided by its sum.

    EfficientFAN's head rectifies (conv, BN, h-swish, ReLU); this divides and integrates. Not an exp-softmax.

    Args:
        stride: crop pixels per heatmap cell.
        sigma: width in cells at which a map counts as sharp, for the score.
    """

    def __init__(self, stride: int, sigma: float = 1.5) -> None:
        super().__init__(stride)
        self.sigma = sigma

    def probability(self, maps: Tensor) -> Tensor:
        """(N, K, H, W) maps that sum to one each; an empty map becomes an even one."""
        rectified = maps.clamp(min=0)
        total = rectified.sum(dim=(2, 3), keepdim=True)
        # Not a small number added to the map: graph optimizers take that for zero.
        even = torch.full_like(maps, 1 / (maps.shape[2] * maps.shape[3]))
        return torch.where(total > 1e-6, rectified / total.clamp(min=1e-6), even)

    def decode_cells(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        probability = self.probability(maps)
        cells = _expectation(probability)
        return cells, _concentration(probability, cells, self.sigma)


class SoftArgmaxDecoder(IntegralDecoder):
    """The expectation over the softmax of the map (Sun et al., ECCV 2018)."""

    takes_logits = True

    def probability(self, maps: Tensor) -> Tensor:
        return maps.flatten(2).softmax(dim=2).view(maps.shape)


class LocalSoftArgmaxDecoder(SoftArgmaxDecoder):
    """The expectation over the softmax within `radius` cells of its maximum: far mass cannot pull the point.

    Args:
        stride: crop pixels per heatmap cell.
        sigma: width in cells at which a map counts as sharp, for the score.
        radius: half side of the square window in cells.
    """

    def __init__(self, stride: int, sigma: float = 1.5, radius: int = 4) -> None:
        super().__init__(stride, sigma)
        self.radius = radius

    def decode_cells(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        probability = self.probability(maps)
        peak = _peak(probability)[3]
        x = torch.arange(maps.shape[3], dtype=maps.dtype, device=maps.device)
        y = torch.arange(maps.shape[2], dtype=maps.dtype, device=maps.device)
        near_x = ((x - peak[..., :1]).abs() <= self.radius).to(maps.dtype)[:, :, None, :]  # (N, K, 1, W)
        near_y = ((y - peak[..., 1:]).abs() <= self.radius).to(maps.dtype)[:, :, :, None]  # (N, K, H, 1)
        window = probability * near_x * near_y
        cells = _expectation(window / window.sum(dim=(2, 3), keepdim=True))
        return cells, _concentration(probability, cells, self.sigma)


class TopKDecoder(SoftArgmaxDecoder):
    """The expectation over the softmax of the k highest cells (H3R, Yu & Tao, 2020: k = 9).

    Args:
        stride: crop pixels per heatmap cell.
        sigma: width in cells at which a map counts as sharp, for the score.
        k: number of cells.
    """

    def __init__(self, stride: int, sigma: float = 1.5, k: int = 9) -> None:
        super().__init__(stride, sigma)
        self.k = k

    def decode_cells(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        width = maps.shape[3]
        values, indices = maps.flatten(2).topk(self.k, dim=2)  # (N, K, k)
        weights = values.softmax(dim=2)
        x = (indices % width).to(maps.dtype)
        y = torch.div(indices, width, rounding_mode="floor").to(maps.dtype)
        cells = torch.stack([(weights * x).sum(2), (weights * y).sum(2)], dim=-1)
        return cells, _concentration(self.probability(maps), cells, self.sigma)


DECODERS: Mapping[str, Callable[..., Decoder]] = {
    "argmax": ArgmaxDecoder,
    "quarter": QuarterDecoder,
    "dark": DarkDecoder,
    "integral": IntegralDecoder,
    "softargmax": SoftArgmaxDecoder,
    "local_softargmax": LocalSoftArgmaxDecoder,
    "topk": TopKDecoder,
}


def build_decoder(name: str, stride: int, **options: Any) -> Decoder:
    """A decoder by its name in `DECODERS`.

    Raises:
        InputError: unknown name or option.
    """
    if name not in DECODERS:
        raise unknown("decoder", name, DECODERS)
    try:
        return DECODERS[name](stride, **options)
    except TypeError as error:
        raise InputError(f"decoder {name!r}: {error}") from error
