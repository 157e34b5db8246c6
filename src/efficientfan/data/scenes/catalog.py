"""The detection data sets, one row each, and `load_scenes`, which reads one by name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.data.scenes.generated import draw_non_face, non_face_scenes, read_framed, read_framed_aflw68
from efficientfan.data.scenes.rolled import read_rolled, roll_scene
from efficientfan.errors import InputError, unknown
from efficientfan.files import looked_in
from efficientfan.formats.coco_boxes import read_coco_boxes
from efficientfan.imaging import read_rgb
from efficientfan.structures import BoxTrust, Scene

__all__ = ["SCENE_SETS", "SceneSet", "SceneSetInfo", "get_scene_set", "load_scenes"]

Array = NDArray[Any]

_RESEARCH = "Research only, not for redistribution"


@dataclass(frozen=True)
class SceneSet:
    """Photos and the boxes of their faces.

    Attributes:
        name: of the data set.
        split: of the data set.
        scenes: N photos with their boxes; `read` returns a photo's pixels.
        groups: N names; photos with the same name share a row of a report.
        photo: the pixels of a scene.
    """

    name: str
    split: str
    scenes: Sequence[Scene]
    groups: Sequence[str]
    photo: Callable[[Scene], Array]

    def __post_init__(self) -> None:
        if not self.scenes:
            raise InputError(f"detection data '{self.name}', split '{self.split}': holds no photo")
        if len(self.groups) != len(self.scenes):
            raise InputError(f"{len(self.scenes)} scenes need as many groups, not {len(self.groups)}")

    def __len__(self) -> int:
        return len(self.scenes)

    def read(self, index: int) -> Array:
        """The photo of a scene, H x W x 3 uint8 RGB.

        Raises:
            InputError: it cannot be read.
        """
        return self.photo(self.scenes[index])

    def with_unchecked(self) -> SceneSet:
        """The set with boxes that nobody checked counted as faces: recall is then agreement with their detector."""
        scenes = [
            replace(scene, trust=np.where(scene.trust == BoxTrust.UNCHECKED, BoxTrust.LABELED, scene.trust))
            for scene in self.scenes
        ]
        return replace(self, scenes=scenes)

    def spread(self, count: int) -> SceneSet:
        """At most `count` of the photos, evenly spread over the set, in its order."""
        if count < 1:
            raise InputError(f"a set of scenes has at least 1 photo, not {count}")
        chosen = np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int))
        return replace(self, scenes=[self.scenes[i] for i in chosen], groups=[self.groups[i] for i in chosen])


def _by_company(scene: Scene) -> str:
    faces = int((scene.trust != BoxTrust.IGNORED).sum())
    return ("0 faces", "1 face")[faces] if faces < 2 else "2 to 4 faces" if faces < 5 else "5 faces or more"


def _photo_file(scene: Scene) -> Array:
    return read_rgb(scene.image)


@dataclass(frozen=True)
class SceneSetInfo:
    """A detection data set.

    Attributes:
        name: key on the command line.
        title: one line of description.
        reader: (root, split) -> scenes in a fixed order.
        splits: its splits; empty: any split name is allowed.
        photo: the pixels of a scene.
        group: the name of the report's row that a scene belongs to.
        on_disk: whether it has a root folder at all.
        terms: one sentence on license and terms.
    """

    name: str
    title: str
    reader: Callable[[Path, str], list[Scene]]
    splits: tuple[str, ...] = ()
    photo: Callable[[Scene], Array] = _photo_file
    group: Callable[[Scene], str] = _by_company
    on_disk: bool = True
    terms: str = "Yours: the terms are those of the data you bring."


HELD_OUT_SHARE = 6
"""One photo in so many of `masks` and `lfw` is in `masks_heldout` or `lfw_heldout`, by a hash of its name."""


def read_scenes(root: Path, split: str) -> list[Scene]:
    """Photos of `scenes`; `masks_fit` and `masks_heldout` are parts of `masks`, and so of `lfw`.

    Raises:
        InputError: as `read_coco_boxes`.
    """
    whole, _, part = split.partition("_")
    scenes = read_coco_boxes(root, whole)
    if not part:
        return scenes
    return [scene for scene in scenes if _held_out(scene.name) == (part == "heldout")]


def _held_out(name: str) -> bool:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % HELD_OUT_SHARE == 0


def read_rolled_scenes(root: Path, split: str) -> list[Scene]:
    """Each scene of a split of `scenes` at every roll of `ROLLS`; errors as `read_coco_boxes`."""
    return [roll_scene(scene, roll) for roll in ROLLS for scene in read_scenes(root, split)]


ROLLS = (0, 45, 60, 90, 135, 180)
"""Degrees, counter-clockwise."""

_ROWS = (
    SceneSetInfo(
        "scenes",
        "300-W photos, WIDER FACE crowds, masked faces and LFW with face boxes (COCO JSON)",
        read_scenes,
        ("train", "test", "crowds", "masks", "masks_fit", "masks_heldout", "lfw", "lfw_fit", "lfw_heldout"),
        terms=f"{_RESEARCH} (iBUG, Imperial College London; WIDER FACE, CUHK; LFW, UMass; the masks are CC0).",
    ),
    SceneSetInfo(
        "scenes_rolled",
        "photos of scenes, each turned by 0, 45, 60, 90, 135 and 180 degrees",
        read_rolled_scenes,
        ("test", "masks_heldout", "lfw_heldout"),
        photo=read_rolled,
        group=lambda scene: f"{scene.attributes['roll']:03d} degrees",
        terms="As scenes.",
    ),
    SceneSetInfo("boxes", "face boxes as COCO JSON, or a folder with SPLIT.json", read_coco_boxes),
    SceneSetInfo(
        "aflw68_framed",
        "the crops of aflw68, each in a large gray frame",
        read_framed_aflw68,
        ("fit", "heldout"),
        photo=read_framed,
        group=lambda scene: str(scene.attributes["turn"]),
        terms=f"{_RESEARCH} (TU Graz; labels by MERL).",
    ),
    SceneSetInfo(
        "noise",
        "drawn pictures without a face, for counting false alarms; ROOT is not used",
        non_face_scenes,
        ("test",),
        photo=draw_non_face,
        group=lambda scene: str(scene.attributes["kind"]),
        on_disk=False,
        terms="Drawn by this package.",
    ),
)

SCENE_SETS: dict[str, SceneSetInfo] = {row.name: row for row in _ROWS}
"""Name -> row. A new one is a reader and a row."""


def get_scene_set(name: str, root: str | Path, splits: Sequence[str] = ()) -> SceneSetInfo:
    """The row of a set of scenes that has these splits and is on disk at `root`.

    Raises:
        InputError: an unknown name or split, or no such root.
    """
    if name not in SCENE_SETS:
        raise unknown("detection data", name, sorted(SCENE_SETS))
    info = SCENE_SETS[name]
    strange = [split for split in splits if info.splits and split not in info.splits]
    if strange:
        raise InputError(
            f"detection data '{name}' has no split {strange[0]!r}; it has {', '.join(info.splits)}"
        )
    if info.on_disk and not Path(root).exists():
        raise InputError(f"{root}: no such file or folder{looked_in(root)}; give the root of '{name}'")
    return info


def load_scenes(name: str, root: str | Path, split: str) -> SceneSet:
    """Read a split: all of its photos, in a fixed order, or an error.

    Args:
        name: see `SCENE_SETS`.
        root: the unpacked data; for `scenes` and `boxes` also the JSON file.
        split: one of the set's splits.

    Raises:
        InputError: an unknown name or split, a wrong root, or unreadable or contradictory data.
    """
    info = get_scene_set(name, root, [split])
    scenes = info.reader(Path(root), split)
    return SceneSet(name, split, scenes, [info.group(scene) for scene in scenes], info.photo)
