import pytest

from efficientfan.errors import InputError
from efficientfan.predict.given_boxes import boxes_within, read_boxes


def test_json_and_csv_say_the_same(tmp_path):
    (tmp_path / "b.json").write_text('{"a.jpg": [[1, 2, 3, 4.5], [5, 6, 7, 8]], "c.jpg": []}')
    (tmp_path / "b.csv").write_text("image,x0,y0,x1,y1\na.jpg,1,2,3,4.5\na.jpg,5,6,7,8\nc.jpg,,,,\n")
    for name in ("b.json", "b.csv"):
        boxes = read_boxes(tmp_path / name)
        assert {image: rows.tolist() for image, rows in boxes.items()} == {
            "a.jpg": [[1, 2, 3, 4.5], [5, 6, 7, 8]],
            "c.jpg": [],
        }
        assert boxes["c.jpg"].shape == (0, 4)


def test_our_own_csv_and_a_spreadsheets_mark(tmp_path):
    text = "﻿image,score,box_x0,box_y0,box_x1,box_y1\r\na.jpg,.5,1,2,3,4\r\n"
    (tmp_path / "b.csv").write_bytes(text.encode())
    assert read_boxes(tmp_path / "b.csv")["a.jpg"].tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("b.json", "[1, 2]", "must be an object"),
        ("b.json", '{"a.jpg": [[1, 2,', "line 1: is not JSON"),
        ("b.json", '{"a.jpg": [[5, 2, 3, 4]]}', r"'a\.jpg': box 0 has no positive width"),
        ("b.json", '{"a.jpg": [[1, 2, 3]]}', r"'a\.jpg': boxes must have shape"),
        ("b.json", '{"a.jpg": [["x", 2, 3, 4]]}', r"'a\.jpg': boxes must be numbers"),
        ("b.json", '{"a.jpg": {"x": 1}}', r"'a\.jpg': boxes must be numbers"),
        ("b.json", '{"a.jpg": null}', r"'a\.jpg': boxes must have shape"),
        ("b.json", '{"a.jpg": [[1, 2, 3, NaN]]}', "not finite"),
        ("b.json", '{"a.jpg": [[1, 2, 1e300, 4]]}', "no pixel coordinate"),
        ("b.json", '{"a.jpg": [[1, 2, ' + "9" * 400 + ", 4]]}", "must be numbers"),
        ("b.json", '{"a.jpg": [[1, 2, ' + "9" * 5000 + ", 4]]}", "b.json"),
        ("b.csv", "image,x0,y0,x1,y1\na.jpg,1,2," + "9" * 400 + ",4\n", "line 2"),
        ("b.csv", "", "line 1: must name the columns image, x0"),
        ("b.csv", "image,x0,y0,x1\na.jpg,1,2,3\n", "line 1: must name the columns"),
        ("b.csv", "image,x0,y0,x1,y1\na.jpg,1,2,3,4\na.jpg,1,2,-3,4\n", "line 3: box 0 has no positive"),
        ("b.csv", "image,x0,y0,x1,y1\na.jpg,1,2,3\n", "line 2: expected 5 fields, found 4"),
        ("b.csv", "image,x0,y0,x1,y1\na.jpg,1,2,3,four\n", "line 2: boxes must be numbers"),
        ("b.txt", "", r"are a \.json or \.csv file"),
    ],
)
def test_bad_files_are_named_with_their_line(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_boxes(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_unreadable_files(tmp_path):
    for name in ("none.json", "none.csv"):
        with pytest.raises(InputError, match="cannot be read"):
            read_boxes(tmp_path / name)
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_boxes(tmp_path / "b.csv")


def test_boxes_may_reach_over_the_edge_but_not_lie_beyond_it():
    assert boxes_within([-5, -5, 1, 1], 10, 10).tolist() == [[-5, -5, 1, 1]]
    for box in ([10, 0, 12, 2], [0, 9.5, 1, 12], [-3, 0, -0.5, 1]):
        with pytest.raises(InputError, match="box 0 lies wholly outside the 10 x 10 image"):
            boxes_within(box, 10, 10)
