"""What a labeling tool gives back: which faces people kept, moved, deleted and added, as a data set to train on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from efficientfan.errors import InputError
from efficientfan.evaluation.landmarks.matching import ReportedFace, match_faces
from efficientfan.evaluation.landmarks.predictions import predictions_schema, stream_predictions
from efficientfan.files import read_json
from efficientfan.formats.coco import coco_landmarks, read_coco, write_coco
from efficientfan.formats.text import unique_name
from efficientfan.geometry import box_of_points
from efficientfan.metrics import box_size
from efficientfan.review.folder import ReviewFolder
from efficientfan.schema import LandmarkSchema, get_schema
from efficientfan.structures import UNLABELED, VISIBLE, Annotation

__all__ = ["Corrections", "import_corrections"]

STILL = 1e-3
"""A face whose landmarks moved by less than this share of its size, on average, was left as it was."""


@dataclass(frozen=True)
class Corrections:
    """What people did to the faces of a review.

    Attributes:
        kept: faces left as they were.
        moved: faces whose landmarks were moved, or marked as covered, visible or not to be seen.
        deleted: faces that are no longer there: they were none.
        added: faces that the network had not found.
        not_reviewed: faces in photos that the export does not hold.
        movement: mean distance of the landmarks of moved faces, as a share of the face's size (the square root of the
            area of its box); 0 where none moved.
    """

    kept: int
    moved: int
    deleted: int
    added: int
    not_reviewed: int
    movement: float

    def lines(self) -> list[str]:
        """As text."""
        how_far = f", by {self.movement:.1%} of their size on average" if self.moved else ""
        return [
            f"kept as they were: {self.kept}",
            f"moved: {self.moved}{how_far}",
            f"deleted: {self.deleted}",
            f"added: {self.added}",
            *(
                [f"not reviewed, their photos are not in the export: {self.not_reviewed}"]
                * bool(self.not_reviewed)
            ),
        ]


def import_corrections(
    folder: ReviewFolder, export: Path, schema: LandmarkSchema | str | None = None
) -> Corrections:
    """Write what came back of a review to `corrected.json`, with the photos of the folder.

    Args:
        folder: as `write_review` left it.
        export: COCO keypoints of the labeling tool. A photo without a face in it had none.
        schema: of the landmarks, where the folder does not say it.

    Raises:
        InputError: no such folder, an export of other landmarks, or in another order, of a photo that is not under
            review, or without any face.
    """
    if not folder.review.is_file():
        raise InputError(
            f"{folder.path}: is no folder of `efficientfan review`; it has no {folder.review.name}"
        )
    landmarks = get_schema(schema) if isinstance(schema, str) else schema or predictions_schema(folder.review)
    _check_order(export, landmarks)
    before: dict[str, list[Annotation]] = {}
    for face in read_coco(folder.review, "all", landmarks):
        before.setdefault(face.image.relative_to(folder.images).as_posix(), []).append(face)
    after: dict[str, list[ReportedFace]] = {}
    for image, found in stream_predictions(export, landmarks):
        after.setdefault(_reviewed(image, before, export), []).extend(found)

    faces: list[Annotation] = []
    distances: list[float] = []
    kept = moved = added = deleted = 0
    names: set[str] = {face.name for own in before.values() for face in own}
    for image, found in after.items():
        former = before[image]
        matches = match_faces(found, [face.points for face in former])
        for face, match in zip(former, matches, strict=True):
            if match is None:
                deleted += 1
                continue
            faces.append(_labeled(match, folder.images / image, face.name))
            distance = _movement(face, faces[-1])
            if distance < STILL and (face.visibility == faces[-1].visibility).all():
                kept += 1
            else:
                moved += 1
                distances.append(distance)
        for new in found:
            if not any(new is match for match in matches):
                added += 1
                faces.append(_labeled(new, folder.images / image, unique_name(image, names)))
    if not faces:
        raise InputError(f"{export}: holds no face")
    write_coco(faces, landmarks, folder.corrected, photos=folder.images)
    return Corrections(
        kept,
        moved,
        deleted,
        added,
        sum(len(own) for image, own in before.items() if image not in after),
        float(np.mean(distances)) if distances else 0.0,
    )


def _check_order(export: Path, schema: LandmarkSchema) -> None:
    """Raises an `InputError` where the export's category has other keypoints than the schema, or in another order."""
    if export.suffix.lower() != ".json":
        raise InputError(f"{export}: give the .json file of a COCO keypoints export")
    if any(names != list(schema.landmarks) for names in coco_landmarks(read_json(export))):
        raise InputError(
            f"{export}: its keypoints are not those of {schema.name!r} in their order, as cvat_labels.json has them"
        )


def _reviewed(image: str, before: Mapping[str, Sequence[Annotation]], export: Path) -> str:
    """The photo under review that an export means: tools put folders before the name, or leave them out."""
    parts = PurePosixPath(image.replace("\\", "/")).parts
    fitting = [
        name
        for name, own in ((name, PurePosixPath(name).parts) for name in before)
        if own[-len(parts) :] == parts[-len(own) :]
    ]
    if len(fitting) != 1:
        which = f"fits {fitting[0]} and {fitting[1]}" if fitting else "is not under review"
        raise InputError(f"{export}: photo {image!r} {which}")
    return fitting[0]


def _labeled(face: ReportedFace, image: Path, name: str) -> Annotation:
    flags = np.full(len(face.points), VISIBLE) if face.visibility is None else face.visibility
    points = np.where((flags == UNLABELED)[:, None], np.nan, face.points)
    return Annotation(image, points, flags, box_of_points(points), {"reviewed": True}, name)


def _movement(before: Annotation, after: Annotation) -> float:
    """Mean distance of the landmarks that both have, as a share of the face's size."""
    distances = np.linalg.norm(after.points - before.points, axis=1)
    both = np.isfinite(distances)
    return float(distances[both].mean() / box_size(before.tight_box)[0]) if both.any() else 0.0
