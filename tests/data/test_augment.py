import dataclasses

import numpy as np
import pytest
from drawn_faces import drawn_face

from efficientfan.data.augment import PHOTOMETRIC, Augmentation, random_transform
from efficientfan.data.occluders import OCCLUDERS
from efficientfan.errors import InputError
from efficientfan.geometry import CropTransform

NOTHING = Augmentation(**dict.fromkeys((f.name for f in dataclasses.fields(Augmentation)), 0.0))
BOX = np.array([40.0, 30.0, 140.0, 110.0])
CHANGES = sorted(PHOTOMETRIC.items())


DOWN = np.array([0.0, 1.0])


def points_on(crop):
    """Landmarks of an upright face that fills the middle of the crop."""
    return np.random.default_rng(0).uniform(0.2, 0.8, (68, 2)) * len(crop)


def rngs(count=40):
    return [np.random.default_rng(seed) for seed in range(count)]


def changed(augmentation, crop, rng):
    return augmentation.change_photo(augmentation.change_scene(crop, points_on(crop), DOWN, rng), rng)


def face_crop(side=128):
    return drawn_face(np.random.default_rng(0), side)[0]


def test_every_change_has_a_probability_and_the_reverse():
    names = {"rotation", "rotated", "scale", "shift", "flip", *OCCLUDERS, *PHOTOMETRIC}
    assert {field.name for field in dataclasses.fields(Augmentation)} == names


def test_nothing_gives_the_plain_crop():
    for rng in rngs(5):
        transform, flipped = random_transform(BOX, 64, 0.25, NOTHING, rng)
        assert not flipped
        np.testing.assert_array_equal(transform.matrix, CropTransform.from_box(BOX, 64, 0.25).matrix)
        crop = face_crop(64)
        np.testing.assert_array_equal(changed(NOTHING, crop, rng), crop)


def geometry_of(transform, flipped):
    """Rotation in degrees, scale against the plain crop, and where the box's center fell, in crop sides."""
    size = transform.size
    plain = CropTransform.from_box(BOX, size, 0.25)
    matrix = transform.matrix.copy()
    if flipped:
        matrix[0] *= -1
        matrix[0, 2] += size - 1
    center = matrix[:, :2] @ ((BOX[:2] + BOX[2:]) / 2) + matrix[:, 2]
    rotation = np.degrees(np.arctan2(matrix[0, 1], matrix[0, 0]))
    return rotation, transform.scale / plain.scale, (center - (size - 1) / 2) / size


def test_random_geometry_fills_its_limits_and_stays_within():
    limits = dataclasses.replace(NOTHING, rotation=60, rotated=1, scale=0.25, shift=0.1, flip=0.5)
    drawn = [random_transform(BOX, 64, 0.25, limits, rng) for rng in rngs(400)]
    rotation, scale, shift = map(np.array, zip(*(geometry_of(*each) for each in drawn), strict=True))
    for values, limit in ((rotation, 60), (np.log(scale), np.log(1.25)), (shift, 0.1)):
        assert np.abs(values).max() <= limit * (1 + 1e-9)
        assert values.min() < -0.9 * limit
        assert values.max() > 0.9 * limit
    assert 150 < sum(flipped for _, flipped in drawn) < 250
    for transform, flipped in drawn:
        assert (np.linalg.det(transform.matrix[:, :2]) < 0) == flipped


def test_the_same_numbers_give_the_same_crop():
    full = Augmentation()
    first, second = (random_transform(BOX, 64, 0.25, full, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first[0].matrix, second[0].matrix)
    crop = face_crop()
    for name, change in CHANGES:
        once, again = (change(crop, np.random.default_rng(4)) for _ in range(2))
        np.testing.assert_array_equal(once, again, err_msg=name)


@pytest.mark.parametrize(("name", "change"), CHANGES)
@pytest.mark.parametrize("side", [1, 2, 7, 8, 32, 33, 128])
def test_changes_keep_shape_and_type_and_leave_their_input_alone(name, change, side):
    crop = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)
    before = crop.copy()
    for rng in rngs(20):
        changed = change(crop, rng)
        assert changed.shape == crop.shape
        assert changed.dtype == np.uint8
    np.testing.assert_array_equal(crop, before)


