"""AFLW crops with MERL-RAV labels (COCO JSON), and a fixed tenth of them held out of training.

The files name a single split, `train`. So that large poses can be measured on faces that no model saw, it is
cut here: `heldout` is the tenth that a hash of the image's name chooses, `fit` is the rest, `train` is all.
Every crop is of another photo, so the two share none. `turn`, an attribute, joins left and right of `pose`.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from efficientfan.errors import InputError
from efficientfan.formats.coco import read_coco
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import Annotation

_TURNS = {"lefthalf": "half_profile", "righthalf": "half_profile", "left": "profile", "right": "profile"}

__all__ = ["is_held_out", "read_aflw68"]


def is_held_out(file_name: str) -> bool:
    """Whether an image belongs to the held-out tenth: by its name alone, whatever else is in the folder."""
    return hashlib.sha256(file_name.encode()).digest()[0] * 10 < 256


def read_aflw68(root: Path, split: str, schema: LandmarkSchema) -> list[Annotation]:
    """Read `train` (all), `fit` (nine tenths) or `heldout` (a tenth) of ROOT's `train.json`.

    Raises:
        InputError: as `read_coco`; another split.
    """
    if split not in ("train", "fit", "heldout"):
        raise InputError(f"{root}: aflw68 has the splits train, fit and heldout, not {split!r}")
    faces = [_with_turn(face) for face in read_coco(root, "train", schema)]
    if split == "train":
        return faces
    return [face for face in faces if is_held_out(face.image.name) == (split == "heldout")]


def _with_turn(face: Annotation) -> Annotation:
    pose = str(face.attributes.get("pose", "frontal"))
    return replace(face, attributes={**face.attributes, "turn": _TURNS.get(pose, pose)})
