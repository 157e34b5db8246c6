import dataclasses

import numpy as np
import pytest
from drawn_faces import drawn_annotations

from efficientfan.data.augment import Augmentation
from efficientfan.data.dataset import CropSpec, Draw, FaceCrops
from efficientfan.errors import InputError
from efficientfan.geometry import CropTransform
from efficientfan.imaging import read_rgb, warp, write_image
from efficientfan.schema import get_schema
from efficientfan.structures import Annotation

IBUG68 = get_schema("ibug68")
SPEC = CropSpec(64, 0.25)
GEOMETRY_ONLY = Augmentation(30, 0.2, 0.1, 0, 0, 0, 0, 0, 0, 0, 0)
FLIPPED = Augmentation(0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    faces = drawn_annotations(tmp_path_factory.mktemp("faces"), 4)
    return [dataclasses.replace(face, box=[10, 12, 80 + index, 84]) for index, face in enumerate(faces)]


def assert_equal(first, second):
    for key in ("crop", "points", "weights"):
        np.testing.assert_array_equal(first[key].numpy(), second[key].numpy(), err_msg=key)


def differ(first, second):
    return (first["crop"] != second["crop"]).any()


def test_the_plain_crop(faces):
    crops = FaceCrops(faces, IBUG68, SPEC)
    assert len(crops) == 4
    sample = crops[2]
    transform = CropTransform.from_box(faces[2].tight_box, 64, 0.25)
    np.testing.assert_array_equal(sample["crop"], warp(read_rgb(faces[2].image), [transform])[0])
    np.testing.assert_array_equal(sample["points"], transform.apply(faces[2].points).astype(np.float32))
    assert sample["weights"].tolist() == [1.0] * 68
    assert [str(sample[key].dtype) for key in ("crop", "points", "weights")] == [
        "torch.uint8",
        "torch.float32",
        "torch.float32",
    ]


def test_supplied_boxes(faces):
    crops = FaceCrops(faces, IBUG68, SPEC, boxes="supplied")
    assert crops.box(3).tolist() == [10, 12, 83, 84]
    transform = CropTransform.from_box(faces[3].box, 64, 0.25)
    np.testing.assert_array_equal(crops[3]["points"], transform.apply(faces[3].points).astype(np.float32))


def test_a_sample_depends_on_seed_epoch_and_index_alone(faces):
    crops = FaceCrops(faces, IBUG68, SPEC, augmentation=Augmentation(), seed=5)
    fresh = FaceCrops(faces, IBUG68, SPEC, augmentation=Augmentation(), seed=5)
    samples = {(epoch, index): crops[Draw(epoch, index)] for epoch in range(3) for index in range(4)}
    for (epoch, index), sample in reversed(samples.items()):
        assert_equal(fresh[Draw(epoch, index)], sample)
    assert_equal(crops[1], samples[0, 1])  # a bare index is one of epoch 0
    assert differ(samples[0, 1], samples[1, 1])
    assert differ(samples[1, 1], samples[2, 1])
    other = FaceCrops(faces, IBUG68, SPEC, augmentation=Augmentation(), seed=6)
    assert differ(other[Draw(0, 1)], samples[0, 1])


def test_the_same_photo_twice_is_augmented_in_two_ways(faces):
    crops = FaceCrops([faces[0], faces[0]], IBUG68, SPEC, augmentation=Augmentation())
    assert differ(crops[0], crops[1])


def test_the_first_sample_does_not_share_its_numbers_with_the_order(faces):
    # numpy takes (seed, epoch) and (seed, epoch, 0) for the same seed.
    crops = FaceCrops(faces, IBUG68, SPEC, augmentation=dataclasses.replace(FLIPPED, flip=0.5), seed=3)
    plain = FaceCrops(faces, IBUG68, SPEC)[0]
    flips = [bool(differ(crops[Draw(epoch, 0)], plain)) for epoch in range(60)]
    order = [bool(np.random.default_rng((3, epoch)).random() < 0.5) for epoch in range(60)]
    assert flips != order


@pytest.fixture(scope="module")
def discs(tmp_path_factory):
    """A photo with a patch of an own color around each of 68 landmarks, and those colors."""
    rng = np.random.default_rng(1)
    columns, rows = np.meshgrid(np.arange(9), np.arange(8))
    places = np.stack([columns, rows], axis=-1).reshape(-1, 2)[:68] * 28 + 20
    points, colors = places[rng.permutation(68)], rng.integers(0, 256, (68, 3))
    image = np.zeros((240, 264, 3), np.uint8)
    for (x, y), color in zip(points, colors, strict=True):
        image[y - 8 : y + 9, x - 8 : x + 9] = color
    path = tmp_path_factory.mktemp("discs") / "discs.png"
    write_image(path, image)
    return Annotation(path, points, np.full(68, 2)), colors


def colors_at(sample):
    """Color of the crop at each landmark, (K, 3), and which landmarks stand well inside it, (K,)."""
    crop, points = sample["crop"].numpy(), sample["points"].numpy()
    inside = ((points > 1) & (points < len(crop) - 2)).all(axis=1)
    columns, rows = np.rint(np.where(inside[:, None], points, 0)).astype(int).T
    return crop[rows, columns], inside


def test_a_flipped_face_keeps_each_landmark_on_its_own_feature(discs):
    face, colors = discs
    seen, inside = colors_at(FaceCrops([face], IBUG68, CropSpec(256, 0.25), augmentation=FLIPPED)[0])
    assert inside.all()
    # In the mirror the right eye is a left one: each landmark stands where its partner was photographed.
    np.testing.assert_allclose(seen.astype(int), colors[IBUG68.flip_indices], atol=1)


def test_every_random_crop_keeps_each_landmark_on_its_own_feature(discs):
    face, colors = discs
    some_flipped = dataclasses.replace(GEOMETRY_ONLY, rotation=60, flip=0.5)
    crops = FaceCrops([face], IBUG68, CropSpec(256, 0.25), augmentation=some_flipped)
    mirrored = 0
    for epoch in range(20):
        seen, inside = colors_at(crops[Draw(epoch, 0)])
        assert inside.sum() > 30
        wanted = colors, colors[IBUG68.flip_indices]
        fits = [(np.abs(seen.astype(int) - each)[inside] <= 1).all() for each in wanted]
        assert fits.count(True) == 1
        mirrored += fits[1]
    assert 4 < mirrored < 16


def test_flip_mirrors_the_plain_crop(faces):
    plain, flipped = (
        FaceCrops(faces, IBUG68, SPEC)[0],
        FaceCrops(faces, IBUG68, SPEC, augmentation=FLIPPED)[0],
    )
    np.testing.assert_allclose(flipped["points"], IBUG68.flip(plain["points"].numpy(), 64), atol=1e-4)
    # Bilinear weights are rounded to 1/32 by OpenCV, so edges may differ a little.
    assert np.abs(flipped["crop"].numpy()[:, ::-1].astype(int) - plain["crop"].numpy()).mean() < 1


def test_landmarks_that_are_unlabeled_or_outside_weigh_nothing(faces):
    points, visibility = faces[0].points.copy(), np.full(68, 2)
    visibility[5] = 0
    visibility[6] = 1
    points[7] = np.nan
    crops = FaceCrops(
        [Annotation(faces[0].image, points, visibility)], IBUG68, SPEC, weights=np.array([0.25])
    )
    weights, found = crops[0]["weights"].numpy(), crops[0]["points"].numpy()
    assert weights[[5, 6, 7, 8]].tolist() == [0, 0.25, 0, 0.25]
    assert found[[5, 7]].tolist() == [[0, 0], [0, 0]]

    far = dataclasses.replace(GEOMETRY_ONLY, shift=0.5)
    shifted = FaceCrops(faces, IBUG68, SPEC, augmentation=far)
    for epoch in range(20):
        sample = shifted[Draw(epoch, 0)]
        inside = ((sample["points"] >= -0.5) & (sample["points"] <= 63.5)).all(dim=1)
        assert (sample["weights"] == inside.float()).all()
        if epoch == 0:
            assert 0 < inside.sum() < 68


def test_weights_follow_the_swap(faces):
    visibility = np.full(68, 2)
    visibility[36] = 0  # the right eye's outer corner
    face = Annotation(faces[0].image, faces[0].points, visibility)
    weights = FaceCrops([face], IBUG68, SPEC, augmentation=FLIPPED)[0]["weights"]
    assert weights[45] == 0
    assert weights[36] == 1


@pytest.mark.parametrize(
    ("changes", "boxes", "message"),
    [
        (
            {"points": np.ones((5, 2)), "visibility": np.full(5, 2)},
            "tight",
            "5 landmarks, but schema 'ibug68'",
        ),
        ({"box": None}, "supplied", "supplies no box for it; use boxes: tight"),
        ({"visibility": np.eye(68)[0] * 2}, "tight", "span no box to crop: a box needs at least two"),
        ({"points": np.ones((68, 2))}, "tight", "span no box to crop: .*no positive width"),
    ],
)
def test_faces_that_cannot_be_cropped_are_found_at_once(faces, changes, boxes, message):
    bad = dataclasses.replace(faces[1], **changes)
    with pytest.raises(InputError, match=rf"1\.png: .*{message}"):
        FaceCrops([faces[0], bad], IBUG68, SPEC, boxes=boxes)


def test_an_unreadable_photo_is_named(faces, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"not a photo")
    crops = FaceCrops([dataclasses.replace(faces[0], image=tmp_path / "broken.jpg")], IBUG68, SPEC)
    with pytest.raises(InputError, match=r"broken\.jpg"):
        crops[0]


def test_the_same_crop_in_several_sizes(faces):
    """The larger one is cut, the smaller one averaged down: points and pictures agree."""
    sizes = CropSpec(64, 0.25, also=(96, 128))
    for draw in (Draw(0, 1), Draw(3, 2)):
        sample, large, alone = (
            FaceCrops(faces, IBUG68, spec, augmentation=dataclasses.replace(GEOMETRY_ONLY, flip=0.5), seed=3)[
                draw
            ]
            for spec in (sizes, CropSpec(128, 0.25), CropSpec(64, 0.25))
        )
        assert {key: len(sample[key]) for key in ("crop", "crop_96", "crop_128")} == {
            "crop": 64,
            "crop_96": 96,
            "crop_128": 128,
        }
        np.testing.assert_array_equal(sample["crop_128"], large["crop"])
        np.testing.assert_allclose(sample["points"], alone["points"], atol=1e-4)
        np.testing.assert_allclose((sample["points"] + 0.5) * 2 - 0.5, large["points"], atol=1e-4)
        np.testing.assert_array_equal(sample["weights"], alone["weights"])
        blocks = sample["crop_128"].float().reshape(64, 2, 64, 2, 3).mean(dim=(1, 3))
        assert (sample["crop"] - blocks).abs().max() <= 0.5


def test_a_size_like_the_crops_own_changes_nothing(faces):
    first, second = (
        FaceCrops(faces, IBUG68, CropSpec(64, 0.25, also), augmentation=Augmentation(), seed=3)[1]
        for also in ((), (32,))
    )
    assert_equal(first, second)


def test_a_face_without_labels_counts_in_teaching_alone(faces):
    blank = dataclasses.replace(faces[0], points=np.full((68, 2), np.nan), visibility=np.zeros(68))
    half = dataclasses.replace(faces[1], visibility=np.repeat([2, 0], 34))
    crops = FaceCrops(
        [blank, half],
        IBUG68,
        SPEC,
        weights=np.array([0.5, 2.0]),
        augmentation=dataclasses.replace(Augmentation(), flip=1.0, mask=1.0, hand=1.0),
        mirror_offsets=[0.0, 0.01],
    )
    assert crops.box(0).tolist() == blank.box.tolist()
    unlabeled, labeled = crops[0], crops[1]
    assert unlabeled["weights"].tolist() == [0.0] * 68
    assert unlabeled["teaching"].tolist() == [0.5] * 68
    assert unlabeled["points"].tolist() == [[0.0, 0.0]] * 68
    np.testing.assert_array_equal(labeled["teaching"], labeled["weights"])
    assert set(labeled["teaching"].tolist()) == {0.0, 2.0}


def test_a_face_with_neither_labels_nor_box_is_refused(faces):
    blank = dataclasses.replace(faces[0], points=np.full((68, 2), np.nan), box=None)
    with pytest.raises(InputError, match="its landmarks span no box to crop"):
        FaceCrops([blank], IBUG68, SPEC)
