"""Boxes to maps of centres and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from efficientfan.codec.centres import CentreDecoder, decode_boxes, encode_centres
from efficientfan.structures import BoxTrust

STRIDE, WIDTH, HEIGHT = 8, 96, 64
BOXES = np.array([[10.0, 6.0, 31.0, 30.0], [50.0, 20.0, 90.0, 60.0]])
LABELLED = np.full(2, BoxTrust.LABELLED)


def perfect_maps(boxes: np.ndarray, trust: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and box numbers of a network that knows the answer; the numbers are written out by hand."""
    targets = encode_centres(boxes, trust, WIDTH, HEIGHT, STRIDE)
    logits = torch.logit(torch.from_numpy(targets.centres).clamp(1e-4, 1 - 1e-4))[None, None]
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
    boxes, scores = CentreDecoder(STRIDE)(*perfect_maps(BOXES, LABELLED))
    found = boxes[0][scores[0] > 0.9].numpy()
    np.testing.assert_allclose(found[np.argsort(found[:, 0])], BOXES, atol=1e-3)


def test_every_cell_that_learns_a_box_would_give_it_exactly() -> None:
    _, numbers = perfect_maps(BOXES, LABELLED)
    targets = encode_centres(BOXES, LABELLED, WIDTH, HEIGHT, STRIDE)
    learnt = targets.box_weights > 0
    assert learnt.sum() > 2  # not the two centres alone
    np.testing.assert_allclose(
        decode_boxes(numbers, STRIDE)[0].numpy()[learnt], targets.boxes[learnt], atol=1e-3
    )


def test_centre_cell_is_the_one_that_holds_the_centre_and_is_exactly_one() -> None:
    centres = encode_centres(BOXES, LABELLED, WIDTH, HEIGHT, STRIDE).centres
    # Centres are (20.5, 18) and (70, 40); a cell of stride 8 covers pixels [8 i - 0.5, 8 i + 7.5].
    assert {tuple(cell) for cell in np.argwhere(centres == 1)} == {(2, 2), (5, 8)}


def test_ignored_boxes_are_neither_face_nor_background() -> None:
    targets = encode_centres(BOXES, np.array([BoxTrust.LABELLED, BoxTrust.IGNORED]), WIDTH, HEIGHT, STRIDE)
    assert (targets.centres == 1).sum() == 1
    inside = targets.counted[3:8, 6:11]  # cells whose centres lie in the second box
    assert (inside == 0).all()
    assert targets.counted.sum() == targets.counted.size - 25


def test_a_face_on_an_ignored_one_still_counts() -> None:
    boxes = np.array([[0.0, 0.0, 95.0, 63.0], [40.0, 20.0, 56.0, 36.0]])
    targets = encode_centres(boxes, np.array([BoxTrust.IGNORED, BoxTrust.LABELLED]), WIDTH, HEIGHT, STRIDE)
    assert targets.counted[targets.centres == 1].tolist() == [1.0]
    assert targets.counted.sum() < 9


def test_a_centre_outside_the_image_is_not_learnt() -> None:
    targets = encode_centres(np.array([[-60.0, 10.0, 20.0, 50.0]]), LABELLED[:1], WIDTH, HEIGHT, STRIDE)
    assert targets.centres.max() == 0
    assert targets.counted[3, 0] == 0


def test_of_two_faces_at_one_place_the_smaller_has_its_own_cell() -> None:
    boxes = np.array([[40.0, 20.0, 60.0, 40.0], [10.0, 0.0, 90.0, 60.0]])
    targets = encode_centres(boxes, LABELLED, WIDTH, HEIGHT, STRIDE)
    np.testing.assert_allclose(targets.boxes[3, 6], boxes[0])


@pytest.mark.parametrize("number", [50.0, -50.0])
def test_wild_numbers_stay_finite(number: float) -> None:
    boxes = decode_boxes(torch.full((1, 4, 2, 2), number), STRIDE)
    assert torch.isfinite(boxes).all()


def test_only_peaks_score() -> None:
    logits = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.5, 0.0], [2.0, 0.0, 0.0]])[None, None]
    _, scores = CentreDecoder(STRIDE)(logits, torch.zeros(1, 4, 3, 3))
    # 0.5 lies beside the 1; the 2 is highest in its corner.
    assert (scores[0] > 0).nonzero().flatten().tolist() == [1, 6]
