import pytest
from drawn_records import PHOTOS, SCHEMA, records, write

from efficientfan.errors import InputError
from efficientfan.predict.output import FORMATS, choose_format, open_output


@pytest.mark.parametrize("format_name", ["jsonl", "json", "csv", "coco"])
def test_nothing_half_written_stays(tmp_path, format_name):
    out = tmp_path / f"o{FORMATS[format_name]}"
    out.write_text("before")

    def broken():
        yield records()[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write(out, format_name, broken())
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.read_text() == "before"


def test_rows_are_written_as_they_come(tmp_path):
    """Only COCO collects: the temporary file of the others grows with each photo."""
    for format_name in ("jsonl", "json", "csv"):
        with open_output(tmp_path / f"o{FORMATS[format_name]}", format_name, SCHEMA, PHOTOS) as writer:
            [temporary] = tmp_path.glob(".part-*")
            for _ in range(20):
                writer.add(records()[0])
            assert temporary.stat().st_size > 10_000


@pytest.mark.parametrize("format_name", ["jsonl", "pts"])
def test_a_place_that_cannot_be_written_is_said_at_once(tmp_path, format_name):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / f"o{FORMATS[format_name]}"
    with (
        pytest.raises(InputError, match="cannot be"),
        open_output(out, format_name, SCHEMA, PHOTOS),
    ):
        pytest.fail("the work began")


def test_a_folder_is_not_a_file(tmp_path):
    (tmp_path / "o.json").mkdir()
    with (
        pytest.raises(InputError, match="is a folder"),
        open_output(tmp_path / "o.json", "json", SCHEMA, PHOTOS),
    ):
        pytest.fail("the work began")


@pytest.mark.parametrize(
    ("out", "chosen", "expected"),
    [
        (None, None, "jsonl"),
        (None, "csv", "csv"),
        ("o.jsonl", None, "jsonl"),
        ("o.JSON", None, "json"),
        ("o.json", "coco", "coco"),
        ("o.csv", None, "csv"),
        ("o", None, "pts"),
        ("o", "pts", "pts"),
    ],
)
def test_the_suffix_chooses_the_format(tmp_path, out, chosen, expected):
    assert choose_format(out and tmp_path / out, chosen) == expected


@pytest.mark.parametrize(
    ("out", "chosen", "message"),
    [
        ("o.xml", None, "unknown suffix"),
        ("o.csv", "json", "format 'json' writes a .json file"),
        ("o.json", "pts", "format 'pts' writes a folder"),
        ("o.json", "yaml", "unknown format 'yaml'"),
        (None, "pts", "format 'pts' needs --out"),
        (None, "coco", "format 'coco' needs --out"),
    ],
)
def test_formats_that_do_not_fit_are_refused(tmp_path, out, chosen, message):
    with pytest.raises(InputError, match=message):
        choose_format(out and tmp_path / out, chosen)
