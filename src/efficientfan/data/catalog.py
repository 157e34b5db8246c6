"""The data sets this package knows, one row each, and `load_dataset`, the way from a name to annotations."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from efficientfan.data.mirror import MirrorOffset
from efficientfan.data.packed import find_index, read_packed
from efficientfan.data.readers.aflw import read_aflw
from efficientfan.data.readers.aflw68 import read_aflw68
from efficientfan.data.readers.cofw import read_cofw
from efficientfan.data.readers.cofw68 import read_cofw68
from efficientfan.data.readers.faces import read_faces
from efficientfan.data.readers.lapa import read_lapa
from efficientfan.data.readers.pts_folder import read_menpo, read_pts_tree
from efficientfan.data.readers.w300 import read_300w
from efficientfan.data.readers.wflw import ATTRIBUTES, read_wflw
from efficientfan.data.readers.wlp import read_300wlp, read_aflw2000
from efficientfan.data.visibility import VisibilityLabels
from efficientfan.errors import InputError, unknown
from efficientfan.extension import OWN, is_reference, load_reference, without_folders
from efficientfan.files import looked_in
from efficientfan.formats.coco import read_coco, survey_coco
from efficientfan.formats.csv_tables import read_csv, survey_csv
from efficientfan.formats.text import ListContent
from efficientfan.schema import LandmarkSchema, get_schema
from efficientfan.structures import Annotation

__all__ = ["DATASETS", "DatasetInfo", "Reader", "get_dataset", "load_dataset", "only_split", "resolve_schema"]

logger = logging.getLogger(__name__)

Reader = Callable[[Path, str, LandmarkSchema], list[Annotation]]
"""(root, split, schema) -> annotations in a fixed order."""

Survey = Callable[[Path, str, LandmarkSchema, int], ListContent]
"""(root, split, schema, most errors) -> what a list file holds, sound and damaged."""

_RESEARCH = "Research only, not for redistribution"


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a data set.

    Attributes:
        name: key on the command line.
        title: one line for people.
        reader: reads one split.
        schema: name of its landmark schema; None where the user must name one.
        splits: split -> official number of faces, None where there is none; empty: any split name is allowed.
        normalizer: what papers divide the error by on it: "interocular" (outer eye corners) or "box".
        subsets: subset of the report -> (attribute, value) that selects its faces.
        visibility: what its flags say of a landmark's visibility, for training a visibility head.
        mirror_offset: how far its labels lean, measured on training faces by `efficientfan data check --mirror-offset`;
            None where nobody has measured it.
        labeled: whether its faces have landmarks; if not, they serve distillation alone.
        survey: for data sets that are a list file: the reader that goes on after an error.
        list_suffix: of that file, such as ".csv".
        terms: one sentence on license and terms.
    """

    name: str
    title: str
    reader: Reader
    schema: str | None
    splits: Mapping[str, int | None]
    normalizer: str = "interocular"
    subsets: Mapping[str, tuple[str, str | int | bool]] = field(default_factory=dict)
    visibility: VisibilityLabels = "none"
    mirror_offset: MirrorOffset | None = None
    labeled: bool = True
    survey: Survey | None = None
    list_suffix: str = ""
    terms: str = "Yours: the terms are those of the data you bring."


_ROWS = (
    DatasetInfo(
        "300w",
        "300-W: afw, helen, lfpw, ibug and the private test, 68 points",
        read_300w,
        "ibug68",
        {"train": 3148, "common": 554, "challenging": 135, "full": 689, "private": 600},
        subsets={name: ("subset", name) for name in ("common", "challenging", "indoor", "outdoor")},
        mirror_offset=MirrorOffset(0.0053, 0.0002, 600),
        terms=f"{_RESEARCH} (iBUG, Imperial College London).",
    ),
    DatasetInfo(
        "wflw",
        "WFLW: 98 points, boxes and six attributes",
        read_wflw,
        "wflw98",
        {"train": 7500, "test": 2500},
        subsets={"largepose" if name == "pose" else name: (name, True) for name in ATTRIBUTES},
        terms=f"{_RESEARCH}; the photos are those of WIDER FACE.",
    ),
    DatasetInfo(
        "cofw",
        "COFW in color: 29 points with occlusion",
        read_cofw,
        "cofw29",
        {"train": 1345, "test": 507},
        visibility="occlusion",
        terms="Released by Caltech for research; the license stands on its record (data.caltech.edu).",
    ),
    DatasetInfo(
        "cofw68",
        "COFW's test photos with 68 points",
        read_cofw68,
        "ibug68",
        {"test": 507},
        visibility="occlusion",
        terms="Photos as COFW; annotations by Ghiasi and Fowlkes, for research.",
    ),
    DatasetInfo(
        "aflw",
        "AFLW: 19 points in all poses",
        read_aflw,
        "aflw19",
        {"train": 20000, "full": 4386, "frontal": 1314},
        normalizer="box",
        subsets={"frontal": ("frontal", True)},
        terms=f"{_RESEARCH}; access by agreement with TU Graz.",
    ),
    DatasetInfo(
        "aflw68",
        "AFLW crops with MERL-RAV 68-point labels (COCO JSON), with a tenth held out by us",
        read_aflw68,
        "ibug68",
        {"train": 11292, "fit": None, "heldout": None},
        normalizer="box",
        subsets={turn: ("turn", turn) for turn in ("frontal", "half_profile", "profile")},
        visibility="full",
        mirror_offset=MirrorOffset(0.0048, 0.0004, 600),
        terms=f"{_RESEARCH} (TU Graz; labels by MERL).",
    ),
    DatasetInfo(
        "lapa",
        "LaPa: 106 points",
        read_lapa,
        "lapa106",
        {"train": 18168, "val": 2000, "test": 2000},
        terms=f"{_RESEARCH} (JD AI Research).",
    ),
    DatasetInfo(
        "300wlp",
        "300W-LP: 300-W turned to large poses, 68 points; 'train3d' has the projected 3D points",
        read_300wlp,
        "ibug68",
        {"train": 61225, "train3d": 61225},
        normalizer="box",
        terms=f"{_RESEARCH} (CASIA), made from 300-W.",
    ),
    DatasetInfo(
        "aflw2000",
        "AFLW2000-3D: 68 projected 3D points",
        read_aflw2000,
        "ibug68",
        {"test": 2000},
        normalizer="box",
        terms=f"{_RESEARCH} (CASIA), made from AFLW.",
    ),
    DatasetInfo(
        "menpo",
        "Menpo 2D: semi-frontal (68 points) and profile (39 points: bring a schema)",
        read_menpo,
        "ibug68",
        {"semifrontal": None, "profile": None},
        terms=f"{_RESEARCH} (iBUG, Imperial College London).",
    ),
    DatasetInfo(
        "coco",
        "a COCO keypoints JSON, or a folder with SPLIT.json",
        read_coco,
        None,
        {},
        visibility="occlusion",
        survey=survey_coco,
        list_suffix=".json",
    ),
    DatasetInfo(
        "csv",
        "a CSV table, or a folder with SPLIT.csv",
        read_csv,
        None,
        {},
        visibility="occlusion",
        survey=survey_csv,
        list_suffix=".csv",
    ),
    DatasetInfo(
        "pts", "folders of photos with a .pts beside each; SPLIT is a folder", read_pts_tree, None, {}
    ),
    DatasetInfo(
        "faces",
        "faces without landmarks: COCO boxes, or a folder with SPLIT.json; for distillation",
        read_faces,
        None,
        {},
        labeled=False,
    ),
)

