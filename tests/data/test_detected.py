"""A detector's boxes in place of a data set's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_datasets import photo

from efficientfan.data.detected import with_detected_boxes
from efficientfan.errors import InputError
from efficientfan.geometry import BoxCorrection
from efficientfan.structures import Annotation

WIDER = BoxCorrection((0.0, 0.1), (2.0, 1.5))


@pytest.fixture
def faces(tmp_path: Path) -> list[Annotation]:
    rng = np.random.default_rng(2)
    image = photo(tmp_path / "a.png")
    return [
        Annotation(image, rng.uniform(10, 40, (5, 2)), np.full(5, 2), name=f"{index}") for index in range(4)
    ]


def finder(faces: list[Annotation], missed: tuple[int, ...] = ()) -> Callable[[np.ndarray], np.ndarray]:
    """Asked of one face after the other: `WIDER` boxes after a far one, of those in `missed` the far one alone."""
    asked = iter(range(len(faces)))

    def find(pixels: np.ndarray) -> np.ndarray:
        far, index = np.array([[500.0, 500, 510, 510]]), next(asked)
        return far if index in missed else np.concatenate([far, WIDER.apply(faces[index].tight_box[None])])

    return find


def test_a_face_that_is_not_found_gets_a_box_like_the_others(faces: list[Annotation]) -> None:
    done: list[int] = []
    boxed, missed = with_detected_boxes(faces, finder(faces, missed=(2,)), done.append)
    assert (missed, sum(done)) == (1, 4)
    for face, with_box in zip(faces, boxed, strict=True):
        assert with_box.box is not None
        np.testing.assert_allclose(with_box.box, WIDER.apply(face.tight_box[None])[0], atol=1e-4)
        assert replace(with_box, box=None).name == face.name


def test_faces_without_an_area_and_data_without_a_face_are_refused(faces: list[Annotation]) -> None:
    flat = replace(faces[1], points=np.full((5, 2), 20.0), name="flat")
    with pytest.raises(InputError, match="flat: its labeled points span no area"):
        with_detected_boxes([faces[0], flat], finder(faces))
    with pytest.raises(InputError, match="finds none of 4 faces"):
        with_detected_boxes(faces, finder(faces, missed=(0, 1, 2, 3)))
