"""The table of faces: its rows, what is read back, and other programs that read it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from drawn_records import SCHEMA, face, records
from turned_heads import turned_head

from efficientfan.errors import InputError
from efficientfan.formats.parquet import (
    ParquetWriter,
    arrow_schema,
    metadata_of_parquet,
    read_parquet,
    table_of,
    tables_metadata,
)
from efficientfan.formats.records import FailedPhoto

pytest.importorskip("pyarrow")

RUN = {"model": {"name": "tiny", "sha256": "0" * 64}, "detector": {"name": "whole", "sha256": None}}


def found_face(seed):
    """A face with every value that a face can have."""
    visibility = np.random.default_rng(seed).dirichlet([1, 1, 1], 68)
    return replace(
        face(seed),
        model="tiny",
        visibility=visibility,
        roll=12.3456789,
        detector_box=[1, 2, 3, 4.5],
        detector_score=0.25,
    )


def results():
    """Four photos: of two faces, none, one, and one that failed."""
    two, none, one = records()
    return [
        replace(two, faces=[found_face(0), found_face(1)]),
        none,
        replace(one, faces=[replace(face(2), model="tiny")]),
        FailedPhoto("in/d.jpg", "in/d.jpg: no such file"),
    ]


def written(path, found, **options):
    with path.open("wb") as stream:
        writer = ParquetWriter(stream, tables_metadata(SCHEMA, RUN), **options)
        for result in found:
            if isinstance(result, FailedPhoto):
                writer.fail(result)
            else:
                writer.add(result)
        writer.finish()
    return path


@pytest.fixture
def table(tmp_path):
    return written(tmp_path / "faces.parquet", results(), group=2)


def test_a_row_per_face_and_one_for_a_photo_without(table):
    rows = table_of(results()).to_pylist()
    assert [row["image"] for row in rows] == ["in/a.jpg", "in/a.jpg", "in/b.jpg", "in/c.jpg", "in/d.jpg"]
    assert [row["n_faces"] for row in rows] == [2, 2, 0, 1, None]
    assert [row["face"] for row in rows] == [0, 1, None, 0, None]
    assert [row["error"] for row in rows] == [None] * 4 + ["in/d.jpg: no such file"]
    assert [row["points"] is None for row in rows] == [False, False, True, False, True]
    assert np.array_equal(np.array(rows[0]["points"], np.float32), face(0).points)
    assert np.array_equal(np.array(rows[3]["scores"], np.float32), face(2).scores)
    assert np.array(rows[1]["visibility"]).shape == (68, 3)
    assert rows[3]["visibility"] is None


@pytest.mark.parametrize("group", [1, 2, 1000])
def test_what_is_written_is_read_bit_for_bit(tmp_path, group):
    assert list(read_parquet(written(tmp_path / "faces.parquet", results(), group=group))) == results()


def test_frames_of_a_video_are_read_back(tmp_path):
    frames = [
        replace(records()[0], faces=[replace(found_face(n), track_id=7)], frame=n, time=n / 25)
        for n in range(3)
    ]
    assert list(read_parquet(written(tmp_path / "clip.parquet", frames))) == frames


def test_no_photo_is_a_table_too(tmp_path):
    assert list(read_parquet(written(tmp_path / "faces.parquet", []))) == []


def test_the_same_results_make_the_same_bytes(tmp_path):
    first, second = (written(tmp_path / name, results()).read_bytes() for name in ("a", "b"))
    assert first == second


def test_metadata_names_model_detector_and_landmarks(table):
    metadata = metadata_of_parquet(table)
    assert metadata["model"] == RUN["model"]
    assert metadata["detector"] == RUN["detector"]
    assert metadata["landmarks"]["landmarks"] == list(SCHEMA.landmarks)


def test_pose_stands_in_every_table_and_is_known_on_demand():
    turned_face = turned_head(20, 5, -3)
    (bare,), (told,) = (
        table_of([replace(records()[0], faces=[turned_face], pose=pose)]).to_pylist()
        for pose in (False, True)
    )
    assert bare["pose"] is bare["eye_openness"] is bare["mouth_openness"] is None
    pose = turned_face.pose
    assert told["pose"] == pytest.approx([pose.yaw, pose.pitch, pose.roll], abs=0.006)
    assert len(told["eye_openness"]) == 2
    assert set(bare) == set(told) == set(arrow_schema().names)


def test_a_name_that_is_no_text_is_escaped():
    (row,) = table_of([FailedPhoto("in/\udcff.jpg", "in/\udcff.jpg: broken")]).to_pylist()
    assert row["image"] == "in/\\xff.jpg"


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no table at all"])
def test_what_is_no_parquet_is_said(tmp_path, content):
    path = tmp_path / "faces.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"faces\.parquet: cannot be read as parquet"):
        list(read_parquet(path))


def test_half_a_table_is_said(table):
    table.write_bytes(table.read_bytes()[: table.stat().st_size // 2])
    with pytest.raises(InputError, match="cannot be read as parquet"):
        list(read_parquet(table))


def test_tables_of_others_and_of_later_versions_are_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "faces.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(InputError, match="is not a table of faces"):
        list(read_parquet(path))
    later = {b"efficientfan": json.dumps({"table": 2}).encode()}
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata(later), path)
    with pytest.raises(InputError, match="version 2; this version reads 1"):
        list(read_parquet(path))


@pytest.mark.parametrize("content", [b"\xff", b"[]", b"{"])
def test_metadata_that_is_damaged_is_said(tmp_path, content):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "faces.parquet"
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({b"efficientfan": content}), path)
    with pytest.raises(InputError, match="its metadata is damaged"):
        list(read_parquet(path))


def test_pandas_reads_it(table):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(table)
    faces = frame[frame.face.notna()]
    assert np.array_equal(np.stack(list(map(np.stack, faces.points)))[2], face(2).points)
    assert frame.error.notna().sum() == 1


def test_polars_reads_it(table):
    polars = pytest.importorskip("polars")
    frame = polars.scan_parquet(table).filter(polars.col("face").is_not_null()).collect()
    assert frame.get_column("n_faces").to_list() == [2, 2, 1]
    assert np.array_equal(np.array(frame.get_column("points").to_list()[2], np.float32), face(2).points)


def test_duckdb_reads_it(table):
    duckdb = pytest.importorskip("duckdb")
    query = f"select image, points[31][1], error from '{table}' order by image, face"  # counted from 1: landmark 30
    with duckdb.connect() as connection:
        rows = connection.execute(query).fetchall()
    assert [row[0] for row in rows] == ["in/a.jpg", "in/a.jpg", "in/b.jpg", "in/c.jpg", "in/d.jpg"]
    assert rows[3][1] == face(2).points[30, 0]
    assert rows[2][1] is None
    assert rows[4][2] == "in/d.jpg: no such file"
