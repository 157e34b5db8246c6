"""Landmarks to heatmaps and back. Needs the `train` extra: training differentiates through it, export carries it."""

from efficientfan.codec.heatmaps import DECODERS, Decoder, build_decoder, gaussian_heatmaps, inside_crop

__all__ = ["DECODERS", "Decoder", "build_decoder", "gaussian_heatmaps", "inside_crop"]
