"""Which box a face is looked for in, when one is given: the truth's, the data set's own, or a shaken one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.structures import Annotation

__all__ = ["BOX_KINDS", "boxes_of", "jitter_boxes"]

Array = NDArray[Any]

BOX_KINDS = ("gt", "supplied", "detector")
"""`gt`: tight box of the annotated points; `supplied`: the data set's own; `detector`: found in the photo."""


def boxes_of(annotations: Sequence[Annotation], kind: str) -> Array:
    """(N, 4) xyxy boxes of kind "gt" or "supplied".

    Raises:
        InputError: another kind, or a face without labelled points or without a supplied box (names it).
    """
    if kind == "gt":
        return np.array([_tight_box(annotation) for annotation in annotations]).reshape(-1, 4)
    if kind != "supplied":
        raise InputError(f"boxes are of kind 'gt' or 'supplied', not {kind!r}")
    boxes = []
    for annotation in annotations:
        if annotation.box is None:
            raise InputError(
                f"{annotation.name}: the data set supplies no box; use --box gt or --box detector"
            )
        boxes.append(annotation.box)
    return np.array(boxes).reshape(-1, 4)


def jitter_boxes(boxes: Array, fraction: float, seed: int) -> Array:
    """Shift and scale (N, 4) xyxy boxes at random, to see how much a method hangs on its box.

    The centre moves by up to +-`fraction` of the width and of the height, the size by a factor of up to
    1 +- `fraction`, each uniform and independent. The first faces get the same draws whatever N is.

    Raises:
        InputError: a fraction outside [0, 1).
    """
    if not 0 <= fraction < 1:
        raise InputError(f"box jitter is a fraction in [0, 1), such as 0.1, not {fraction}")
    draws = np.random.default_rng(seed).uniform(-fraction, fraction, (len(boxes), 3))
    size = boxes[:, 2:] - boxes[:, :2]
    centre = (boxes[:, 2:] + boxes[:, :2]) / 2 + size * draws[:, :2]
    half = size / 2 * (1 + draws[:, 2:])
    return np.concatenate([centre - half, centre + half], axis=1)


def _tight_box(annotation: Annotation) -> Array:
    try:
        box = annotation.tight_box
    except InputError as error:
        raise InputError(f"{annotation.name}: {error}; leave the face out or mend its labels") from error
    if not (box[2:] > box[:2]).all():
        raise InputError(f"{annotation.name}: its labelled points span no area; mend its labels")
    return box
