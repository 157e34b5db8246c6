"""Checks of a data set on disk: counts, photos that do not open, points that cannot be right, duplicates.

**Fatal** (not fit): what a reader refuses; a count other than the official one, unless a part is allowed; a
photo that cannot be decoded; a face with fewer than two labeled points, or whose points are shares of the photo's size
instead of pixels; and points far outside the photo, or supplied boxes that miss their face, in more than 1 % of the
faces: then they are read in the wrong frame.
**Warnings**: the same in single faces, for real data sets have such; photos that are equal byte for byte; a face twice;
and what has changed places in nearly all faces (`plausible.exchanged`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.data.catalog import DatasetInfo, get_dataset, load_dataset, resolve_schema
from efficientfan.data.packed import find_index
from efficientfan.data.plausible import exchanged, repeated
from efficientfan.draw import contact_sheet, draw_points
from efficientfan.errors import InputError
from efficientfan.files import looked_in
from efficientfan.geometry import CropTransform, box_iou
from efficientfan.imaging import read_rgb, warp
from efficientfan.packed import photo_bytes
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import UNLABELED, Annotation

__all__ = ["TOO_MANY", "CheckReport", "check_dataset", "check_split", "face_sheet", "summary"]

Array = NDArray[Any]

FAR = 0.5
"""A point is far outside if it lies this share of the face's size beyond the photo's edge."""
TOO_MANY = 0.01
"""A reader that errs in more than this share of the faces reads them in the wrong frame."""
ONE_PIXEL = 1.5
"""Points of which none lies farther than this from the photo's corner are shares of its size, not pixels."""
MOST_ERRORS = 20
"""So many damaged entries of a list file are reported, then its reading ends."""
LISTED = 5
"""Examples named in a finding."""


@dataclass
class CheckReport:
    """What was found in one split.

    Attributes:
        title: data set and split.
        faces: number of annotated faces read.
        photos: number of different photo files with a face.
        without_face: photos of which the data set says that they have none.
        official: the official number of faces, or None.
        errors: findings that make the split unfit.
        warnings: findings to know of.
    """

    title: str
    faces: int = 0
    photos: int = 0
    without_face: int = 0
    official: int | None = None
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def fit(self) -> bool:
        """Whether the split can be used."""
        return not self.errors

    def lines(self) -> list[str]:
        """The report as text."""
        official = "no official number" if self.official is None else f"official {self.official}"
        empty = f", {self.without_face} photos without a face" if self.without_face else ""
        head = f"{self.title}: {self.faces} faces in {self.photos} photos{empty} ({official}): "
        if not self.faces:
            head = f"{self.title}: no face could be read: "
        findings = [f"  error: {text}" for text in self.errors] + [
            f"  warning: {text}" for text in self.warnings
        ]
        return [head + ("fit to use" if self.fit else "NOT fit to use"), *findings]


def check_dataset(
    name: str,
    root: str | Path,
    splits: Sequence[str] = (),
    *,
    schema: LandmarkSchema | str | None = None,
    allow_partial: bool = False,
    progress: Callable[[str, int, int], None] = lambda title, done, total: None,
) -> tuple[list[CheckReport], list[Annotation]]:
    """Check splits of a data set; also returns the faces that could be read, for a picture sheet.

    Args:
        name: see `catalog.DATASETS`.
        root: the unpacked data set.
        splits: all of the data set's where empty ("all" where it names none).
        schema: as in `load_dataset`.
        allow_partial: a count other than the official one is a warning, not an error.
        progress: called with the title, the number of faces done and their total.

    Raises:
        InputError: an unknown name, split or schema, or no such root: misuse, not a finding.
    """
    info = get_dataset(name)
    landmarks = resolve_schema(info, schema)
    if not Path(root).exists():
        raise InputError(f"{root}: no such file or folder{looked_in(root)}; give the root of '{name}'")
    unknown = [split for split in splits if info.splits and split not in info.splits]
    if unknown:
        raise InputError(f"data set '{name}' has no split {unknown[0]!r}; it has {', '.join(info.splits)}")
    reports, faces, digests = [], list[Annotation](), dict[str, Path]()
    for split in splits or tuple(info.splits) or ("all",):
        report = CheckReport(f"{name} {split}", official=info.splits.get(split))
        reports.append(report)
        try:
            found = _read(report, info, Path(root), split, landmarks)
        except InputError as error:
            report.errors.append(str(error))
            continue
        check_split(report, found, digests, progress, labeled=info.labeled, schema=landmarks)
        if report.official not in (None, report.faces):
            text = f"{report.faces} is not the official count {report.official}"
            if allow_partial:
                report.warnings.append(text)
            else:
                report.errors.append(f"{text}; --allow-partial accepts a part")
        faces += found
    return reports, faces


