"""What is written as .pts files."""

import numpy as np
import pytest
from drawn_records import SCHEMA, face, records, write

from efficientfan.errors import InputError
from efficientfan.formats.records import Record
from efficientfan.predict.output import open_output
from efficientfan.predict.photos import Photo


def test_pts_count_from_one(tmp_path):
    write(tmp_path / "o", "pts", records())
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["a.pts", "a_face2.pts", "c.pts"]
    lines = (tmp_path / "o" / "a_face2.pts").read_text().splitlines()
    assert lines[:3] == ["version: 1", "n_points: 68", "{"]
    assert lines[-1] == "}"
    assert np.allclose(np.loadtxt(lines[3:-1]) - 1, face(1).points, atol=5e-4)


@pytest.mark.parametrize("name", ["a_face2.png", "a_face10.jpg"])
def test_a_photo_that_is_called_as_another_ones_further_face_is_refused(tmp_path, name):
    photos = [Photo(f"in/{name}", name), Photo("in/a.jpg", "a.jpg")]
    with (
        pytest.raises(InputError, match=rf"in/{name} and for a further face of in/a\.jpg;"),
        open_output(tmp_path / "o", "pts", SCHEMA, photos),
    ):
        pytest.fail("the work began")


@pytest.mark.parametrize("name", ["a_face1.jpg", "a_face02.jpg", "b_face2.jpg", "sub/a_face2.jpg"])
def test_other_names_with_numbers_are_no_further_faces(tmp_path, name):
    photos = [Photo("in/a.jpg", "a.jpg"), Photo(f"in/{name}", name)]
    record = Record("in/a.jpg", 160, 120, "tiny", SCHEMA, [face(0)])
    with open_output(tmp_path / "o", "pts", SCHEMA, photos) as writer:
        writer.add(record)
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["a.pts"]