@pytest.mark.parametrize(("name", "change"), CHANGES)
@pytest.mark.parametrize("side", [32, 128])
def test_changes_change_something(name, change, side):
    crop = face_crop(side)
    assert sum((change(crop, rng) != crop).any() for rng in rngs(20)) == 20


@pytest.mark.parametrize("name", [*OCCLUDERS, *PHOTOMETRIC])
def test_each_change_happens_as_often_as_its_probability(name):
    crop = face_crop(32)
    always = dataclasses.replace(NOTHING, **{name: 1.0})
    assert all((changed(always, crop, rng) != crop).any() for rng in rngs(10))
    half = dataclasses.replace(NOTHING, **{name: 0.5})
    assert 60 < sum((changed(half, crop, rng) != crop).any() for rng in rngs(160)) < 100


def centroid(crop):
    weight = 255.0 - crop[..., 1]
    rows, columns = np.indices(weight.shape)
    return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()


@pytest.mark.parametrize("name", ["blur", "strong_blur", "low_resolution"])
def test_changes_do_not_move_what_is_seen(name):
    crop = np.full((96, 96, 3), 255, np.uint8)
    crop[30:49, 53:60] = 0
    moved = [centroid(PHOTOMETRIC[name](crop, rng)) - centroid(crop) for rng in rngs(200)]
    np.testing.assert_allclose(np.mean(moved, axis=0), 0, atol=0.02)  # half a pixel of the small one is 1


def test_gray_has_equal_channels_of_the_eyes_brightness():
    crop = np.zeros((8, 8, 3), np.uint8)
    crop[...] = (255, 0, 0)
    assert (PHOTOMETRIC["gray"](crop, np.random.default_rng()) == 76).all()  # 0.299 of red


def test_noise_has_no_bias():
    crop = np.full((128, 128, 3), 128, np.uint8)
    mean = np.mean([PHOTOMETRIC["noise"](crop, rng).mean() for rng in rngs()])
    assert mean == pytest.approx(128, abs=0.05)


def test_jpeg_takes_red_for_red():
    # Brightness is coded finely and color coarsely: stripes of pure blue are dark and lose most of all.
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    losses = []
    for channel in range(3):
        crop = np.zeros((64, 64, 3), np.uint8)
        crop[..., channel] = stripes
        changed = PHOTOMETRIC["jpeg"](crop, np.random.default_rng(0))
        losses.append(np.abs(changed[..., channel].astype(float) - stripes).mean())
    red, green, blue = losses
    assert green < red < blue


def test_color_keeps_the_order_of_brightness():
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)
    for rng in rngs():
        assert (np.diff(PHOTOMETRIC["color"](ramp, rng).astype(int), axis=0) >= 0).all()


@pytest.mark.parametrize("name", ["flip", *OCCLUDERS, *PHOTOMETRIC])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_probabilities_are_checked(name, value):
    with pytest.raises(InputError, match=f"{name} is a probability"):
        Augmentation(**{name: value})


@pytest.mark.parametrize("name", ["rotation", "scale", "shift"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_limits_are_checked(name, value):
    with pytest.raises(InputError, match=f"{name} is a limit"):
        Augmentation(**{name: value})


def test_some_faces_are_left_upright():
    """With `rotated` 1 no number is drawn for it: runs of older recipes repeat."""
    box = np.array([10.0, 20.0, 60.0, 80.0])

    def transforms(rotated):
        augmentation = dataclasses.replace(NOTHING, rotation=30.0, rotated=rotated)
        rng = np.random.default_rng(0)
        return [random_transform(box, 64, 0.25, augmentation, rng)[0] for _ in range(400)]

    def share(rotated):
        return np.mean([abs(transform.matrix[0, 1]) > 1e-9 for transform in transforms(rotated)])

    assert share(1.0) == 1
    assert share(0.0) == 0
    assert share(0.6) == pytest.approx(0.6, abs=0.08)
