"""Detection data by name: what stands in the scenes, and that it is the same whatever else is read."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from drawn_scenes import make_aflw68, make_scenes

from efficientfan.data.scenes.catalog import SCENE_SETS, SceneSet, load_scenes
from efficientfan.data.scenes.generated import FACE_CROP, FRAME
from efficientfan.errors import InputError
from efficientfan.imaging import read_rgb, write_image
from efficientfan.structures import BoxTrust, Scene


def test_scenes_are_grouped_by_company(tmp_path):
    scenes = load_scenes("scenes", make_scenes(tmp_path), "test")
    assert [scene.name for scene in scenes.scenes] == ["alone.png", "empty.png", "pair.png", "crowd.png"]
    assert scenes.groups == ["1 face", "0 faces", "2 to 4 faces", "5 faces or more"]
    assert scenes.scenes[2].trust.tolist() == [BoxTrust.LABELED, BoxTrust.UNCHECKED]
    assert np.array_equal(scenes.read(3), read_rgb(tmp_path / "test" / "crowd.png"))


def test_a_file_of_boxes_is_read_under_any_split_name(tmp_path):
    make_scenes(tmp_path, "holiday")
    assert len(load_scenes("boxes", tmp_path, "holiday")) == 4
    assert len(load_scenes("boxes", tmp_path / "holiday.json", "all")) == 4


def test_framed_faces_stand_where_their_boxes_say(tmp_path):
    framed = load_scenes("aflw68_framed", make_aflw68(tmp_path), "fit")
    assert set(framed.groups) == {"frontal", "half_profile", "profile"}
    for index, scene in enumerate(framed.scenes):
        frame = framed.read(index)
        assert frame.shape == (FRAME, FRAME, 3)
        rows, columns = np.nonzero((frame != 128).any(axis=2))
        # Drawn faces have a plain ground of another color, so the crop's outline shows.
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (FACE_CROP, FACE_CROP)
        crop = frame[rows.min() :, columns.min() :][:FACE_CROP, :FACE_CROP]
        original = read_rgb(scene.image)
        assert np.array_equal(crop, cv2.resize(original, (240, 240), interpolation=cv2.INTER_CUBIC))
        row = json.loads((tmp_path / "train.json").read_text())["annotations"][int(scene.image.stem[5:])]
        x, y, width, height = row["bbox"]
        # Pixel p of the crop covers the frame's pixels 2 p and 2 p + 1.
        offset = np.array([columns.min() + 0.5, rows.min() + 0.5] * 2)
        assert scene.boxes == pytest.approx(2 * np.array([[x, y, x + width, y + height]]) + offset)


def test_a_framed_face_keeps_its_place_when_others_go(tmp_path):
    def places(root):
        return {
            scene.name: scene.boxes.tolist() for scene in load_scenes("aflw68_framed", root, "fit").scenes
        }

    everyone = places(make_aflw68(tmp_path))
    table = json.loads((tmp_path / "train.json").read_text())
    for key in ("images", "annotations"):
        table[key] = table[key][:3:-1]
    (tmp_path / "train.json").write_text(json.dumps(table))
    some = places(tmp_path)
    assert 0 < len(some) < len(everyone)
    assert all(everyone[name] == place for name, place in some.items())
    assert len({tuple(map(tuple, place)) for place in everyone.values()}) == len(everyone)


def test_the_framed_splits_share_no_face(tmp_path):
    make_aflw68(tmp_path)
    fit, held_out = (
        {s.name for s in load_scenes("aflw68_framed", tmp_path, split).scenes} for split in ("fit", "heldout")
    )
    assert len(fit | held_out) == 24
    assert not fit & held_out
    assert held_out


def test_a_crop_of_another_size_is_refused(tmp_path):
    framed = load_scenes("aflw68_framed", make_aflw68(tmp_path), "fit")
    write_image(framed.scenes[0].image, np.zeros((100, 120, 3), np.uint8))
    with pytest.raises(InputError, match="120 x 120"):
        framed.read(0)


def test_noise_is_the_same_each_time_and_holds_no_face(tmp_path):
    noise = load_scenes("noise", tmp_path / "nowhere", "test")
    assert sum(len(scene.boxes) for scene in noise.scenes) == 0
    pictures = [noise.read(index) for index in range(len(noise))]
    assert len({picture.tobytes() for picture in pictures}) == len(noise)
    for index in range(len(noise) - 1, 0, -9):
        assert np.array_equal(noise.read(index), pictures[index])
    for picture, group in zip(pictures, noise.groups, strict=True):
        assert (picture.max(axis=(0, 1)) == picture.min(axis=(0, 1))).all() == (group == "flat")


def test_a_spread_part_reaches_both_ends(tmp_path):
    noise = load_scenes("noise", ".", "test")
    part = noise.spread(7)
    assert len(part) == 7
    assert part.scenes[0] is noise.scenes[0]
    assert part.scenes[-1] is noise.scenes[-1]
    assert set(part.groups) == set(noise.groups)
    assert [part.groups[i] for i in range(7)] == [noise.groups[noise.scenes.index(s)] for s in part.scenes]
    assert noise.spread(1000) == noise


@pytest.mark.parametrize(
    ("name", "root", "split", "message"),
    [
        (
            "scene",
            ".",
            "test",
            "unknown detection data 'scene'; did you mean 'scenes'\\? known are aflw68_framed, boxes",
        ),
        ("scenes", ".", "val", "has no split 'val'; it has train, test, crowds"),
        ("scenes", "nowhere", "test", "nowhere: no such file or folder"),
        ("scenes", ".", "test", "has no test.json"),
    ],
)
def test_misuse_is_told(name, root, split, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        load_scenes(name, root, split)


def test_a_set_is_never_empty():
    with pytest.raises(InputError, match="holds no photo"):
        SceneSet("boxes", "all", [], [], lambda scene: np.zeros((1, 1, 3), np.uint8))


def test_every_row_stands_under_its_name():
    assert all(name == info.name for name, info in SCENE_SETS.items())


def test_unchecked_boxes_can_be_counted_as_faces(tmp_path):
    scene = Scene(tmp_path / "a.jpg", np.eye(4)[:3] + np.array([0, 0, 9, 9]), np.array([0, 1, 2]))
    plain = SceneSet("any", "test", [scene], ["all"], lambda scene: np.zeros((1, 1, 3), np.uint8))
    assert plain.with_unchecked().scenes[0].trust.tolist() == [0, 2, 2]
    assert plain.scenes[0].trust.tolist() == [0, 1, 2]


def test_held_out_photos_are_a_fixed_sixth_that_the_rest_does_not_hold(tmp_path):
    images = [{"id": i, "file_name": f"{i}.png"} for i in range(120)]
    (tmp_path / "masks").mkdir()
    for image in images:
        (tmp_path / "masks" / image["file_name"]).touch()
    (tmp_path / "masks.json").write_text(json.dumps({"images": images, "annotations": []}))
    whole, rest, held = (
        {scene.name for scene in load_scenes("scenes", tmp_path, split).scenes}
        for split in ("masks", "masks_fit", "masks_heldout")
    )
    assert rest | held == whole
    assert not rest & held
    assert 10 < len(held) < 32
