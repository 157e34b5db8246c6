from pathlib import Path

import cv2
import numpy as np
import pytest

from efficientfan.data.scenes.rolled import read_rolled, roll_scene
from efficientfan.geometry import box_iou, box_of_points
from efficientfan.imaging import write_image
from efficientfan.structures import BoxTrust, Scene

EYE, DISC = (60.0, 45.0), np.array([30.0, 25.0, 79.0, 74.0])


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    photo = np.full((100, 160, 3), (0, 0, 60), np.uint8)
    center = tuple(((DISC[:2] + DISC[2:]) / 2).tolist())
    cv2.ellipse(photo, (center, (49.0, 49.0), 0), (255, 255, 255), -1)
    write_image(tmp_path / "disc.png", photo)
    points = np.full((1, 5, 2), EYE)
    return Scene(
        tmp_path / "disc.png", DISC[None], np.array([BoxTrust.LABELED]), {"kind": "disc"}, "disc", points
    )


@pytest.mark.parametrize("degrees", [0, 45, 60, 90, 135, 180])
def test_boxes_and_points_turn_with_the_photo(scene: Scene, degrees: int) -> None:
    rolled = roll_scene(scene, degrees)
    photo = read_rolled(rolled)
    assert photo.shape[0] == photo.shape[1]
    rows, columns = np.nonzero(photo.min(axis=2) > 200)
    found = box_of_points(np.column_stack([columns, rows]))
    assert box_iou(found, rolled.boxes)[0, 0] > 0.9
    arm = rolled.points[0, 0] - (rolled.boxes[0, :2] + rolled.boxes[0, 2:]) / 2
    before = np.array(EYE) - (DISC[:2] + DISC[2:]) / 2
    turn = np.degrees(np.arctan2(-arm[1], arm[0]) - np.arctan2(-before[1], before[0])) % 360
    assert turn == pytest.approx(degrees, abs=0.5)
    assert rolled.name == f"disc@{degrees}"
    assert rolled.attributes == {"kind": "disc", "roll": degrees}
