"""Training pictures of the detector: their boxes must sit on the faces, whatever is done to the photos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from efficientfan.data.dataset import Draw
from efficientfan.data.scenes.dataset import ScenePictures
from efficientfan.data.scenes.mosaic import LEAST_FACE, MosaicAugmentation, compose, move_points
from efficientfan.errors import InputError
from efficientfan.geometry import CropTransform, box_iou, box_of_points
from efficientfan.imaging import write_image
from efficientfan.structures import BoxTrust, Scene

SIDE = 120
FACE = np.array([40.0, 30.0, 79.0, 79.0])
QUIET = MosaicAugmentation(
    covered=0, dark=0, color=0, gray=0, noise=0, jpeg=0, blur=0, strong_blur=0, low_resolution=0, negative=0
)


def disc_scene() -> tuple[Scene, NDArray[np.uint8]]:
    """A white ellipse that fills `FACE` on dark blue."""
    photo = np.full((SIDE, SIDE, 3), (0, 0, 60), np.uint8)
    center, size = (FACE[:2] + FACE[2:]) / 2, FACE[2:] - FACE[:2]
    cv2.ellipse(photo, (tuple(map(float, center)), tuple(map(float, size)), 0), (255, 255, 255), -1)
    return Scene(Path("disc.png"), FACE[None], np.array([BoxTrust.LABELED])), photo


def white_box(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    rows, columns = np.nonzero(image.min(axis=2) > 128)
    return box_of_points(np.column_stack([columns, rows]))


@pytest.mark.parametrize("seed", range(12))
def test_the_box_sits_on_the_face_after_any_geometry(seed: int) -> None:
    scene, photo = disc_scene()
    one_tile = replace(QUIET, grids=(1.0,), face=(0.3, 0.55), turned=0.5, rotation=45)
    # `_fill_outside` draws white too; the ellipse alone is on the untouched part, so only its pixels are kept.
    picture = compose(scene, [scene], lambda _: photo, 160, one_tile, np.random.default_rng(seed))
    assert picture.trust.tolist() == [BoxTrust.LABELED]
    (box,) = picture.boxes
    x0, y0, x1, y1 = np.rint(box + np.array([-4, -4, 4, 4])).astype(int).clip(0, 159)
    found = white_box(picture.image[y0 : y1 + 1, x0 : x1 + 1]) + np.array([x0, y0, x0, y0])
    assert box_iou(found, box)[0, 0] > 0.85


def test_turned_boxes_are_those_of_the_ellipse() -> None:
    box = np.array([[20.0, 30.0, 60.0, 90.0]])
    angles = np.linspace(0, 2 * np.pi, 2000)
    ellipse = np.column_stack([40 + 20 * np.cos(angles), 60 + 30 * np.sin(angles)])
    for rotation in (0, 30, 45, 90, 200):
        transform = CropTransform.from_box(box[0], 100, 0.5, rotation=rotation, flip=rotation == 30)
        np.testing.assert_allclose(
            transform.apply_to_boxes(box)[0], box_of_points(transform.apply(ellipse)), atol=0.05
        )


def test_tiles_lie_side_by_side_and_keep_their_boxes() -> None:
    scene, photo = disc_scene()
    four = replace(QUIET, grids=(0.0, 1.0), face=(0.4, 0.5), rotation=0, turned=0, flip=0)
    picture = compose(scene, [scene], lambda _: photo, 200, four, np.random.default_rng(0))
    learned = picture.boxes[picture.trust == BoxTrust.LABELED]
    centers = (learned[:, :2] + learned[:, 2:]) / 2
    assert sorted(map(tuple, (centers // 100).astype(int).tolist())) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_what_is_too_small_or_cut_off_is_ignored() -> None:
    photo = np.zeros((200, 200, 3), np.uint8)
    boxes = np.array([[50, 50, 150, 150], [0, 0, 6, 6], [140, 40, 199, 99]], dtype=float)
    scene = Scene(Path("three.png"), boxes, np.full(3, BoxTrust.LABELED))
    whole = replace(QUIET, grids=(1.0,), face=(0.9, 0.9), rotation=0, turned=0, flip=0)
    seen = set()
    for seed in range(20):
        picture = compose(scene, [scene], lambda _: photo, 100, whole, np.random.default_rng(seed))
        sizes = picture.boxes[:, 2:] - picture.boxes[:, :2]
        small = sizes.max(axis=1) < LEAST_FACE
        assert (picture.trust[small] == BoxTrust.IGNORED).all()
        ignored = picture.boxes[picture.trust == BoxTrust.IGNORED]
        assert (abs(ignored - 49.5) <= 50).all()  # so that they mask no other tile
        seen |= set(picture.trust.tolist())
    assert seen == {BoxTrust.IGNORED, BoxTrust.LABELED}


@pytest.fixture
def scenes(tmp_path: Path) -> list[Scene]:
    scene, photo = disc_scene()
    write_image(tmp_path / "disc.png", photo)
    return [replace(scene, image=tmp_path / "disc.png")] * 3


def test_samples_come_from_seed_epoch_and_index_alone(scenes: list[Scene]) -> None:
    loud = MosaicAugmentation()
    first, second = (ScenePictures(scenes, 128, 8, augmentation=loud, seed=1, keep=k) for k in (0, 10))
    for draw in (Draw(0, 0), Draw(3, 2)):
        one, other = first[draw], second[draw]
        assert all((one[key] == other[key]).all() for key in one)
    assert (first[Draw(0, 0)]["image"] != first[Draw(1, 0)]["image"]).any()
    assert (first[Draw(0, 0)]["image"] != first[Draw(0, 1)]["image"]).any()


def test_plain_samples_show_the_whole_photo(scenes: list[Scene]) -> None:
    picture = ScenePictures(scenes, 240, 8).picture(Draw(0, 0))
    np.testing.assert_allclose(picture.boxes[0], (FACE + 0.5) * 2 - 0.5)
    assert box_iou(white_box(picture.image), picture.boxes[0])[0, 0] > 0.93


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ({"dark": 1.5}, "dark"),
        ({"grids": (0.5, 0.4)}, "grids"),
        ({"face": (0.5, 0.2)}, "face"),
        ({"rotation": 270.0}, "rotation"),
    ],
)
def test_impossible_settings_are_named(setting: dict[str, object], name: str) -> None:
    with pytest.raises(InputError, match=name):
        MosaicAugmentation(**setting)


def test_points_move_with_the_face_and_change_sides_in_the_mirror() -> None:
    points = np.array([[[50.0, 40.0], [70.0, 41.0], [60.0, 50.0], [52.0, 60.0], [68.0, 61.0]]])
    turned = CropTransform.from_box(FACE, 100, 0.5, rotation=70)
    np.testing.assert_allclose(move_points(points, turned), turned.apply(points))
    mirrored = CropTransform.from_box(FACE, 100, 0.5, flip=True)
    moved = move_points(points, mirrored)[0]
    assert moved[0, 0] < moved[1, 0]  # its right eye is on the left of the picture again
    assert moved[3, 0] < moved[4, 0]
    np.testing.assert_allclose(moved[0], mirrored.apply(points[0, 1]))


def test_points_and_chances_stay_beside_their_boxes() -> None:
    scene, photo = disc_scene()
    points = np.array([[[50.0, 40.0], [70.0, 41.0], [60.0, 50.0], [52.0, 60.0], [68.0, 61.0]]])
    scene = replace(scene, points=points, chances=np.array([0.4]))
    four = replace(QUIET, grids=(0.0, 1.0), face=(0.4, 0.5), turned=1.0)
    picture = compose(scene, [scene], lambda _: photo, 200, four, np.random.default_rng(0))
    assert picture.chances.tolist() == [0.4] * 4
    centers = (picture.boxes[:, :2] + picture.boxes[:, 2:]) / 2
    half = (picture.boxes[:, 2:] - picture.boxes[:, :2]) / 2
    assert (abs(picture.points - centers[:, None]) <= half[:, None]).all()
