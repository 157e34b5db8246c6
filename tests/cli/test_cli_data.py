"""`efficientfan data ...` as a user types it: output, exit codes, files."""

import sys

import pytest
from skimage import data
from tiny_datasets import make_300w, make_wflw

from efficientfan.cli.main import main
from efficientfan.data.catalog import load_dataset
from efficientfan.imaging import read_rgb, write_image
from efficientfan.schema import get_schema


@pytest.fixture
def run(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["efficientfan", "data", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        streams = capsys.readouterr()
        return exit_.value.code or 0, streams.out, streams.err

    return run


def test_list(run):
    code, out, _ = run("list")
    assert code == 0
    assert "300w " in out
    assert "common 554" in out


def test_check_says_whether_it_is_fit(run, tmp_path):
    make_300w(tmp_path)
    code, out, _ = run("check", "300w", tmp_path, "--split", "train")
    assert code == 1
    assert "NOT fit" in out
    code, out, _ = run("check", "300w", tmp_path, "--split", "train", "--allow-partial")
    assert code == 0
    assert "fit to use" in out


def test_check_sheet(run, tmp_path):
    make_300w(tmp_path)
    sheet = tmp_path / "out" / "sheet.png"
    code, _, _ = run("check", "300w", tmp_path, "--split", "train", "--allow-partial", "--sheet", sheet)
    assert code == 0
    assert read_rgb(sheet).shape[1] > 1000


def test_convert_says_what_is_lost(run, tmp_path):
    make_wflw(tmp_path)
    out = tmp_path / "pts"
    code, text, notes = run("convert", "wflw", tmp_path, "--split", "test", "--to", "pts", "--out", out)
    assert code == 0
    assert "3 faces, wflw98, as pts" in text
    assert "note: .pts holds no boxes: 3 are lost" in notes
    assert len(list(out.rglob("*.pts"))) == 3


def test_boxes_of_own_points_are_compared_with_the_detectors(run, tmp_path):
    """Eyes, nose and mouth alone: their box lies inside that of the whole face."""
    write_image(tmp_path / "a.png", data.astronaut())
    points = "205,108,240,105,225,130,210,145,240,143"
    columns = [f"{name}_{axis}" for name in get_schema("five").landmarks for axis in "xy"]
    (tmp_path / "t.csv").write_text(f"image,{','.join(columns)}\na.png,{points}\n")
    code, out, _ = run("check", "csv", tmp_path / "t.csv", "--schema", "five", "--detector")
    assert code == 0
    assert "the detector's boxes are " in out
    assert "set data.boxes: supplied" in out
    convert = ("convert", "csv", tmp_path / "t.csv", "--split", "all", "--schema", "five", "--to", "csv")
    code, _, notes = run(*convert, "--out", tmp_path / "boxed.csv", "--detector")
    assert (code, "the detector found 1 of 1 faces" in notes) == (0, True)
    (face,) = load_dataset("csv", tmp_path, "boxed", schema="five")
    assert face.box[3] - face.box[1] > 1.5 * 38  # from the eyes to the mouth


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "300x", "."), "unknown data set '300x'"),
        (("check", "300w", "nowhere"), "nowhere: no such file or folder"),
        (("check", "coco", "."), "no schema of its own"),
        (
            ("convert", "300w", "nowhere", "--split", "train", "--to", "csv", "--out", "o.csv"),
            "nowhere: no such",
        ),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(run, arguments, message):
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
