"""Faces that a detector proposes on training photos: soft labels beside those of people."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.geometry import box_iou
from efficientfan.imaging import read_rgb
from efficientfan.predict.detectors import Detections, FaceDetector, open_detector
from efficientfan.predict.detectors.base import strongest
from efficientfan.recipes.detection import ProposerConfig
from efficientfan.structures import BoxTrust, Scene

__all__ = ["merge_proposals", "proposed", "search_at_scales"]

logger = logging.getLogger(__name__)

Array = NDArray[Any]

SAME_PROPOSAL_IOU = 0.3
"""A proposal that overlaps an annotated box by more is its face."""


def proposed(scenes: Sequence[Scene], config: ProposerConfig) -> list[Scene]:
    """The scenes with what the detector finds on their photos.

    Raises:
        InputError, MissingDependencyError: the detector cannot be had, or a photo cannot be read.
    """
    detector = open_detector(config.detector, min_score=config.min_score)
    merged = [
        merge_proposals(scene, search_at_scales(read_rgb(scene.image), detector, config.enlarge))
        for scene in scenes
    ]
    before, after = (sum(len(scene.boxes) for scene in each) for each in (scenes, merged))
    logger.info(
        "%s proposes %d faces beside %d boxes in %d photos",
        config.detector,
        after - before,
        before,
        len(scenes),
    )
    return merged


def search_at_scales(photo: Array, detector: FaceDetector, scales: Sequence[float]) -> Detections:
    """What a detector finds in enlarged and reduced copies of a photo, each face once."""
    found = []
    for scale in scales:
        copy = (
            photo
            if scale == 1
            else cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        )
        seen = detector.detect(np.asarray(copy))
        points = np.full((len(seen), 5, 2), np.nan) if seen.points is None else seen.points
        found.append(((seen.boxes + 0.5) / scale - 0.5, seen.scores, (points + 0.5) / scale - 0.5))
    boxes, scores, points = (np.concatenate(each) for each in zip(*found, strict=True))
    return strongest(boxes, scores, 0.0, points=points)


def merge_proposals(scene: Scene, found: Detections) -> Scene:
    """A scene's boxes with the points of the proposals that are the same face, and the other proposals beside them.

    A box that nobody checked takes over its proposal's score; one that the detector does not propose keeps half a
    chance. People's boxes stay sure.
    """
    overlap = box_iou(scene.boxes, found.boxes)  # (N, M)
    points, chances = scene.points.copy(), scene.chances.copy()
    chances[scene.trust == BoxTrust.UNCHECKED] = 0.5
    new = np.ones(len(found), dtype=bool)
    for index, trust in enumerate(scene.trust):
        if not len(found) or overlap[index].max() < SAME_PROPOSAL_IOU:
            continue
        match = int(overlap[index].argmax())
        new &= overlap[index] < SAME_PROPOSAL_IOU
        if trust == BoxTrust.UNCHECKED:
            chances[index] = max(0.05, min(1.0, float(found.scores[match])))
        if found.points is not None and not np.isfinite(points[index]).all():
            points[index] = found.points[match]
    unknown = np.full((int(new.sum()), 5, 2), np.nan)
    return replace(
        scene,
        boxes=np.concatenate([scene.boxes, found.boxes[new]]),
        trust=np.concatenate([scene.trust, np.full(int(new.sum()), BoxTrust.UNCHECKED, np.uint8)]),
        points=np.concatenate([points, unknown if found.points is None else found.points[new]]),
        chances=np.concatenate([chances, found.scores[new].clip(0.05, 1.0)]),
    )
