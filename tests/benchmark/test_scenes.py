"""Drawn scenes and the user's photos, and the crops that are cut from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from efficientfan.benchmark.scenes import Scene, cut_crops, drawn_scene, drawn_scenes, photo_scenes
from efficientfan.errors import InputError
from efficientfan.geometry import box_iou
from efficientfan.imaging import write_image
from efficientfan.predict.detectors import Detections


@pytest.mark.parametrize("faces", [1, 5, 50])
def test_faces_are_inside_and_apart(faces):
    image, boxes = drawn_scene(faces, size=(960, 540), seed=1)
    assert image.shape == (540, 960, 3)
    assert image.dtype == np.uint8
    assert boxes.shape == (faces, 4)
    assert (boxes[:, :2] > 0).all()
    assert (boxes[:, 2:] < (960, 540)).all()
    overlap = box_iou(boxes, boxes)
    assert not overlap[~np.eye(faces, dtype=bool)].any()


def test_drawn_scenes_are_files_of_their_seed(tmp_path):
    scenes = drawn_scenes(tmp_path, (1, 2), seed=3)
    assert list(scenes) == ["1080p, 1 face", "1080p, 2 faces"]
    assert all(scene.path.is_file() and scene.image.shape == (1080, 1920, 3) for scene in scenes.values())
    assert (drawn_scene(2, seed=3)[1] == scenes["1080p, 2 faces"].boxes).all()
    assert (drawn_scene(2, seed=4)[1] != scenes["1080p, 2 faces"].boxes).any()


def test_crops_are_centred_on_their_boxes():
    image = np.zeros((100, 100, 3), np.uint8)
    image[40:60, 10:30] = 200
    boxes = np.array([[9.5, 39.5, 29.5, 59.5], [60, 60, 80, 80]], np.float32)
    scene = Scene(Path("x.png"), image, boxes)
    crops = cut_crops([scene, scene], 32, 0.0)
    assert crops.shape == (4, 32, 32, 3)
    assert crops[0, 1:-1, 1:-1].min() == 200
    assert not crops[1].any()
    assert len(cut_crops([scene] * 3, 32, 0.0, most=5)) == 5


class Bright:
    """Finds the whole of a photo that is not black."""

    name = "bright"

    def detect(self, image):
        height, width = image.shape[:2]
        boxes = np.array([[0, 0, width, height]] if image.any() else np.zeros((0, 4)))
        return Detections(boxes, np.ones(len(boxes)))


def test_photos_without_a_face_are_left_out(tmp_path):
    write_image(tmp_path / "dark.png", np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(InputError, match="bright finds no face"):
        photo_scenes(tmp_path, Bright())
    write_image(tmp_path / "light.png", np.full((20, 30, 3), 90, np.uint8))
    (scene,) = photo_scenes(tmp_path, Bright())
    assert scene.path == tmp_path / "light.png"
    assert scene.boxes.tolist() == [[0, 0, 30, 20]]
