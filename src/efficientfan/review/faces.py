"""The faces of a predictions file, by how sure the network was of them."""

from __future__ import annotations

import heapq
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from efficientfan.errors import InputError
from efficientfan.evaluation.landmarks.matching import ReportedFace
from efficientfan.geometry import box_of_points
from efficientfan.structures import VISIBLE, Annotation

__all__ = ["FoundFace", "PhotoFinder", "faces_above", "least_sure"]

Records = Iterable[tuple[str, Sequence[ReportedFace]]]
"""Photo, as a file names it, and faces of it; a photo may come several times."""


@dataclass(frozen=True, eq=False)
class FoundFace:
    """A face of a predictions file.

    Attributes:
        image: its photo, as the file names it.
        number: of the face in its photo, from 1.
        face: landmarks and scores.
        score: mean score of the landmarks, in [0, 1].
    """

    image: str
    number: int
    face: ReportedFace
    score: float

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from all other faces of the file."""
        return self.image, self.number

    def annotation(self, image: Path, name: str) -> Annotation:
        """As a face of a data set, with the network's landmarks for labels.

        Args:
            image: the photo.
            name: of the photo within the data set.
        """
        points = self.face.points
        flags = np.full(len(points), VISIBLE) if self.face.visibility is None else self.face.visibility
        return Annotation(
            image,
            points,
            flags,
            box_of_points(points),
            {"score": round(self.score, 4)},
            name if self.number == 1 else f"{name}#{self.number}",
        )


def least_sure(records: Records, count: int, below: float = 1.0) -> list[FoundFace]:
    """The `count` faces of the lowest scores, the lowest first; no more than these are held in memory.

    Args:
        records: as from `stream_predictions`.
        count: how many, at most.
        below: faces of this score or more are left out; 1 leaves out none.

    Raises:
        InputError: a face without scores.
    """
    faces = (face for face in _numbered(records) if below >= 1 or face.score < below)
    return heapq.nsmallest(count, faces, key=lambda face: (face.score, face.key))


def faces_above(records: Records, score: float, without: Set[tuple[str, int]]) -> list[FoundFace]:
    """The faces of at least this score, in the file's order, but for those whose keys are in `without`.

    Raises:
        InputError: a face without scores.
    """
    return [face for face in _numbered(records) if face.score >= score and face.key not in without]


def _numbered(records: Records) -> Iterator[FoundFace]:
    counts: Counter[str] = Counter()
    for image, faces in records:
        for face in faces:
            if face.scores is None:
                raise InputError(
                    f"{image}: its landmarks have no scores, so nothing says how sure they are; "
                    "`efficientfan predict` writes them"
                )
            counts[image] += 1
            yield FoundFace(image, counts[image], face, float(face.scores.mean()))


class PhotoFinder:
    """Finds the photos of a predictions file: in `root`, else from the current folder, else from the file's folder.

    Args:
        table: the predictions file.
        root: where paths of the file begin, or None.

    Raises:
        InputError: `root` is no folder.
    """

    def __init__(self, table: Path, root: Path | None = None) -> None:
        if root is not None and not root.is_dir():
            raise InputError(f"{root}: no such folder of photos")
        self._folders = (Path(), table.parent) if root is None else (root,)

    def __call__(self, image: str) -> Path:
        """The photo's path.

        Raises:
            InputError: there is no such file.
        """
        for folder in self._folders:
            if os.path.isfile(folder / image):  # a name that no system takes is no file either
                return folder / image
        raise InputError(f"{image}: no such photo; --photos names the folder that the paths begin in")