def _read(
    report: CheckReport, info: DatasetInfo, root: Path, split: str, schema: LandmarkSchema
) -> list[Annotation]:
    """The faces of a split; of a list file also those beside damaged entries, which are errors of the report."""
    if info.survey is None or find_index(root, split) is not None:
        return load_dataset(info.name, root, split, schema=schema, warn=False)
    content = info.survey(root, split, schema, MOST_ERRORS)
    report.errors += content.errors
    if len(content.errors) == MOST_ERRORS:
        report.errors.append(f"{MOST_ERRORS} entries are damaged; those behind them were not read")
    report.without_face = content.without_face
    return content.faces


def check_split(
    report: CheckReport,
    faces: Sequence[Annotation],
    digests: dict[str, Path],
    progress: Callable[[str, int, int], None] = lambda title, done, total: None,
    *,
    labeled: bool = True,
    schema: LandmarkSchema | None = None,
) -> None:
    """Add to `report` what is wrong with `faces`; `digests` carries photo hashes from split to split.

    Points are looked at only where the data set is `labeled`, and which of them changed places only with a `schema`.
    """
    sizes: dict[Path, tuple[int, int] | None] = {}
    twins, unreadable, bare, flat, shares, outside, missed = [], [], [], [], [], [], []
    sound: list[Annotation] = []
    for done, face in enumerate(faces, start=1):
        if face.image not in sizes:
            sizes[face.image] = None
            try:
                digest = hashlib.sha256(photo_bytes(face.image)).hexdigest()
                sizes[face.image] = read_rgb(face.image).shape[:2]
            except (InputError, OSError) as error:
                unreadable.append(str(error))
            else:
                first = digests.setdefault(digest, face.image)
                if first != face.image:
                    twins.append(f"{face.image} = {first}")
        size = sizes[face.image]
        if labeled and (face.visibility != UNLABELED).sum() < 2:
            bare.append(face.name)
        elif labeled and not (face.tight_box[2:] > face.tight_box[:2]).all():
            flat.append(face.name)
        elif labeled and np.abs(face.tight_box).max() <= ONE_PIXEL:
            shares.append(face.name)
        elif labeled:
            sound.append(face)
            if size is not None and _overshoot(face, size) > FAR:
                outside.append(face.name)
            if size is not None and face.box is not None and box_iou(face.box, face.tight_box)[0, 0] == 0:
                missed.append(face.name)
        progress(report.title, done, len(faces))
    report.faces, report.photos = len(faces), len(sizes)
    for findings, text in (
        (unreadable, "unreadable photo"),
        (bare, "fewer than two labeled points"),
        (flat, "the points span no area"),
        (shares, "points are between 0 and 1; multiply them by the photo's width and height"),
    ):
        if findings:
            report.errors.append(summary(findings, text))
    for findings, text in ((outside, "points far outside the photo"), (missed, "the box misses the points")):
        if findings:
            level = report.errors if len(findings) > TOO_MANY * len(faces) else report.warnings
            level.append(summary(findings, text))
    if twins:
        report.warnings.append(summary(twins, "duplicate photo"))
    twice = repeated(sound)
    if twice:
        report.warnings.append(summary(twice, "the same face twice"))
    if schema is not None:
        report.warnings += exchanged(sound, schema)


def face_sheet(
    faces: Sequence[Annotation], schema: LandmarkSchema, count: int = 24, columns: int = 6
) -> Array:
    """A picture of up to `count` annotated faces, spread evenly over `faces`; H x W x 3 uint8 RGB.

    Raises:
        InputError: none of them can be shown.
    """
    pictures, captions = [], []
    for index in np.unique(np.linspace(0, len(faces) - 1, count).round().astype(int)) if faces else ():
        face = faces[int(index)]
        try:
            box = face.tight_box if face.box is None or face.visibility.any() else face.box
            crop = CropTransform.from_box(box, 256, 0.5)
            (picture,) = warp(read_rgb(face.image), [crop])
        except InputError:
            continue
        pictures.append(draw_points(picture, crop.apply(face.points), schema, face.visibility))
        captions.append(face.name)
    if not pictures:
        raise InputError("no face could be read, so there is nothing to draw on a sheet")
    return contact_sheet(pictures, columns, captions, 256)


def _overshoot(face: Annotation, size: tuple[int, int]) -> float:
    """How far the outermost point lies beyond the photo, in sizes of the face."""
    x0, y0, x1, y1 = face.tight_box
    beyond = max(-0.5 - x0, -0.5 - y0, x1 - (size[1] - 0.5), y1 - (size[0] - 0.5))
    return float(beyond / max(x1 - x0, y1 - y0, 1e-9))


def summary(findings: Sequence[str], text: str) -> str:
    """A finding in one line: what it is, how often, and the first few."""
    more = f", and {len(findings) - LISTED} more" if len(findings) > LISTED else ""
    return f"{text} ({len(findings)}): {'; '.join(findings[:LISTED])}{more}"
