"""Checks of detection data: photos that do not open, impossible boxes, duplicates.

**Fatal** (not fit): what a reader refuses; a photo that cannot be decoded; and, in more than 1 % of the boxes
that must be found, a box that lies wholly outside its photo.
**Warnings**: the same in single boxes; faces to be found of under `TINY` pixels; a face boxed twice; photos that
are equal pixel by pixel, also between splits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from efficientfan.data.check import TOO_MANY, CheckReport, summary
from efficientfan.data.scenes.catalog import SceneSet, get_scene_set, load_scenes
from efficientfan.errors import InputError
from efficientfan.geometry import box_iou
from efficientfan.structures import BoxTrust, Scene

__all__ = ["check_scene_set", "check_scenes"]

TINY = 6
"""Faces of a smaller side, in pixels, need not be found in WIDER FACE's own evaluation."""

TWICE = 0.8
"""Two boxes of a photo with a larger IoU belong to one face."""


def check_scenes(
    name: str,
    root: str | Path,
    splits: Sequence[str] = (),
    *,
    progress: Callable[[str, int, int], None] = lambda title, done, total: None,
) -> tuple[list[CheckReport], list[SceneSet]]:
    """Check splits of detection data; also returns those that could be read, for a picture sheet.

    Args:
        name: see `SCENE_SETS`.
        root: as in `load_scenes`.
        splits: all of the set's where empty ("all" where it names none).
        progress: called with the title, the number of photos done and their total.

    Raises:
        InputError: an unknown name or split, or no such root: misuse, not a finding.
    """
    info = get_scene_set(name, root, splits)
    digests: dict[str, Path] = {}
    reports, sets = [], []
    for split in splits or info.splits or ("all",):
        report = CheckReport(f"{name} {split}")
        reports.append(report)
        try:
            scenes = load_scenes(name, root, split)
        except InputError as error:
            report.errors.append(str(error))
            continue
        check_scene_set(report, scenes, digests, progress)
        sets.append(scenes)
    return reports, sets


def check_scene_set(
    report: CheckReport,
    scenes: SceneSet,
    digests: dict[str, Path],
    progress: Callable[[str, int, int], None] = lambda title, done, total: None,
) -> None:
    """Add to `report` what is wrong with `scenes`; `digests` carries hashes of pixels from split to split."""
    unreadable, outside, tiny, doubled, twins = [], [], [], [], []
    for index, scene in enumerate(scenes.scenes):
        try:
            photo = scenes.read(index)
        except InputError as error:
            unreadable.append(str(error))
        else:
            first = digests.setdefault(hashlib.sha256(photo.tobytes()).hexdigest(), scene.image)
            if first != scene.image:
                twins.append(f"{scene.image} = {first}")
            outside += _named(scene, _outside(scene, photo.shape[0], photo.shape[1]))
        sides = (scene.boxes[:, 2:] - scene.boxes[:, :2]).min(axis=1)
        tiny += _named(scene, np.asarray(sides < TINY))
        overlaps = np.triu(box_iou(scene.boxes, scene.boxes), 1)
        doubled += _named(scene, np.asarray((overlaps > TWICE).any(axis=1)))
        progress(report.title, index + 1, len(scenes))
    report.photos = len(scenes)
    report.faces = sum(int((scene.trust == BoxTrust.LABELED).sum()) for scene in scenes.scenes)
    if unreadable:
        report.errors.append(summary(unreadable, "unreadable photo"))
    if outside:
        level = report.errors if len(outside) > TOO_MANY * report.faces else report.warnings
        level.append(summary(outside, "box outside the photo"))
    for findings, text in (
        (tiny, f"a face of under {TINY} pixels is to be found"),
        (doubled, "a face boxed twice"),
        (twins, "duplicate photo"),
    ):
        if findings:
            report.warnings.append(summary(findings, text))


def _outside(scene: Scene, height: int, width: int) -> np.ndarray:
    corners = scene.boxes
    return np.asarray(
        (corners[:, 2:] <= -0.5).any(axis=1) | (corners[:, :2] >= (width - 0.5, height - 0.5)).any(axis=1)
    )


def _named(scene: Scene, wrong: np.ndarray) -> list[str]:
    """A finding for each box that must be found and is `wrong`."""
    chosen = wrong & (scene.trust == BoxTrust.LABELED)
    return [f"{scene.name}, box {number}" for number in np.flatnonzero(chosen)]
