"""Picture sheets of a detector's worst mistakes: the largest missed faces and the highest-scoring false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.data.scenes.catalog import SceneSet
from efficientfan.data.scenes.sheets import add_trusted_boxes
from efficientfan.draw import Color, add_rectangle, contact_sheet
from efficientfan.evaluation.detection.evaluate import SearchedPhoto, wanted_faces
from efficientfan.files import write_json
from efficientfan.geometry import CropTransform, box_iou
from efficientfan.imaging import warp, write_image
from efficientfan.metrics import box_size
from efficientfan.metrics.detection import FALSE_ALARM, match_detections

__all__ = ["Mistake", "false_alarms", "missed_faces", "write_mistakes"]

Array = NDArray[Any]

_DETECTED: Color = (255, 120, 60)
_CELL = 256


@dataclass(frozen=True)
class Mistake:
    """A face that was missed, or a false alarm.

    Attributes:
        index: of its scene.
        box: (4,) xyxy of the missed face, or of the false alarm.
        overlap: largest intersection over union with a detection, or with an annotated box.
        score: of the false alarm; None for a missed face.
    """

    index: int
    box: Array
    overlap: float
    score: float | None = None

    @property
    def size(self) -> float:
        """Square root of width times height of the box, in pixels."""
        return float(box_size(self.box)[0])


def missed_faces(searched: Sequence[SearchedPhoto], scenes: SceneSet, overlap: float) -> list[Mistake]:
    """Every face that was not found at `overlap`, by falling size, then by rising overlap with a detection."""
    mistakes = []
    for index, (each, scene) in enumerate(zip(searched, scenes.scenes, strict=True)):
        detections = each.detections
        answers = match_detections(detections.boxes, detections.scores, scene.boxes, scene.trust, iou=overlap)
        for face in np.setdiff1d(wanted_faces(scene), answers):
            best = box_iou(scene.boxes[face], detections.boxes).max(initial=0)
            mistakes.append(Mistake(index, scene.boxes[face], float(best)))
    return sorted(mistakes, key=lambda mistake: (-mistake.size, mistake.overlap))


def false_alarms(searched: Sequence[SearchedPhoto], scenes: SceneSet, overlap: float) -> list[Mistake]:
    """Every false alarm at `overlap`, by falling score."""
    mistakes = []
    for index, (each, scene) in enumerate(zip(searched, scenes.scenes, strict=True)):
        boxes, scores = each.detections.boxes, each.detections.scores
        answers = match_detections(boxes, scores, scene.boxes, scene.trust, iou=overlap)
        for number in np.flatnonzero(answers == FALSE_ALARM):
            best = box_iou(boxes[number], scene.boxes).max(initial=0)
            mistakes.append(Mistake(index, boxes[number], float(best), float(scores[number])))
    return sorted(mistakes, key=lambda mistake: -(mistake.score or 0.0))


def write_mistakes(
    folder: Path, searched: Sequence[SearchedPhoto], scenes: SceneSet, *, overlap: float, count: int = 20
) -> None:
    """Write `missed.png` and `alarms.png`, `count` pictures each, and `mistakes.json`, which names them in order.

    Boxes are colored by trust (`TRUST_COLORS`), detections orange. A kind without mistakes has no sheet.
    """
    found = {
        "missed": missed_faces(searched, scenes, overlap),
        "alarms": false_alarms(searched, scenes, overlap),
    }
    for kind, mistakes in found.items():
        worst, path = mistakes[:count], folder / f"{kind}.png"
        if worst:
            pictures = [_picture(each, searched, scenes) for each in worst]
            captions = [_caption(each, scenes) for each in worst]
            write_image(path, contact_sheet(pictures, 5, captions, _CELL))
        else:
            path.unlink(missing_ok=True)  # of a run before
    write_json(
        folder / "mistakes.json",
        {
            "overlap": overlap,
            **{f"{kind}_in_all": len(mistakes) for kind, mistakes in found.items()},
            **{kind: [_facts(each, scenes) for each in mistakes[:count]] for kind, mistakes in found.items()},
        },
    )


def _picture(mistake: Mistake, searched: Sequence[SearchedPhoto], scenes: SceneSet) -> Array:
    """The surroundings of a mistake, with every box in them."""
    scene = scenes.scenes[mistake.index]
    crop = CropTransform.from_box(mistake.box, _CELL, margin=2.0)
    picture: Array = warp(scenes.read(mistake.index), [crop])[0]
    add_trusted_boxes(picture, _into(crop, scene.boxes), scene.trust, 2)
    for box in _into(crop, searched[mistake.index].detections.boxes):
        add_rectangle(picture, box, _DETECTED, 1)
    return picture


def _into(crop: CropTransform, boxes: Array) -> Array:
    return crop.apply(boxes.reshape(-1, 2, 2)).reshape(-1, 4)


def _caption(mistake: Mistake, scenes: SceneSet) -> str:
    sure = "" if mistake.score is None else f"{mistake.score:.2f}, "
    return f"{sure}{mistake.size:.0f} px, IoU {mistake.overlap:.2f} {scenes.scenes[mistake.index].name}"


def _facts(mistake: Mistake, scenes: SceneSet) -> dict[str, Any]:
    sure = {} if mistake.score is None else {"score": round(mistake.score, 4)}
    return {
        "scene": scenes.scenes[mistake.index].name,
        "group": scenes.groups[mistake.index],
        "box": [round(float(value), 1) for value in mistake.box],
        "size": round(mistake.size, 1),
        "overlap": round(mistake.overlap, 3),
        **sure,
    }
