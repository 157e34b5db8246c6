"""Drawn photos and the user's photos, and the crops that are cut from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from efficientfan.benchmark.photos import FacePhoto, cut_crops, draw_photo, drawn_photos, photos_with_faces
from efficientfan.errors import InputError
from efficientfan.geometry import box_iou
from efficientfan.imaging import write_image
from efficientfan.predict.detectors import Detections


@pytest.mark.parametrize("faces", [1, 5, 50])
def test_faces_are_inside_and_apart(faces):
    image, boxes = draw_photo(faces, size=(960, 540), seed=1)
    assert image.shape == (540, 960, 3)
    assert image.dtype == np.uint8
    assert boxes.shape == (faces, 4)
    assert (boxes[:, :2] > 0).all()
    assert (boxes[:, 2:] < (960, 540)).all()
    overlap = box_iou(boxes, boxes)
    assert not overlap[~np.eye(faces, dtype=bool)].any()


def test_drawn_scenes_are_files_of_their_seed(tmp_path):
    photos = drawn_photos(tmp_path, (1, 2), seed=3)
    assert list(photos) == ["1080p, 1 face", "1080p, 2 faces"]
    assert all(photo.path.is_file() and photo.image.shape == (1080, 1920, 3) for photo in photos.values())
    assert (draw_photo(2, seed=3)[1] == photos["1080p, 2 faces"].boxes).all()
    assert (draw_photo(2, seed=4)[1] != photos["1080p, 2 faces"].boxes).any()


def test_crops_are_centred_on_their_boxes():
    image = np.zeros((100, 100, 3), np.uint8)
    image[40:60, 10:30] = 200
    boxes = np.array([[9.5, 39.5, 29.5, 59.5], [60, 60, 80, 80]], np.float32)
    photo = FacePhoto(Path("x.png"), image, boxes)
    crops = cut_crops([photo, photo], 32, 0.0)
    assert crops.shape == (4, 32, 32, 3)
    assert crops[0, 1:-1, 1:-1].min() == 200
    assert not crops[1].any()
    assert len(cut_crops([photo] * 3, 32, 0.0, most=5)) == 5


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
        photos_with_faces(tmp_path, Bright())
    write_image(tmp_path / "light.png", np.full((20, 30, 3), 90, np.uint8))
    (photo,) = photos_with_faces(tmp_path, Bright())
    assert photo.path == tmp_path / "light.png"
    assert photo.boxes.tolist() == [[0, 0, 30, 20]]
