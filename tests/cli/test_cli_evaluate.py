"""`efficientfan evaluate` and `efficientfan compare` as typed: output, files, exit codes."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

import efficientfan.predict
from efficientfan.data.catalog import load_dataset
from efficientfan.files import sha256_of
from efficientfan.formats.csv_tables import write_csv
from efficientfan.imaging import read_rgb
from efficientfan.schema import get_schema

SCORES = np.linspace(0.9, 0.4, 6)[:, None].repeat(68, axis=1)


@pytest.fixture
def model(monkeypatch, oracle, tmp_path):
    """An oracle in a model file's place: 2 crop pixels wrong, blind to photo 3."""
    path = tmp_path / "oracle.onnx"
    path.write_bytes(b"weights")
    monkeypatch.setattr(
        "efficientfan.predict.load", lambda *_, **__: oracle(offset=(2, 0), blind=[3], scores=SCORES)
    )
    return path


@pytest.fixture
def unused_model(monkeypatch, tmp_path):
    """A model file that must not be loaded."""

    def load(*_, **__):
        raise AssertionError("the model was loaded")

    path = tmp_path / "unused.onnx"
    path.write_bytes(b"weights")
    monkeypatch.setattr("efficientfan.predict.load", load)
    return path


def data(faces, split="common"):
    return ("--dataset", "300w", "--root", faces[0], "--split", split)


def test_a_model_is_measured_and_everything_is_written(run_command, faces, model, tmp_path):
    out = tmp_path / "out"
    code, text, notes = run_command("evaluate", *data(faces), "--model", model, "--mean-shape", "--out", out)
    assert code == 0
    assert "boxes that are made from the true points" in notes
    for expected in ("nme_interocular", "common, mean shape", "6 of 554 faces"):
        assert expected in text
    table = json.loads((out / "results.json").read_text())
    assert table["subject"] == {
        "kind": "model",
        "name": "oracle",
        "file": "oracle.onnx",
        "sha256": sha256_of(model),
    }
    assert table["settings"]["box"] == "gt"
    assert len(table["samples"]) == 6
    assert table["reliability"]["faces"] == 6
    assert "sorted by score: no failures (nme_interocular > 8 %); rank correlation" in text
    for name in ("ced.png", "landmarks.png", "reliability.png", "worst.png"):
        assert read_rgb(out / name).std() > 0


def test_the_worst_tenth_is_printed(run_command, faces, model):
    """All six fail at this threshold, and one of them is the worst tenth."""
    _, text, _ = run_command("evaluate", *data(faces), "--model", model, "--threshold", 0.01)
    assert "sorted by score: the worst tenth holds 1 of 6 failures (nme_interocular > 1 %); rank" in text


@pytest.mark.parametrize("score", [None, 0.5])
def test_predictions_without_scores_say_that_there_is_no_reliability(run_command, faces, tmp_path, score):
    face = {"points": faces[1][0].tolist()} | ({} if score is None else {"scores": [score] * 68})
    path = tmp_path / "tool.jsonl"
    path.write_text(json.dumps({"image": "helen/testset/0.png", "faces": [face]}))
    code, text, errors = run_command(
        "evaluate", *data(faces), "--predictions", path, "--out", tmp_path / "out"
    )
    assert code == 0
    table = json.loads((tmp_path / "out/results.json").read_text())
    assert (tmp_path / "out/reliability.png").exists() == (score is not None)
    if score is None:
        assert "no reliability: tool.jsonl has no score for any face that was found" in errors
        assert "sorted by score" not in text
        assert table["reliability"] is None
    else:
        assert "no reliability" not in errors
        assert "rank correlation of score and error: -\n" in text
        assert table["reliability"]["faces"] == 1


def test_missed_faces_are_printed(run_command, faces, model, tmp_path):
    code, text, _ = run_command(
        "evaluate", *data(faces), "--model", model, "--box", "detector", "--out", tmp_path / "out"
    )
    assert code == 0
    row = next(line for line in text.splitlines() if line.startswith("common"))
    assert row.split()[:3] == ["common", "6", "1"]
    assert (
        json.loads((tmp_path / "out/results.json").read_text())["settings"]["detector"] == "oracle-detector"
    )


def test_predictions_are_measured_and_compared(run_command, faces, tmp_path, monkeypatch):
    for label, move in (("near", 1.0), ("far", 3.0)):
        lines = [
            {"image": f"{folder}/{i}.png", "faces": [{"points": (faces[1][i] + move).tolist()}]}
            for i, folder in enumerate(["helen/testset"] * 4 + ["lfpw/testset"] * 2)
        ]
        (tmp_path / f"{label}.jsonl").write_text("\n".join(map(json.dumps, lines)))
        code, text, _ = run_command(
            "evaluate", *data(faces), "--predictions", tmp_path / f"{label}.jsonl", "--out", tmp_path / label
        )
        assert code == 0
        assert f"{label} on 300w common, boxes: not stated" in text
    files = [tmp_path / label / "results.json" for label in ("near", "far")]
    code, text, _ = run_command("compare", *files, "--out", tmp_path / "both")
    assert code == 0
    assert (tmp_path / "both/compare.txt").read_text() == text
    difference = 100 * 2 * 2**0.5 / 39
    assert f"{difference:.2f} [{difference:.2f}, {difference:.2f}]" in text
    assert read_rgb(tmp_path / "both/ced.png").std() > 0
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, errors = run_command("compare", *files, "--out", tmp_path / "bare")
    assert code == 0
    assert "efficientfan[plots]" in errors
    assert [path.name for path in (tmp_path / "bare").iterdir()] == ["compare.txt"]


