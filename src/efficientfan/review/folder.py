"""The folder of a review: photos and labels for a labeling tool, and a page to look at.

```
REVIEW/index.html          the faces, the least sure first
REVIEW/review.json         their landmarks as COCO keypoints; photos by their names below images/
REVIEW/images/             copies of their photos
REVIEW/cvat_labels.json    the skeleton of these landmarks, for CVAT's label editor
REVIEW/sure.json           where asked for: pseudo-labels, faces that nobody needs to look at; photos where they lie
REVIEW/corrected.json      later: what came back
```
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from efficientfan.errors import InputError
from efficientfan.files import write_json, write_text
from efficientfan.formats.coco import write_coco
from efficientfan.imaging import read_rgb
from efficientfan.review.cvat import cvat_labels
from efficientfan.review.faces import FoundFace, PhotoFinder
from efficientfan.review.page import face_card, review_page
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import Annotation

__all__ = ["ReviewFolder", "write_review", "write_sure"]


@dataclass(frozen=True)
class ReviewFolder:
    """The files of one review."""

    path: Path

    @property
    def page(self) -> Path:
        """The page to look at."""
        return self.path / "index.html"

    @property
    def review(self) -> Path:
        """COCO file of the faces to look at, as the network saw them."""
        return self.path / "review.json"

    @property
    def images(self) -> Path:
        """Folder of their photos."""
        return self.path / "images"

    @property
    def labels(self) -> Path:
        """The skeleton, for CVAT."""
        return self.path / "cvat_labels.json"

    @property
    def sure(self) -> Path:
        """COCO file of faces that are taken as they are."""
        return self.path / "sure.json"

    @property
    def corrected(self) -> Path:
        """COCO file of the faces as people left them."""
        return self.path / "corrected.json"


def write_review(
    faces: Sequence[FoundFace],
    schema: LandmarkSchema,
    find: PhotoFinder,
    out: Path,
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> list[str]:
    """Write the folder of a review, whole or not at all.

    Args:
        faces: the least sure first.
        schema: of their landmarks.
        find: their photos.
        out: a new or empty folder.
        progress: called with the number of faces just done.

    Returns:
        What kept faces out of it, one line for each photo that cannot be read.

    Raises:
        InputError: no face is left, or `out` is taken or cannot be written to.
    """
    problems: dict[str, str] = {}
    photos: dict[str, Path] = {}
    for face in faces:
        try:
            photos[face.image] = find(face.image)
        except InputError as error:
            problems[face.image] = str(error)
    with _new_folder(out) as temporary:
        folder = ReviewFolder(temporary)
        names = _names_below(photos)
        cards: list[str] = []
        labels: list[Annotation] = []
        for face in faces:
            if face.image in photos and face.image not in problems:
                name = names[face.image]
                try:
                    cards.append(face_card(face, read_rgb(photos[face.image]), schema, name, len(cards) + 1))
                except InputError as error:
                    problems[face.image] = str(error)
                else:
                    copy = folder.images / name
                    if not copy.exists():
                        copy.parent.mkdir(parents=True, exist_ok=True)
                        shutil.copyfile(photos[face.image], copy)
                    labels.append(face.annotation(copy, name))
            progress(1)
        if not labels:
            first = next(iter(problems.values()), "the predictions hold no face to look at")
            raise InputError(f"no face can be shown: {first}")
        write_coco(labels, schema, folder.review, photos=folder.images)
        write_json(folder.labels, cvat_labels(schema))
        write_text(folder.page, review_page(cards, schema))
    return list(problems.values())


def write_sure(faces: Sequence[FoundFace], schema: LandmarkSchema, find: PhotoFinder, out: Path) -> list[str]:
    """Write faces as pseudo-labels, a COCO file that names the photos where they lie.

    Returns:
        What kept faces out of it, one line for each photo that cannot be found.

    Raises:
        InputError: `out` cannot be written.
    """
    problems: dict[str, str] = {}
    labels: list[Annotation] = []
    for face in faces:
        try:
            labels.append(face.annotation(find(face.image), face.image))
        except InputError as error:
            problems[face.image] = str(error)
    if labels:
        write_coco(labels, schema, out)
    return list(problems.values())


def _names_below(photos: dict[str, Path]) -> dict[str, str]:
    """Names of photos below the deepest folder that holds them all.

    Raises:
        InputError: they lie on several drives.
    """
    places = {image: os.path.abspath(path) for image, path in photos.items()}
    try:
        common = os.path.commonpath([os.path.dirname(place) for place in places.values()]) if places else ""
    except ValueError as error:
        raise InputError("the photos lie on several drives; review those of one at a time") from error
    return {image: Path(os.path.relpath(place, common)).as_posix() for image, place in places.items()}


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside `out` that becomes it at the end of the block; a symbolic link is followed.

    Raises:
        InputError: `out` is there and not an empty folder, or cannot be written.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(f"{out}: is there already; give a folder that is new or empty")
    target = Path(os.path.realpath(out))
    temporary = target.with_name(f".part-{secrets.token_hex(8)}")
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); choose another place") from error
    try:
        yield temporary
        if target.is_dir():
            target.rmdir()
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
