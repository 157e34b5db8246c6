"""`efficientfan data check` on face boxes, as a user types it."""

from __future__ import annotations

import json
import shutil

import numpy as np
from drawn_scenes import HEIGHT, WIDTH, make_scenes

from efficientfan.data.scenes.sheets import TRUST_COLORS, add_trusted_boxes
from efficientfan.imaging import read_rgb, write_image
from efficientfan.structures import BoxTrust


def add_box(root, scene, bbox, **more):
    table = json.loads((root / "test.json").read_text())
    image = next(image["id"] for image in table["images"] if image["file_name"] == f"{scene}.png")
    number = len(table["annotations"])
    table["annotations"].append({"id": number, "image_id": image, "bbox": bbox, **more})
    (root / "test.json").write_text(json.dumps(table))


def check(run_command, root, *more):
    return run_command("data", "check", "scenes", root, "--split", "test", *more)


def test_good_scenes_are_fit_and_drawn(run_command, tmp_path):
    sheet = tmp_path / "sheet.png"
    code, text, _ = check(run_command, make_scenes(tmp_path), "--sheet", sheet)
    assert code == 0
    assert text == "scenes test: 8 faces in 4 photos (no official number): fit to use\n"
    assert read_rgb(sheet).shape[0] > 300


def test_boxes_are_drawn_in_the_color_of_their_trust():
    canvas = np.zeros((100, 300, 3), np.uint8)
    boxes = [[20 + 100 * number, 20, 80 + 100 * number, 80] for number in range(3)]
    add_trusted_boxes(canvas, boxes, list(BoxTrust), width=3)
    assert [tuple(canvas[50, 20 + 100 * trust]) for trust in BoxTrust] == [
        TRUST_COLORS[trust] for trust in BoxTrust
    ]
    assert not canvas[50, 50].any()


def test_what_is_wrong_is_found(run_command, tmp_path):
    root = make_scenes(tmp_path)
    add_box(root, "alone", [WIDTH + 1, 5, 20, 20])
    (root / "test" / "empty.png").write_bytes(b"no picture")
    code, text, _ = check(run_command, root)
    assert code == 1
    assert "NOT fit" in text
    assert "error: unreadable photo (1): " in text
    assert "empty.png" in text
    assert "error: box outside the photo (1): alone.png, box 1" in text


def test_oddities_are_warnings(run_command, tmp_path):
    root = make_scenes(tmp_path)
    add_box(root, "empty", [5, 5, 4, 9])
    add_box(root, "alone", [21, 30, 40, 50])
    add_box(root, "crowd", [500, 500, 20, 20], iscrowd=1)  # is ignored, so it may lie anywhere
    shutil.copy(root / "test" / "alone.png", root / "test" / "pair.png")
    code, text, _ = check(run_command, root)
    assert code == 0
    assert [line.strip() for line in text.splitlines()[1:]] == [
        "warning: a face of under 6 pixels is to be found (1): empty.png, box 0",
        "warning: a face boxed twice (1): alone.png, box 0",
        f"warning: duplicate photo (1): {root}/test/pair.png = {root}/test/alone.png",
    ]


def test_a_photo_of_two_splits_is_found_under_one_name_too(run_command, tmp_path):
    root = make_scenes(tmp_path)
    make_scenes(tmp_path, "crowds")  # the same photos under the same names
    write_image(root / "crowds" / "pair.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    code, text, _ = check(run_command, root, "--split", "crowds")
    assert code == 0
    first, second, *findings = text.splitlines()
    assert first.startswith("scenes test: ")
    assert second.startswith("scenes crowds: ")
    pairs = "; ".join(
        f"{root}/crowds/{name}.png = {root}/test/{name}.png" for name in ("alone", "empty", "crowd")
    )
    assert [line.strip() for line in findings] == [f"warning: duplicate photo (3): {pairs}"]


def test_misuse_is_one_line(run_command, tmp_path):
    for arguments, message in (
        (("scenes", tmp_path / "nowhere"), "no such file or folder"),
        (("scenes", make_scenes(tmp_path), "--split", "val"), "has no split 'val'"),
        (("scenes", tmp_path, "--schema", "ibug68"), "are of landmarks"),
    ):
        code, text, error = run_command("data", "check", *arguments)
        assert (code, text) == (2, "")
        assert message in error
        assert error.count("\n") == 1


def test_scene_sets_are_listed(run_command):
    code, text, _ = run_command("data", "list")
    assert code == 0
    assert "aflw68_framed" in text
    assert "splits: train, test, crowds" in text
