"""Which layers of a quantized graph to leave in float: found by trial."""

from __future__ import annotations

from collections.abc import Callable

import onnx

from efficientfan.export.int8_tools import Quantized
from efficientfan.export.qdq import int8_layers

__all__ = ["choose_float_layers"]

SHORTLIST = 6
"""After the first round only the layers that helped most then are tried again."""


def choose_float_layers(
    quantized: Quantized,
    error: Callable[[onnx.ModelProto], float],
    *,
    most: int,
    least_gain: float = 0.1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """Greedy search: the layer whose return to float lowers the error most goes back, then the next.

    Args:
        quantized: makes the int8 graph with given layers in float.
        error: of a graph, such as how far its landmarks lie from the float graph's.
        most: layers that may go back.
        least_gain: the search ends when no layer lowers the error by this fraction of it: float costs time.
        progress: told (trials done, most trials that there can be).
    """
    chosen: list[str] = []
    start = quantized(())
    candidates = int8_layers(start)
    most = min(most, len(candidates))
    total, done = len(candidates) + SHORTLIST * (most - 1), 0
    best = error(start) if most else 0.0
    while len(chosen) < most and candidates:
        trials = []
        for name in candidates:
            trials.append((error(quantized([*chosen, name])), name))
            done += 1
            progress(done, total)
        trials.sort()
        lowest, name = trials[0]
        if lowest > best * (1 - least_gain):
            break
        chosen.append(name)
        best = lowest
        candidates = [name for _, name in trials[1 : 1 + SHORTLIST]]
    return chosen
