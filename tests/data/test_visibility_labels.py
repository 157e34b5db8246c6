"""What a visibility head is taught: by the data set's flags, the flip, the crop's border and drawn patches."""

import dataclasses

import numpy as np
import pytest
from drawn_faces import drawn_face

from efficientfan.data.augment import Augmentation
from efficientfan.data.catalog import DATASETS
from efficientfan.data.dataset import CropSpec, Draw, FaceCrops
from efficientfan.data.visibility import COVERED, SEEN, TURNED_AWAY, UNKNOWN, visibility_labels
from efficientfan.imaging import write_image
from efficientfan.schema import get_schema
from efficientfan.structures import VISIBILITY_CLASSES, Annotation

IBUG68 = get_schema("ibug68")
SPEC = CropSpec(64, 0.25)
NOTHING = Augmentation(**dict.fromkeys((f.name for f in dataclasses.fields(Augmentation)), 0.0))


@pytest.fixture(scope="module")
def face(tmp_path_factory):
    """Landmark 36 covered, 0 to 2 unlabeled, all others visible."""
    image, points = drawn_face(np.random.default_rng(0), 96)
    path = tmp_path_factory.mktemp("face") / "face.png"
    write_image(path, image)
    flags = np.full(68, 2)
    flags[36], flags[:3] = 1, 0
    return Annotation(path, points, flags)


def labels_of(face, kind, augmentation=None, epoch=0):
    crops = FaceCrops([face], IBUG68, SPEC, augmentation=augmentation, visibility=[kind])
    return crops[Draw(epoch, 0)]["visibility"].numpy()


def test_the_classes_are_in_their_order():
    assert [VISIBILITY_CLASSES[index] for index in (SEEN, COVERED, TURNED_AWAY)] == [
        "visible",
        "covered",
        "turned_away",
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("none", [UNKNOWN, UNKNOWN, UNKNOWN]),
        ("occlusion", [UNKNOWN, COVERED, SEEN]),
        ("full", [TURNED_AWAY, COVERED, SEEN]),
    ],
)
def test_what_flags_mean_depends_on_the_data_set(kind, expected):
    assert visibility_labels(np.array([0, 1, 2], np.uint8), kind).tolist() == expected


def test_which_data_sets_say_what():
    said = {name: info.visibility for name, info in DATASETS.items() if info.visibility != "none"}
    assert said == {
        "cofw": "occlusion",
        "cofw68": "occlusion",
        "aflw68": "full",
        "coco": "occlusion",
        "csv": "occlusion",
    }


def test_labels_of_a_sample(face):
    full = labels_of(face, "full")
    assert full.dtype == np.int64
    assert full[[0, 1, 2, 3, 36, 45]].tolist() == [TURNED_AWAY] * 3 + [SEEN, COVERED, SEEN]
    assert labels_of(face, "occlusion")[[0, 1, 2, 3, 36]].tolist() == [UNKNOWN] * 3 + [SEEN, COVERED]
    unasked = FaceCrops([face], IBUG68, SPEC)
    assert set(unasked[0]["visibility"].tolist()) == {UNKNOWN}


def test_labels_follow_the_swap(face):
    flipped = labels_of(face, "full", dataclasses.replace(NOTHING, flip=1.0))
    assert flipped.tolist() == labels_of(face, "full")[IBUG68.flip_indices].tolist()
    assert flipped[[16, 45]].tolist() == [TURNED_AWAY, COVERED]


def test_landmarks_outside_the_crop_are_unknown_and_those_turned_away_stay(face):
    crops = FaceCrops(
        [face], IBUG68, SPEC, augmentation=dataclasses.replace(NOTHING, shift=0.5), visibility=["full"]
    )
    met = 0
    for epoch in range(10):
        sample = crops[Draw(epoch, 0)]
        labels, outside = sample["visibility"].numpy(), sample["weights"].numpy() == 0
        assert labels[:3].tolist() == [TURNED_AWAY] * 3
        assert set(labels[3:][outside[3:]]) <= {UNKNOWN}
        assert UNKNOWN not in labels[3:][~outside[3:]]
        met += outside[3:].sum()
    assert met > 50


def test_landmarks_under_a_drawn_patch_are_covered(face):
    patched = dataclasses.replace(NOTHING, occlusion=1.0)
    plain = FaceCrops([face], IBUG68, SPEC)[0]
    crops = FaceCrops([face], IBUG68, SPEC, augmentation=patched, visibility=["full"])
    met = 0
    for epoch in range(20):
        sample = crops[Draw(epoch, 0)]
        under = (sample["crop"] != plain["crop"]).any(dim=2).numpy()
        columns, rows = np.rint(plain["points"].numpy()[3:]).astype(int).T
        expected = np.where(under[rows, columns], COVERED, SEEN)
        expected[36 - 3] = COVERED
        assert sample["visibility"].numpy()[3:].tolist() == expected.tolist()
        assert sample["visibility"].numpy()[:3].tolist() == [TURNED_AWAY] * 3
        met += under[rows, columns].sum()
    assert met > 30


def test_the_patch_is_seen_through_the_changes_of_the_whole_picture(face):
    alone, noisy = (dataclasses.replace(NOTHING, occlusion=1.0, noise=noise) for noise in (0.0, 1.0))
    for epoch in range(5):
        assert (
            labels_of(face, "full", noisy, epoch).tolist() == labels_of(face, "full", alone, epoch).tolist()
        )