def test_results_stay_without_matplotlib(run_command, faces, model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, errors = run_command("evaluate", *data(faces), "--model", model, "--out", tmp_path / "out")
    assert code == 0
    assert "no plots" in errors
    assert "efficientfan[plots]" in errors
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["results.json", "worst.png"]


@pytest.mark.parametrize(("box", "detector"), [("gt", "whole"), ("detector", "haar")])
def test_a_detector_is_built_only_where_it_is_asked(run_command, faces, model, monkeypatch, box, detector):
    load, asked = efficientfan.predict.load, []

    def note(*arguments, **options):
        asked.append(options["detector"])
        return load(*arguments, **options)

    monkeypatch.setattr("efficientfan.predict.load", note)
    assert run_command("evaluate", *data(faces), "--model", model, "--box", box, "--detector", "haar")[0] == 0
    assert asked == [detector]


@pytest.mark.parametrize("box", ["gt", "detector"])
def test_the_batch_size_is_the_predictors_too(run_command, faces, model, monkeypatch, box):
    load, asked = efficientfan.predict.load, []

    def note(*arguments, **options):
        asked.append(options["batch_size"])
        return load(*arguments, **options)

    monkeypatch.setattr("efficientfan.predict.load", note)
    assert run_command("evaluate", *data(faces), "--model", model, "--box", box, "--batch-size", 5)[0] == 0
    assert asked == [5]


@pytest.mark.parametrize("command", [["compare", "a.json", "b.json"], ["evaluate"]])
def test_a_negative_seed_is_refused(run_command, faces, command):
    options = data(faces) if command == ["evaluate"] else ()
    code, _, errors = run_command(*command, *options, "--seed", -1)
    assert code == 2
    assert "--seed" in errors


def test_limit_takes_the_first_faces(run_command, faces, model):
    _, text, _ = run_command("evaluate", *data(faces), "--model", model, "--limit", 2)
    assert "2 of 554 faces" in text


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (("--split", "later"), "no split 'later'"),
        (("--dataset", "300v"), "unknown data set '300v'"),
        (("--root", "/nowhere"), "/nowhere"),
        (("--model", "m.onnx", "--predictions", "p.jsonl"), "not both"),
        (("--predictions", "p.jsonl", "--flip-test"), "do nothing with --predictions"),
        (("--predictions", "absent.jsonl"), "absent.jsonl: cannot be read"),
        (("--model", "absent.onnx"), "absent.onnx"),
        (("--box", "tight"), "--box is one of gt, supplied, detector"),
        (("--normalizer", "ears", "--model", "MODEL"), "unknown normalizer 'ears'"),
        (("--normaliser", "ears", "--model", "MODEL"), "unknown normalizer 'ears'"),
        (("--threshold", "0", "--model", "MODEL"), "a threshold is a positive fraction"),
        (("--out", "MODEL", "--model", "MODEL"), "cannot be made a folder"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(run_command, faces, unused_model, extra, message):
    extra = [str(unused_model) if part == "MODEL" else part for part in extra]
    code, text, errors = run_command("evaluate", *data(faces), *extra)
    assert code == 2
    assert text == ""
    assert message in errors
    assert "Traceback" not in errors
    assert errors.strip().splitlines()[-1].startswith("error: ")


def test_comparing_a_foreign_file_is_refused(run_command, tmp_path):
    (tmp_path / "a.json").write_text("{}")
    code, _, errors = run_command("compare", tmp_path / "a.json", tmp_path / "a.json")
    assert code == 2
    assert errors.startswith(f"error: {tmp_path / 'a.json'}: is not a results file")


@pytest.fixture
def table(faces, tmp_path):
    """The six faces as a table that names no schema, alone in its folder."""
    folder = tmp_path / "table"
    folder.mkdir()
    annotations = load_dataset("300w", faces[0], "common", warn=False)
    write_csv(annotations, get_schema("ibug68"), folder / "mine.csv")
    path = folder / "mine.csv"
    path.write_text(path.read_text().replace(",ibug68,", ",,"))
    return path


@pytest.mark.parametrize("root", ["file", "folder"])
def test_split_and_schema_are_those_of_the_only_table_and_of_the_model(run_command, table, model, root):
    where = table if root == "file" else table.parent
    code, text, errors = run_command("evaluate", "--dataset", "csv", "--root", where, "--model", model)
    assert code == 0, errors
    assert f"oracle on csv {'all' if root == 'file' else 'mine'}" in text


def test_the_tables_schema_wins_over_the_models(run_command, table, unused_model):
    table.write_text(table.read_text().replace(",,", ",five,", 1))
    code, _, errors = run_command("evaluate", "--dataset", "csv", "--root", table, "--model", unused_model)
    assert code == 2
    assert "schema 'five' needs" in errors or "unknown or repeated" in errors


def test_one_of_several_splits_must_be_named(run_command, faces, table, unused_model):
    (table.parent / "other.csv").touch()
    for dataset, root, known in (
        ("csv", table.parent, "mine, other"),
        ("300w", faces[0], "challenging, common, full, private, train"),
        ("pts", faces[0], None),
    ):
        code, _, errors = run_command("evaluate", "--dataset", dataset, "--root", root)
        assert code == 2
        assert f"name one of the splits of '{dataset}'{f': {known}' if known else ''} (--split)" in errors
