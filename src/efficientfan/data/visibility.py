"""From a data set's flags to what a visibility head learns: the same flag does not mean the same everywhere."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from efficientfan.structures import OCCLUDED, UNLABELED, VISIBILITY_CLASSES, VISIBLE

__all__ = ["COVERED", "SEEN", "TURNED_AWAY", "UNKNOWN", "VisibilityLabels", "visibility_labels"]

VisibilityLabels: TypeAlias = Literal["none", "occlusion", "full"]
"""What a data set's flags say: nothing; visible or covered; besides, unlabeled landmarks are turned away."""

UNKNOWN = -1
SEEN, COVERED, TURNED_AWAY = (
    VISIBILITY_CLASSES.index(name) for name in ("visible", "covered", "turned_away")
)

_MEANING: dict[str, dict[int, int]] = {
    "none": {},
    "occlusion": {VISIBLE: SEEN, OCCLUDED: COVERED},
    "full": {VISIBLE: SEEN, OCCLUDED: COVERED, UNLABELED: TURNED_AWAY},
}


def visibility_labels(flags: NDArray[Any], kind: VisibilityLabels) -> NDArray[np.int64]:
    """(K,) indices in `VISIBILITY_CLASSES`, or `UNKNOWN`, of the (K,) flags of an `Annotation`."""
    labels = np.full(len(flags), UNKNOWN, np.int64)
    for flag, label in _MEANING[kind].items():
        labels[flags == flag] = label
    return labels
