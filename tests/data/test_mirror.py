import dataclasses

import numpy as np
import pytest
from drawn_faces import drawn_annotations

from efficientfan.data.augment import Augmentation
from efficientfan.data.dataset import CropSpec, Draw, FaceCrops
from efficientfan.data.mirror import FEWEST_FACES, before_mirroring, measure_mirror_offset
from efficientfan.errors import InputError
from efficientfan.geometry import CropTransform
from efficientfan.schema import get_schema
from efficientfan.spec import ModelSpec

IBUG68 = get_schema("ibug68")
SPEC = ModelSpec(
    "still", {"name": "still"}, schema=IBUG68, input_size=64, stride=4, crop_margin=0.25, decoder={}
)
FLIPPED = Augmentation(**{field.name: 0.0 for field in dataclasses.fields(Augmentation)} | {"flip": 1.0})


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return drawn_annotations(tmp_path_factory.mktemp("faces"), FEWEST_FACES)


def leaning(face, offset):
    """The face with labels moved to the right by a share of its box's longer side."""
    x0, y0, x1, y1 = face.tight_box
    return dataclasses.replace(face, points=face.points + np.array([offset * max(x1 - x0, y1 - y0), 0.0]))


class SymmetricNetwork:
    """Says the same of a crop and of its mirror: what it has kept from the faces in their order."""

    def __init__(self, faces):
        self.faces = iter(faces)

    def __call__(self, crops):
        face = next(self.faces)
        crop, mirrored = (
            CropTransform.from_box(face.tight_box, 64, 0.25, flip=flip) for flip in (False, True)
        )
        return np.stack([crop.apply(face.points), mirrored.apply(face.points)[IBUG68.flip_indices]])


def test_the_offset_of_leaning_labels_is_found(faces):
    order = np.random.default_rng(0).permutation(len(faces))
    upright = SymmetricNetwork([faces[i] for i in order])
    # The network's crop is that of the leaning box: undo what that moves.
    lean = [leaning(face, 0.03) for face in faces]
    moved = SymmetricNetwork([lean[i] for i in order])
    assert measure_mirror_offset(lean, moved, SPEC, IBUG68).mean == pytest.approx(0, abs=1e-9)

    def symmetric(crops):
        face, other = next(upright.faces), next(moved.faces)
        crop, mirrored = (
            CropTransform.from_box(other.tight_box, 64, 0.25, flip=flip) for flip in (False, True)
        )
        return np.stack([crop.apply(face.points), mirrored.apply(face.points)[IBUG68.flip_indices]])

    moved = SymmetricNetwork([lean[i] for i in order])
    found = measure_mirror_offset(lean, symmetric, SPEC, IBUG68)
    assert found.mean == pytest.approx(0.03, abs=1e-9)
    assert found.standard_error < 1e-9
    assert found.faces == len(faces)


def test_too_few_faces_are_refused(faces):
    with pytest.raises(InputError, match=f"at least {FEWEST_FACES} faces, not {FEWEST_FACES - 1}"):
        measure_mirror_offset(faces[1:], SymmetricNetwork(faces), SPEC, IBUG68)


def test_mirrored_labels_lean_as_the_others_do(faces):
    face, offset = faces[0], 0.02
    symmetric = leaning(face, -offset)  # where the landmarks would be without the annotator's lean
    side = max(face.tight_box[2:] - face.tight_box[:2])
    width = 200
    mirrored = width - 1 - before_mirroring(face, offset)[:, 0]
    np.testing.assert_allclose(mirrored, width - 1 - symmetric.points[:, 0] + offset * side)


def test_training_crops_keep_the_lean(faces):
    crop = CropSpec(64, 0.25)
    plain = FaceCrops(faces, IBUG68, crop, augmentation=FLIPPED)[Draw(0, 0)]["points"].numpy()
    kept = FaceCrops(faces, IBUG68, crop, augmentation=FLIPPED, mirror_offsets=[0.01] * len(faces))[
        Draw(0, 0)
    ]["points"].numpy()
    np.testing.assert_allclose(kept - plain, [[2 * 0.01 * 64 / 1.25, 0.0]] * 68, atol=1e-4)
    upright = dataclasses.replace(FLIPPED, flip=0.0)
    for offsets in (None, [0.01] * len(faces)):
        unmoved = FaceCrops(faces, IBUG68, crop, augmentation=upright, mirror_offsets=offsets)[0]
        truth = CropTransform.from_box(faces[0].tight_box, 64, 0.25).apply(faces[0].points)
        np.testing.assert_allclose(unmoved["points"].numpy(), truth, atol=1e-4)


def test_the_flip_test_gives_the_lean_back():
    leaning = dataclasses.replace(SPEC, mirror_offset=0.01)
    truth = np.full((1, 68, 2), 30.0)
    lean = np.array([0.01 * 64 / 1.25, 0.0])
    np.testing.assert_allclose(leaning.join_mirrored(truth + lean, truth - lean), truth + lean)
    np.testing.assert_allclose(SPEC.join_mirrored(truth, truth), truth)
