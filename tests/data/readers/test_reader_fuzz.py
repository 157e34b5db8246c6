"""Damaged annotation files: a reader gives every face of the file or refuses; nothing else."""

import csv
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_datasets import MAKERS

from efficientfan.data.catalog import load_dataset
from efficientfan.data.readers import aflw
from efficientfan.errors import InputError
from efficientfan.formats.pts import read_pts
from efficientfan.structures import UNLABELLED

few = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))

position = st.floats(0, 1, exclude_max=True)
edits = st.lists(
    st.one_of(
        st.tuples(st.just("replace"), position, st.binary(min_size=1, max_size=4)),
        st.tuples(st.just("insert"), position, st.binary(min_size=1, max_size=4)),
        st.tuples(st.just("insert"), position, st.sampled_from([b"\n", b"nan", b"-", b"1e999", b",", b"}"])),
        st.tuples(st.just("cut"), position, st.just(b"")),
        st.tuples(st.just("drop line"), position, st.just(b"")),
        st.tuples(st.just("double line"), position, st.just(b"")),
    ),
    min_size=1,
    max_size=4,
)


def damaged(content: bytes, changes) -> bytes:
    for kind, share, piece in changes:
        at = int(share * len(content))
        if kind == "replace":
            content = content[:at] + piece + content[at + len(piece) :]
        elif kind == "insert":
            content = content[:at] + piece + content[at:]
        elif kind == "cut":
            content = content[:at]
        else:
            lines = content.split(b"\n")
            line = int(share * len(lines))
            lines[line : line + 1] = [] if kind == "drop line" else lines[line : line + 1] * 2
            content = b"\n".join(lines)
    return content


@pytest.fixture(scope="module")
def tiny(request, tmp_path_factory):
    tiny = MAKERS[request.param](tmp_path_factory.mktemp(request.param))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aflw, "N_TRAIN", 2)
        load_dataset(
            tiny.name, tiny.root, tiny.split, schema=tiny.schema, warn=False
        )  # COFW unpacks its photos
        yield tiny


def faces_or_none(tiny, changes):
    """The faces of the data set with its first annotation file damaged, or None where it is refused."""
    content = tiny.labels[0].read_bytes()
    tiny.labels[0].write_bytes(damaged(content, changes))
    try:
        return load_dataset(tiny.name, tiny.root, tiny.split, schema=tiny.schema, warn=False)
    except InputError:
        return None
    finally:
        tiny.labels[0].write_bytes(content)


def assert_whole(faces, count):
    assert len(faces) == count
    for face in faces:
        labelled = face.visibility != UNLABELLED
        assert np.isfinite(face.points[labelled]).all()
        assert face.image.is_file()


folders = ["300w", "lapa", "menpo", "300wlp", "aflw2000", "cofw", "cofw68", "aflw"]


@pytest.mark.parametrize("tiny", folders, indirect=True)
@given(changes=edits)
@few
def test_folders_are_read_whole_or_refused(tiny, changes):
    faces = faces_or_none(tiny, changes)
    if faces is not None:
        assert_whole(faces, len(tiny.points))


@pytest.mark.parametrize("tiny", ["wflw", "csv", "coco"], indirect=True)
@given(changes=edits)
@few
def test_lists_are_read_whole_or_refused(tiny, changes):
    faces = faces_or_none(tiny, changes)
    if faces is not None:
        text = damaged(tiny.labels[0].read_bytes(), changes).decode("utf-8-sig")
        if tiny.name == "coco":
            count = len(json.loads(text)["annotations"])
        elif tiny.name == "csv":
            rows = csv.reader(text.splitlines())
            count = sum(any(row[1:]) for row in rows) - 1  # a row of nothing but a photo holds no face
        else:
            count = sum(bool(line.strip()) for line in text.split("\n"))
        assert_whole(faces, count)


def nodes(value, path=()):
    """Paths to all values of a JSON tree."""
    yield path
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield from nodes(child, (*path, key))


odd_values = st.sampled_from(
    [
        None,
        True,
        "",
        "a.jpg",
        "../x",
        "x\0",
        -1,
        0,
        3,
        1.5,
        1e300,
        float("nan"),
        [],
        [1],
        [[1]],
        {},
        {"id": 1},
    ]
)


@pytest.mark.parametrize("tiny", ["coco"], indirect=True)
@given(share=position, value=odd_values)
@settings(few, max_examples=150)
def test_json_with_an_odd_value_is_read_whole_or_refused(tiny, share, value):
    content = tiny.labels[0].read_bytes()
    table = json.loads(content)
    paths = [path for path in nodes(table) if path]
    path = paths[int(share * len(paths))]
    parent = table
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    tiny.labels[0].write_text(json.dumps(table))
    try:
        faces = load_dataset(tiny.name, tiny.root, tiny.split, schema=tiny.schema)
    except InputError:
        return
    finally:
        tiny.labels[0].write_bytes(content)
    assert_whole(faces, len(table["annotations"]))


@given(content=st.binary(max_size=200))
@few
def test_any_bytes_as_pts(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.pts"
    path.write_bytes(content)
    try:
        points = read_pts(path)
    except InputError:
        return
    assert points.shape[0] >= 1
    assert np.isfinite(points).all()
