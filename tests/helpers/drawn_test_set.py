"""A small 300-W of drawn photos, and a model that reads the right answer off them.

Every photo has one gray of its own (10 * (index + 1)) and a dark left half, so that a crop tells which photo
it is from and whether it was mirrored. `OracleModel` answers with the truth plus an offset in crop pixels.
"""

from __future__ import annotations

import types
from pathlib import Path

import numpy as np
import pytest

from efficientfan.geometry import CropTransform
from efficientfan.imaging import write_image
from efficientfan.predict import BackendOutput
from efficientfan.schema import get_schema
from efficientfan.spec import ModelSpec
from efficientfan.structures import Face

IBUG68 = get_schema("ibug68")
SIDE = 160


def face_points(rng: np.random.Generator) -> np.ndarray:
    """68 points, symmetric about the middle of the photo, so that a crop's middle is the photo's."""
    points = rng.uniform(50, 110, (68, 2))
    points = (points + IBUG68.flip(points, SIDE)) / 2
    points[[36, 45]] = [[60, 70], [99, 70]]
    return points.round(3)


def write_face(image: Path, gray: int, points: np.ndarray) -> None:
    picture = np.full((SIDE, SIDE, 3), gray, np.uint8)
    picture[:, : SIDE // 2, 2] = 0
    write_image(image, picture)
    rows = "\n".join(f"{x + 1:.3f} {y + 1:.3f}" for x, y in points)
    image.with_suffix(".pts").write_text(f"version: 1\nn_points: 68\n{{\n{rows}\n}}\n")


@pytest.fixture
def faces(tmp_path):
    """(root, points of the test faces, in the reader's order)."""
    rng = np.random.default_rng(11)
    root = tmp_path / "300w"
    for folder in ("afw", "helen/trainset", "lfpw/trainset"):
        write_face(root / folder / "t.png", 5, face_points(rng))
    points = []
    for index in range(6):
        folder = "helen/testset" if index < 4 else "lfpw/testset"
        points.append(face_points(rng))
        write_face(root / folder / f"{index}.png", 10 * (index + 1), points[-1])
    return root, np.stack(points)


class OracleModel:
    """Knows the truth of `faces`; wrong by `offset` crop pixels, blind to the photos in `blind`.

    `scores` are those of its landmarks, (K,) of each test face; 1 by default, and halved on a mirrored crop.
    """

    def __init__(self, truth, *, offset=(0.0, 0.0), blind=(), scores=None):
        self.truth, self.offset, self.blind = truth, np.asarray(offset), blind
        self.scores = np.ones(truth.shape[:2]) if scores is None else scores
        self.calls = []
        self.spec = ModelSpec(
            name="oracle",
            network={},
            schema=IBUG68,
            input_size=64,
            stride=4,
            crop_margin=0.25,
            decoder={},
        )
        self.backend = types.SimpleNamespace(
            run=self.run, name="oracle", device="cpu", precision="f32", threads=1
        )
        self.detector = types.SimpleNamespace(name="oracle-detector")

    def run(self, crops):
        self.calls.append(len(crops))
        points, scores = zip(*map(self._answer, crops), strict=True)
        return BackendOutput(np.stack(points), np.stack(scores).astype(np.float32))

    def _answer(self, crop):
        assert crop.shape == (64, 64, 3)
        assert crop.dtype == np.uint8
        index = round(int(crop[32, 32, 0]) / 10) - 1
        truth = self.truth[index]
        box = np.concatenate([truth.min(axis=0), truth.max(axis=0)])
        points = CropTransform.from_box(box, 64, 0.25).apply(truth)
        mirrored = crop[32, 8, 2] > crop[32, 56, 2]
        scores = self.scores[index]
        if mirrored:
            points, scores = IBUG68.flip(points, 64), scores[IBUG68.flip_indices] / 2
        return points + self.offset, scores

    def batch(self, photos):
        answers = []
        for photo in photos:
            index = round(int(photo[0, 0, 0]) / 10) - 1
            if index in self.blind:
                answers.append([])
                continue
            points = self.truth[index] + self.offset
            box = np.concatenate([points.min(axis=0), points.max(axis=0)])
            far = Face(box + 1000, points + 1000, np.ones(68), IBUG68)  # a false find beside the right one
            answers.append([far, Face(box, points, self.scores[index], IBUG68)])
        return answers


@pytest.fixture
def oracle(faces):
    """Make an `OracleModel` of the drawn faces."""
    return lambda **options: OracleModel(faces[1], **options)