DATASETS: dict[str, DatasetInfo] = {row.name: row for row in _ROWS}
"""Name -> row. A new data set is a reader and a row."""


def get_dataset(name: str) -> DatasetInfo:
    """The row of a data set.

    Args:
        name: a key of `DATASETS`; or your own as "FILE.py:name" or "package.module:name": a `Reader`, or a
            `DatasetInfo` that says more of it.

    Raises:
        InputError: no data set has this name, or code that cannot be loaded.
    """
    if is_reference(name):
        return _own_dataset(name)
    if name not in DATASETS:
        raise unknown("data set", name, sorted(DATASETS), OWN)
    return DATASETS[name]


def _own_dataset(reference: str) -> DatasetInfo:
    found = load_reference(reference, "data set")
    if isinstance(found, DatasetInfo):
        return found
    if isinstance(found, type) or not callable(found):
        raise InputError(
            f"data set {reference!r}: is neither a function (root, split, schema) nor a DatasetInfo"
        )
    name = without_folders(reference)
    return DatasetInfo(name, f"your own: {name}", found, None, {})


def load_dataset(
    name: str, root: str | Path, split: str, *, schema: LandmarkSchema | str | None = None, warn: bool = True
) -> list[Annotation]:
    """Read a split of a data set: all of its faces, in a fixed order, or an error.

    Args:
        name: see `DATASETS`.
        root: the data set as it is distributed, or what `efficientfan data pack` made of it.
        split: one of the data set's splits.
        schema: of the landmarks, where the data set has none of its own (coco, csv, pts), or another one.

        warn: log a count that differs from the official one.

    Raises:
        InputError: an unknown name, split or schema, a wrong root, or unreadable, contradictory or
            half-unpacked data; the message names the file, the line where there is one, and the expectation.
        MissingDependencyError: the format needs the `data` extra.
    """
    info = get_dataset(name)
    if info.splits and split not in info.splits:
        raise InputError(f"data set '{name}' has no split {split!r}; it has {', '.join(info.splits)}")
    path = Path(root)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder{looked_in(path)}; give the root of '{name}'")
    landmarks, index = resolve_schema(info, schema), find_index(path, split)
    found = info.reader(path, split, landmarks) if index is None else read_packed(index, info.name, landmarks)
    if not (isinstance(found, list) and all(isinstance(face, Annotation) for face in found)):
        raise InputError(f"data set '{name}': its reader does not return a list of Annotation")
    official = info.splits.get(split)
    if warn and official is not None and len(found) != official:
        logger.warning("%s %s: %d faces, the official number is %d", name, split, len(found), official)
    return found


def only_split(name: str, root: str | Path) -> str:
    """The split of a data set that has but one: a list file's, that of a folder with one list file, or the row's.

    Raises:
        InputError: an unknown name, no split, or several.
    """
    info, path = get_dataset(name), Path(root)
    if info.list_suffix and path.is_file():
        return "all"
    splits = sorted(info.splits)
    if info.list_suffix and path.is_dir():
        splits = sorted(file.stem for file in path.glob(f"*{info.list_suffix}"))
    if len(splits) != 1:
        known = f": {', '.join(splits)}" if splits else ""
        raise InputError(f"name one of the splits of '{name}'{known} (--split)")
    return splits[0]


def resolve_schema(info: DatasetInfo, schema: LandmarkSchema | str | None) -> LandmarkSchema:
    """The schema to read a data set with: the one asked for, else the data set's own.

    Raises:
        InputError: neither is given, or no schema has this name.
    """
    if isinstance(schema, LandmarkSchema):
        return schema
    name = schema or info.schema
    if name is None:
        raise InputError(f"data set '{info.name}' has no schema of its own; name one: --schema ibug68")
    return get_schema(name)
