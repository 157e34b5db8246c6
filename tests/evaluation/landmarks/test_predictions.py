"""Predictions files: matched by path and by overlap, refused with file and line where they cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.evaluation import load_test_set, match_predictions, read_predictions
from efficientfan.evaluation.landmarks.matching import PredictedLandmarks, ReportedFace, match_faces
from efficientfan.formats.coco import CocoWriter
from efficientfan.formats.csv_tables import CsvWriter
from efficientfan.formats.records import JsonLinesWriter, JsonListWriter, Record
from efficientfan.schema import convert_points, get_conversion, get_schema
from efficientfan.structures import Face

IBUG68 = get_schema("ibug68")


@pytest.fixture
def test_set(faces):
    return load_test_set("300w", faces[0], "common")


def names(test_set):
    return [annotation.name for annotation in test_set.annotations]


def write_lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def located(path, test_set):
    predictions = read_predictions(path, test_set.schema)
    return match_predictions(predictions, test_set.annotations, test_set.root, str(path))


def read(path, test_set):
    return located(path, test_set).points


@pytest.mark.parametrize("prefix", ["", "/elsewhere/300w/", "./"])
def test_json_lines_round_trip(test_set, tmp_path, prefix):
    records = [
        {"image": prefix + name, "faces": [{"points": points.tolist()}]}
        for name, points in zip(names(test_set), test_set.truth, strict=True)
    ]
    path = write_lines(tmp_path / "p.jsonl", reversed(records))
    np.testing.assert_array_equal(read(path, test_set), test_set.truth)


def test_json_list_and_bare_file_names(test_set, tmp_path):
    records = [
        {"image": Path(name).name, "faces": [{"points": points.tolist()}]}
        for name, points in zip(names(test_set), test_set.truth, strict=True)
    ]
    (tmp_path / "p.json").write_text(json.dumps(records))
    np.testing.assert_array_equal(read(tmp_path / "p.json", test_set), test_set.truth)


@pytest.mark.parametrize("name", ["p.jsonl", "p.json", "p.csv", "coco.json"])
def test_what_predict_writes_is_read(test_set, tmp_path, name):
    writers: dict[str, Any] = {
        "p.jsonl": JsonLinesWriter,
        "p.json": JsonListWriter,
        "p.csv": lambda s: CsvWriter(s, IBUG68),
        "coco.json": lambda s: CocoWriter(s, IBUG68),
    }
    scores = np.random.default_rng(0).uniform(0, 1, (6, 68))
    with (tmp_path / name).open("w", encoding="utf-8") as stream:
        writer = writers[name](stream)
        for index, annotation in enumerate(test_set.annotations):
            face = Face(annotation.tight_box, annotation.points, scores[index], IBUG68)
            faces = [] if index == 3 else [face]
            writer.add(Record(str(annotation.image), 160, 160, "model", IBUG68, faces))
        writer.finish()
    found = located(tmp_path / name, test_set)
    assert np.isnan(found.points[3]).all()
    assert np.isnan(found.scores[3]).all()
    for values, expected, step in ((found.points, test_set.truth, 1e-3), (found.scores, scores, 1e-4)):
        np.testing.assert_allclose(
            np.delete(values, 3, axis=0), np.delete(expected, 3, axis=0), rtol=0, atol=step
        )


def test_csv_round_trip(test_set, tmp_path):
    columns = [f"{name}_{axis}" for name in IBUG68.landmarks for axis in "xy"]
    rows = ["image,score," + ",".join(columns)]
    for name, points in zip(names(test_set), test_set.truth, strict=True):
        rows.append(f"{name},0.9," + ",".join(str(value) for value in points.ravel()))
    rows[3] = names(test_set)[2] + "," * (1 + len(columns))  # no face found
    # Excel begins its UTF-8 files with a byte-order mark.
    (tmp_path / "p.csv").write_text("\n".join(rows) + "\n", encoding="utf-8-sig")
    points = read(tmp_path / "p.csv", test_set)
    assert np.isnan(points[2]).all()
    np.testing.assert_array_equal(np.delete(points, 2, axis=0), np.delete(test_set.truth, 2, axis=0))


def test_absent_photos_and_empty_lists_are_missed_faces(test_set, tmp_path):
    first, second, *_ = names(test_set)
    records = [
        {"image": first, "faces": []},
        {"image": second, "faces": [{"points": test_set.truth[1].tolist()}]},
        {"image": "somewhere/else.png", "faces": []},
    ]
    points = read(write_lines(tmp_path / "p.jsonl", records), test_set)
    assert np.isnan(points).all(axis=(1, 2)).tolist() == [True, False, True, True, True, True]


def test_the_right_face_among_several(test_set, tmp_path):
    truth = test_set.truth[0]
    faces = [{"points": (truth + move).tolist()} for move in (200, 25, 2, -30)]
    records = [{"image": names(test_set)[0], "faces": faces}]
    np.testing.assert_array_equal(read(write_lines(tmp_path / "p.jsonl", records), test_set)[0], truth + 2)


def test_faces_of_one_photo_are_matched_one_to_one():
    square, right = np.array([[0.0, 0.0], [10.0, 10.0]]), np.array([1.0, 0.0])
    first, second = square, square + 8 * right
    near_second = ReportedFace(square + 7 * right)
    near_first = ReportedFace(square + right)
    assert match_faces([near_second, near_first], [first, second]) == [near_first, near_second]
    assert match_faces([near_second], [first, second]) == [None, near_second]
    assert match_faces([], [first]) == [None]
    assert match_faces([near_first], []) == []
    assert match_faces([ReportedFace(square + 500)], [first]) == [None]


def test_a_poor_answer_in_the_right_box_is_an_error_not_a_miss():
    square = np.array([[0.0, 0.0], [10.0, 10.0]])
    poor = ReportedFace(square + 500, box=np.array([0.0, 0.0, 10.0, 10.0]))
    assert match_faces([poor], [square]) == [poor]


def test_an_ambiguous_name_is_refused(faces, tmp_path):
    root, truth = faces
    for suffix in (".png", ".pts"):
        (root / "lfpw/testset" / f"4{suffix}").rename(root / "lfpw/testset" / f"0{suffix}")
    test_set = load_test_set("300w", root, "common")
    records = [{"image": "0.png", "faces": [{"points": truth[0].tolist()}]}]
    with pytest.raises(InputError, match=r"'0\.png' fits .*; write paths with their folders"):
        read(write_lines(tmp_path / "p.jsonl", records), test_set)
    records[0]["image"] = "helen/testset/0.png"
    np.testing.assert_array_equal(read(write_lines(tmp_path / "p.jsonl", records), test_set)[0], truth[0])


def test_a_same_named_photo_of_another_folder_is_not_taken(test_set, tmp_path):
    records = [{"image": "helen/trainset/0.png", "faces": [{"points": test_set.truth[0].tolist()}]}]
    with pytest.raises(InputError, match="none of its 1 photos"):
        read(write_lines(tmp_path / "p.jsonl", records), test_set)


POINTS = [[1.0, 2.0]] * 68


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.txt", "", "are a .jsonl, .json, .csv or .parquet file"),
        ("p.jsonl", "", "holds no predictions"),
        ("p.jsonl", '{"image": "a.png", "faces": []}\n{oops\n', "line 2: is not JSON"),
        ("p.jsonl", "[1]\n", "line 1: must be an object with the key 'image'"),
        ("p.jsonl", '{"image": "a.png"}\n', "line 1: 'faces' must be a list"),
        ("p.jsonl", '{"image": "a.png", "faces": [3]}\n', "line 1: 'faces' must be a list of objects"),
        ("p.jsonl", '{"image": "a.png", "faces": [{}]}\n', "line 1: 'points' must"),
        (
            "p.jsonl",
            '{"image": "a.png", "faces": [{"points": [[1, 2]]}]}\n',
            r"shape \(68, 2\), not \(1, 2\)",
        ),
        ("p.jsonl", '{"image": "a.png", "schema": "cofw29", "faces": []}\n', "schema is 'cofw29'"),
        (
            "p.jsonl",
            json.dumps({"image": "a", "faces": [{"points": [[float("nan"), 1], *POINTS[1:]]}]}),
            "not finite",
        ),
        (
            "p.jsonl",
            json.dumps({"image": "a", "faces": [{"points": [[10**400, 1], *POINTS[1:]]}]}),
            "'points' must be numbers",
        ),
        (
            "p.jsonl",
            json.dumps({"image": "a", "faces": [{"points": POINTS, "box": [1]}]}),
            "'box' must have shape",
        ),
        ("p.json", '{"image": "a.png"}', "must be a list of objects"),
        ("p.json", "[", "line 1: is not JSON"),
        ("p.json", '{"annotations": [], "images": [3]}', "'images' must be a list of objects"),
        (
            "p.json",
            '{"annotations": [{"image_id": [1]}], "images": []}',
            "annotation 1: its 'image_id' names",
        ),
        (
            "p.json",
            '{"annotations": [{"image_id": 1, "keypoints": [1, 2, 2]}], "images": [{"id": 1}]}',
            r"annotation 1: 'keypoints' must be 204 finite numbers",
        ),
        (
            "p.json",
            '{"annotations": [], "images": [{"id": 1}]}',
            "image 1: must be an object with the key 'image'",
        ),
        ("p.csv", "image,jaw_0_x\n", "line 1: column 'jaw_0_y' is missing"),
        ("p.csv", "image\n", r"column 'jaw_0_x' is missing \(136"),
        ("missing.jsonl", None, "cannot be read"),
        ("p.jsonl", b"\xff\xfe\x00", "is not UTF-8"),
    ],
)
def test_unusable_files_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message):
        read_predictions(path, IBUG68)


def test_points_of_a_richer_schema_are_converted(tmp_path):
    points = np.random.default_rng(0).uniform(0, 100, (98, 2)).round(3)
    record = {"image": "a.png", "schema": "wflw98", "faces": [{"points": points.tolist()}]}
    (found,) = read_predictions(write_lines(tmp_path / "p.jsonl", [record]), IBUG68)["a.png"]
    np.testing.assert_array_equal(found.points, convert_points(points, "wflw98", "ibug68"))


def test_a_table_of_a_richer_schema_is_converted(tmp_path):
    wflw98 = get_schema("wflw98")
    rng = np.random.default_rng(0)
    face = Face([0, 0, 50, 50], rng.uniform(0, 100, (98, 2)), rng.uniform(0, 1, 98), wflw98)
    with (tmp_path / "p.csv").open("w", encoding="utf-8") as stream:
        CsvWriter(stream, wflw98).add(Record("a.png", 160, 160, "model", wflw98, [face]))
    (found,) = read_predictions(tmp_path / "p.csv", IBUG68)["a.png"]
    expected = convert_points(face.points, "wflw98", "ibug68")
    np.testing.assert_allclose(found.points, expected, rtol=0, atol=1e-3)
    assert found.scores.shape == (68,)


def test_scores_of_a_richer_schema_are_the_least_of_their_group(tmp_path):
    scores = np.random.default_rng(0).uniform(0, 1, 98)
    face = {"points": np.zeros((98, 2)).tolist(), "scores": scores.tolist()}
    record = {"image": "a.png", "schema": "wflw98", "faces": [face, {**face, "scores": None}]}
    first, second = read_predictions(write_lines(tmp_path / "p.jsonl", [record]), IBUG68)["a.png"]
    groups = get_conversion("wflw98", "ibug68").means_of
    assert first.scores.tolist() == [min(scores[index] for index in group) for group in groups]
    assert second.scores is None


def test_scores_of_another_number_are_refused(tmp_path):
    record = {"image": "a.png", "faces": [{"points": [[0, 0]] * 68, "scores": [0.5]}]}
    with pytest.raises(InputError, match=r"p\.jsonl: line 1: 'scores' must have shape \(68,\), not \(1,\)"):
        read_predictions(write_lines(tmp_path / "p.jsonl", [record]), IBUG68)


def test_csv_with_letters_names_the_line(tmp_path):
    columns = [f"{name}_{axis}" for name in IBUG68.landmarks for axis in "xy"]
    (tmp_path / "p.csv").write_text("image," + ",".join(columns) + "\na.png," + ",".join(["x"] * 136) + "\n")
    with pytest.raises(InputError, match="line 2: jaw_0_x: 'x' is not a number"):
        read_predictions(tmp_path / "p.csv", IBUG68)


@pytest.mark.parametrize(
    ("points", "scores"), [((6, 68), (6, 68)), ((6, 68, 3), (6, 68)), ((6, 68, 2), (6, 5))]
)
def test_predicted_landmarks_of_other_shapes_are_refused(points, scores):
    with pytest.raises(InputError, match=r"points \(N, K, 2\) and scores \(N, K\), not"):
        PredictedLandmarks(np.zeros(points), np.zeros(scores))
