"""Drawn photos and the user's photos, and the crops that are cut from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

from efficientfan.benchmark import photos as module
from efficientfan.benchmark.photos import (
    FacePhoto,
    cut_crops,
    draw_photo,
    made_photos,
    photos_with_faces,
    portrait_photo,
)
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


def test_portraits_lie_where_their_boxes_say():
    """In each box lies what lies in the portrait's own, mirrored in every second one."""
    portrait = astronaut()
    image, boxes = portrait_photo(6, portrait, seed=2)
    sizes = np.ptp(boxes.reshape(-1, 2, 2), axis=1)[:, 0]
    assert len(set(sizes)) == 6
    assert (boxes[:, :2] > 0).all()
    assert (boxes[:, 2:] < (1920, 1080)).all()
    whole = FacePhoto(Path("a.png"), portrait, np.array([[179, 88, 272, 178]], np.float32))
    (expected,) = cut_crops([whole], 64, 0.2).astype(float)
    for index, crop in enumerate(cut_crops([FacePhoto(Path("b.png"), image, boxes)], 64, 0.2).astype(float)):
        turned = crop[:, ::-1] if index % 2 else crop
        likeness = [np.corrcoef(each.ravel(), expected.ravel())[0, 1] for each in (turned, turned[:, ::-1])]
        assert likeness[0] > 0.98
        assert likeness[0] > likeness[1] + 0.1


def test_made_photos_are_files_of_their_seed(tmp_path, monkeypatch):
    photos = made_photos(tmp_path, (1, 2, 1), seed=3)
    assert list(photos) == ["1080p, 1 portrait", "1080p, 2 portraits"]
    assert all(photo.path.is_file() and photo.image.shape == (1080, 1920, 3) for photo in photos.values())
    assert (portrait_photo(2, astronaut(), seed=3)[1] == photos["1080p, 2 portraits"].boxes).all()
    assert (portrait_photo(2, astronaut(), seed=4)[1] != photos["1080p, 2 portraits"].boxes).any()
    monkeypatch.setattr(module, "_portrait", lambda: None)
    photos = made_photos(tmp_path, (2,), seed=3)
    assert list(photos) == ["1080p, 2 drawn faces"]
    assert (draw_photo(2, seed=3)[1] == photos["1080p, 2 drawn faces"].boxes).all()


def test_crops_are_centered_on_their_boxes():
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
