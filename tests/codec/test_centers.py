"""Boxes to maps of centers and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from efficientfan.codec import centers as codec
from efficientfan.codec.centers import CenterDecoder, CenterTargets, decode_boxes, decode_points
from efficientfan.structures import BoxTrust

STRIDE, WIDTH, HEIGHT = 8, 96, 64
BOXES = np.array([[10.0, 6.0, 31.0, 30.0], [50.0, 20.0, 90.0, 60.0]])
LABELED = np.full(2, BoxTrust.LABELED)


def encode_centers(
    boxes: np.ndarray, trust: np.ndarray, points: np.ndarray | None = None, chances: np.ndarray | None = None
) -> CenterTargets:
    points = np.full((len(boxes), 5, 2), np.nan) if points is None else points
    chances = np.ones(len(boxes)) if chances is None else chances
    return codec.encode_centers(boxes, trust, points, chances, WIDTH, HEIGHT, STRIDE)


def perfect_maps(boxes: np.ndarray, trust: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and box numbers of a network that knows the answer; the numbers are written out by hand."""
    targets = encode_centers(boxes, trust)
    logits = torch.logit(torch.from_numpy(targets.centers).clamp(1e-4, 1 - 1e-4))[None, None]
    numbers = torch.zeros(1, 4, HEIGHT // STRIDE, WIDTH // STRIDE)
    for row, column in np.argwhere(targets.box_weights > 0):
        x0, y0, x1, y1 = targets.boxes[row, column]
        u, v = (column + 0.5) * STRIDE - 0.5, (row + 0.5) * STRIDE - 0.5
        values = [
            ((x0 + x1) / 2 - u) / (x1 - x0),
            ((y0 + y1) / 2 - v) / (y1 - y0),
            np.log((x1 - x0) / STRIDE),
            np.log((y1 - y0) / STRIDE),
        ]
        numbers[0, :, row, column] = torch.tensor(values)
    return logits, numbers


def test_boxes_come_back_exactly() -> None:
    boxes, scores, _ = CenterDecoder(STRIDE)(*perfect_maps(BOXES, LABELED), torch.zeros(1, 10, 8, 12))
    found = boxes[0][scores[0] > 0.9].numpy()
    np.testing.assert_allclose(found[np.argsort(found[:, 0])], BOXES, atol=1e-3)


def test_every_cell_that_learns_a_box_would_give_it_exactly() -> None:
    _, numbers = perfect_maps(BOXES, LABELED)
    targets = encode_centers(BOXES, LABELED)
    learned = targets.box_weights > 0
    assert learned.sum() > 2  # not the two centers alone
    np.testing.assert_allclose(
        decode_boxes(numbers, STRIDE)[0].numpy()[learned], targets.boxes[learned], atol=1e-3
    )


def test_center_cell_is_the_one_that_holds_the_center_and_is_exactly_one() -> None:
    centers = encode_centers(BOXES, LABELED).centers
    # Centers are (20.5, 18) and (70, 40); a cell of stride 8 covers pixels [8 i - 0.5, 8 i + 7.5].
    assert {tuple(cell) for cell in np.argwhere(centers == 1)} == {(2, 2), (5, 8)}


def test_ignored_boxes_are_neither_face_nor_background() -> None:
    targets = encode_centers(BOXES, np.array([BoxTrust.LABELED, BoxTrust.IGNORED]))
    assert (targets.centers == 1).sum() == 1
    inside = targets.counted[3:8, 6:11]  # cells whose centers lie in the second box
    assert (inside == 0).all()
    assert targets.counted.sum() == targets.counted.size - 25


def test_a_face_on_an_ignored_one_still_counts() -> None:
    boxes = np.array([[0.0, 0.0, 95.0, 63.0], [40.0, 20.0, 56.0, 36.0]])
    targets = encode_centers(boxes, np.array([BoxTrust.IGNORED, BoxTrust.LABELED]))
    assert targets.counted[targets.centers == 1].tolist() == [1.0]
    assert targets.counted.sum() < 9


def test_a_center_outside_the_image_is_not_learned() -> None:
    targets = encode_centers(np.array([[-60.0, 10.0, 20.0, 50.0]]), LABELED[:1])
    assert targets.centers.max() == 0
    assert targets.counted[3, 0] == 0


def test_of_two_faces_at_one_place_the_smaller_has_its_own_cell() -> None:
    boxes = np.array([[40.0, 20.0, 60.0, 40.0], [10.0, 0.0, 90.0, 60.0]])
    targets = encode_centers(boxes, LABELED)
    np.testing.assert_allclose(targets.boxes[3, 6], boxes[0])


@pytest.mark.parametrize("number", [50.0, -50.0])
def test_wild_numbers_stay_finite(number: float) -> None:
    boxes = decode_boxes(torch.full((1, 4, 2, 2), number), STRIDE)
    assert torch.isfinite(boxes).all()


def test_only_peaks_score() -> None:
    logits = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.5, 0.0], [2.0, 0.0, 0.0]])[None, None]
    _, scores, _ = CenterDecoder(STRIDE)(logits, torch.zeros(1, 4, 3, 3), torch.zeros(1, 10, 3, 3))
    # 0.5 lies beside the 1; the 2 is highest in its corner.
    assert (scores[0] > 0).nonzero().flatten().tolist() == [1, 6]


def test_points_come_back_exactly_where_they_are_known() -> None:
    points = np.array(
        [[[14.0, 12.0], [25.0, 12.0], [20.0, 17.0], [15.0, 24.0], [26.0, 24.0]], [[np.nan] * 2] * 5]
    )
    targets = encode_centers(BOXES, LABELED, points)
    learned = targets.point_weights > 0
    assert (learned == (targets.box_weights > 0) & (targets.boxes[..., 0] == 10)).all()
    _, numbers = perfect_maps(BOXES, LABELED)
    point_numbers = torch.zeros(1, 10, HEIGHT // STRIDE, WIDTH // STRIDE)
    for row, column in np.argwhere(learned):
        cell = (np.array([column, row]) + 0.5) * STRIDE - 0.5
        values = (points[0] - cell) / (BOXES[0, 2:] - BOXES[0, :2])
        point_numbers[0, :, row, column] = torch.from_numpy(values.reshape(10))
    found = decode_points(numbers, point_numbers, STRIDE)[0].numpy()[learned]
    np.testing.assert_allclose(found, np.broadcast_to(points[0], found.shape), atol=1e-3)
    boxes, scores, flat = CenterDecoder(STRIDE)(*perfect_maps(BOXES, LABELED), point_numbers)
    first = int(((scores[0] > 0.9) & (boxes[0, :, 0] < 11)).nonzero()[0])
    np.testing.assert_allclose(flat[0, first].reshape(5, 2), points[0], atol=1e-3)


def test_an_unsure_face_weighs_as_much_as_its_chance() -> None:
    sure, unsure = (encode_centers(BOXES[:1], LABELED[:1], chances=np.array([each])) for each in (1.0, 0.3))
    np.testing.assert_array_equal(sure.centers, unsure.centers)
    assert unsure.chances[unsure.centers == 1] == pytest.approx([0.3])
    assert unsure.chances.sum() == pytest.approx(0.3)
    np.testing.assert_allclose(unsure.box_weights, 0.3 * sure.box_weights, rtol=1e-6)
