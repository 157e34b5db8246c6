import dataclasses

import numpy as np
import pytest
from drawn_faces import drawn_annotations

from efficientfan.data import preview
from efficientfan.data.augment import PHOTOMETRIC, Augmentation
from efficientfan.data.dataset import CropSpec, Draw, FaceCrops
from efficientfan.data.occluders import OCCLUDERS
from efficientfan.data.preview import augmentation_sheet
from efficientfan.errors import InputError
from efficientfan.schema import get_schema

IBUG68 = get_schema("ibug68")
NOTHING = Augmentation(**dict.fromkeys((f.name for f in dataclasses.fields(Augmentation)), 0.0))


@pytest.fixture(scope="module")
def annotations(tmp_path_factory):
    return drawn_annotations(tmp_path_factory.mktemp("faces"), 3)


@pytest.fixture
def cells(monkeypatch):
    """Run `augmentation_sheet` and catch (caption, picture) of each cell, and the number of columns."""

    def cells(crops, **options):
        caught = []

        def catch(pictures, columns, captions, cell):
            caught.append((list(zip(captions, pictures, strict=True)), columns))
            return pictures[0]

        monkeypatch.setattr(preview, "contact_sheet", catch)
        augmentation_sheet(crops, **options)
        return caught[0]

    return cells


def make_crops(annotations, augmentation, size=64):
    return FaceCrops(annotations, IBUG68, CropSpec(size, 0.25), augmentation=augmentation)


def test_a_row_for_each_augmentation_and_each_draw(annotations, cells):
    everything = Augmentation(strong_blur=0.1, hand=0.1, mask=0.1)
    found, columns = cells(make_crops(annotations, everything), count=2, draws=3)
    assert columns == 2
    rows = [caption for caption, _ in found[::2]]
    assert rows == [caption for caption, _ in found[1::2]]
    assert len(rows) == 1 + 2 + 2 + 2 + 1 + len(OCCLUDERS) + len(PHOTOMETRIC) + 3
    for name in ("plain", "rotation +30", "rotation -30", "scale x 1.25", "scale / 1.25", "shift", "flip"):
        assert any(row.startswith(name) for row in rows), name
    for name in (*OCCLUDERS, *PHOTOMETRIC):
        assert any(row.startswith(f"{name} (p ") for row in rows), name


def test_what_is_off_is_left_out(annotations, cells):
    found, _ = cells(make_crops(annotations, NOTHING), count=1, draws=1)
    assert [caption for caption, _ in found] == ["plain crop", "as drawn in epoch 0"]


def sides(picture):
    """Mean column of the orange and of the blue dots."""
    columns = []
    for color in (preview._RIGHT, preview._LEFT):
        there = (picture == color).all(axis=2)
        assert there.sum() > 20
        columns.append(np.nonzero(there)[1].mean())
    return columns


def test_the_persons_right_is_on_the_left_in_every_cell(annotations, cells):
    found, _ = cells(make_crops(annotations, dataclasses.replace(Augmentation(), occlusion=0)), count=3)
    for caption, picture in found:
        orange, blue = sides(picture)
        assert orange < blue, caption


def test_the_last_rows_are_the_crops_of_training(annotations, cells):
    crops = make_crops([annotations[0]], Augmentation(), size=224)  # cells show the crop's own pixels
    found, _ = cells(crops, count=1, draws=2)
    for epoch, (_, picture) in enumerate(found[-2:]):
        drawn_over = (picture != crops[Draw(epoch, 0)]["crop"].numpy()).any(axis=2).mean()
        assert 0 < drawn_over < 0.15


def test_a_repeated_face_is_chosen_once(annotations, cells):
    _, columns = cells(make_crops(annotations * 5, NOTHING), count=12)
    assert columns == 3


def test_the_seed_decides(annotations):
    crops = make_crops(annotations, Augmentation())
    first, again, other = (augmentation_sheet(crops, count=1, seed=seed, draws=0) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_nothing_to_show(annotations):
    with pytest.raises(InputError, match="needs faces and an augmentation"):
        augmentation_sheet(make_crops(annotations, None))
    with pytest.raises(InputError, match="at least one face"):
        augmentation_sheet(make_crops(annotations, Augmentation()), count=0)
