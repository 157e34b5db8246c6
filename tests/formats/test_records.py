"""JSON lines and a JSON list hold the same records."""

import json

import numpy as np
import pytest
from drawn_records import face, records, write


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_and_jsonl_hold_the_same_objects(tmp_path, count):
    rows = records()[:count]
    write(tmp_path / "o.json", "json", rows)
    write(tmp_path / "o.jsonl", "jsonl", rows)
    as_list = json.loads((tmp_path / "o.json").read_text())
    assert as_list == [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert as_list == [record.to_dict() for record in rows]


def test_a_record_names_everything():
    table = records()[0].to_dict()
    assert list(table) == ["image", "width", "height", "model", "schema", "faces"]
    assert (table["image"], table["width"], table["height"]) == ("in/a.jpg", 160, 120)
    assert (table["model"], table["schema"]) == ("tiny", "ibug68")
    first = table["faces"][0]
    assert set(first) == {"box", "roll", "score", "points", "scores"}
    assert np.allclose(first["points"], face(0).points, atol=5e-4)
    assert first["box"] == [1.25, 2, 31, 42.5]
