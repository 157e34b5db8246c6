"""Faces drawn from geometry, with exact landmarks: the data that tests train, evaluate and predict on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from efficientfan.formats.pts import write_pts
from efficientfan.schema import get_schema
from efficientfan.structures import VISIBLE, Annotation

SKIN, BROW, EYE, PUPIL, LIP = (214, 160, 130), (70, 45, 30), (250, 250, 250), (40, 60, 90), (180, 60, 70)


def drawn_points(rng: np.random.Generator, side: int) -> np.ndarray:
    """(68, 2) landmarks of a face somewhere in a side x side picture, upright within 20 degrees."""
    layout = np.array(get_schema("ibug68").layout)
    layout = (layout - layout.mean(axis=0)) * [rng.uniform(0.9, 1.1), rng.uniform(0.9, 1.1)]
    angle = np.radians(rng.uniform(-20, 20))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    scale = side * rng.uniform(0.5, 0.6)
    return layout @ turn.T * scale + side / 2 + rng.uniform(-0.08, 0.08, 2) * side


def drawn_face(rng: np.random.Generator, side: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A picture (side, side, 3) uint8 RGB and its landmarks (68, 2), 0-based pixels."""
    points = drawn_points(rng, side)
    shift = 4  # fractional bits: OpenCV then draws at sub-pixel positions
    fixed = np.round(points * (1 << shift)).astype(np.int32)
    image = np.full((side, side, 3), rng.integers(0, 256, 3), np.uint8)
    shade = rng.uniform(0.7, 1.1)

    def fill(indices: range, color: tuple[int, int, int]) -> None:
        tone = tuple(int(min(255, c * shade)) for c in color)
        cv2.fillPoly(image, [fixed[list(indices)]], tone, cv2.LINE_AA, shift)

    hull = cv2.convexHull(fixed[:27])
    cv2.fillPoly(image, [hull], tuple(int(min(255, c * shade)) for c in SKIN), cv2.LINE_AA, shift)
    for indices, color in (
        (range(36, 42), EYE),
        (range(42, 48), EYE),
        (range(48, 60), LIP),
        (range(60, 68), PUPIL),
    ):
        fill(indices, color)
    for indices, color in (
        (range(17, 22), BROW),
        (range(22, 27), BROW),
        (range(27, 31), BROW),
        (range(31, 36), BROW),
    ):
        cv2.polylines(image, [fixed[list(indices)]], False, color, max(1, side // 60), cv2.LINE_AA, shift)
    for eye in (range(36, 42), range(42, 48)):
        center = np.round(points[list(eye)].mean(axis=0) * (1 << shift)).astype(int)
        cv2.circle(
            image,
            tuple(int(c) for c in center),
            int(side * 0.012 * (1 << shift)),
            PUPIL,
            -1,
            cv2.LINE_AA,
            shift,
        )
    return image, points


def write_drawn_300w(root: Path, *, train: int = 8, common: int = 2, side: int = 96, seed: int = 0) -> Path:
    """A folder in 300-W's layout: `train` faces in afw, the other folders of the split with one each, and `common`."""
    rng = np.random.default_rng(seed)
    counts = {"afw": train - 2, "helen/trainset": 1, "lfpw/trainset": 1}
    counts |= {"helen/testset": common - 1, "lfpw/testset": 1}
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            image, points = drawn_face(rng, side)
            Image.fromarray(image).save(root / folder / f"face_{index}.png")
            write_pts(root / folder / f"face_{index}.pts", points)
    return root


def drawn_annotations(folder: Path, count: int, side: int = 96) -> list[Annotation]:
    """Photos of one drawn face each, in `folder`, every landmark visible."""
    rng = np.random.default_rng(0)
    faces = []
    for index in range(count):
        image, points = drawn_face(rng, side)
        Image.fromarray(image).save(folder / f"{index}.png")
        faces.append(Annotation(folder / f"{index}.png", points, np.full(68, VISIBLE)))
    return faces
