"""`efficientfan schemas` through the command line."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from efficientfan.cli.main import command_line, main
from efficientfan.errors import InputError
from efficientfan.imaging import read_rgb
from efficientfan.schema import get_schema, list_schemas

runner = CliRunner()


def run(*arguments: object):
    return runner.invoke(command_line(), ["schemas", *map(str, arguments)], catch_exceptions=False)


def test_list_names_every_schema_and_conversion():
    result = run("list")
    assert result.exit_code == 0
    first_words = [line.split()[0] for line in result.stdout.splitlines() if line]
    assert first_words[: len(list_schemas())] == list_schemas()
    assert "wflw98   -> ibug68" in result.stdout


def test_show_prints_the_table_and_writes_the_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("show", "ibug68")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["36", "right_eye_outer_corner", "45", "right_eye"] in rows
    assert ["30", "nose_bridge_3", "30", "nose"] in rows
    assert sum(row[0].isdigit() for row in rows if row) == 68
    assert "ibug68.png" in result.stderr
    picture = read_rgb(tmp_path / "ibug68.png")
    assert picture.shape == (900, 900, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100


def test_show_out(tmp_path):
    target = tmp_path / "new" / "five.png"
    assert run("show", "five", "--out", target).exit_code == 0
    assert read_rgb(target).shape == (900, 900, 3)


def test_show_an_own_schema_without_layout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.json").write_text(
        json.dumps({"name": "own", "landmarks": ["a", "b"], "flip_pairs": [[0, 1]]})
    )
    result = run("show", "own.json")
    assert result.exit_code == 0
    assert ["0", "a", "1"] in [line.split() for line in result.stdout.splitlines()]
    assert "no 'layout'" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.json"]
    with pytest.raises(InputError, match="no 'layout'"):
        run("show", "own.json", "--out", tmp_path / "own.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.json"]


def test_a_schema_name_cannot_lead_out_of_the_working_folder(tmp_path, monkeypatch):
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    table = {**get_schema("five").to_dict(), "name": "../outside"}
    (inner / "own.json").write_text(json.dumps(table))
    assert run("show", "own.json").exit_code == 0
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["inner", "outside.png", "own.json"]
    assert (inner / "outside.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "unknown schema 'nope'; known are aflw19"),
        (["nope.json"], "nope.json: cannot be read"),
        (["broken.json"], "broken.json: schema 'broken': index 0 stands in more than one flip pair"),
        (["five", "--out", "five.txt"], "five.txt: unknown image suffix"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    broken = {"name": "broken", "landmarks": ["a", "b", "c"], "flip_pairs": [[0, 1], [2, 0]]}
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    monkeypatch.setattr("sys.argv", ["efficientfan", "schemas", "show", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert errors[0].startswith(f"error: {message}")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.json"]
