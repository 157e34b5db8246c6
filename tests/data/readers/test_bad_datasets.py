"""What a user can get wrong with a data set: each case is an `InputError` that names file and remedy."""

import json

import numpy as np
import pytest
from scipy.io import savemat
from tiny_datasets import (
    MAKERS,
    make_300w,
    make_300wlp,
    make_aflw,
    make_coco,
    make_cofw,
    make_cofw68,
    make_csv,
    make_lapa,
    make_wflw,
    photo,
    points_of,
    pts_text,
)

from efficientfan.data.catalog import load_dataset
from efficientfan.data.readers import aflw
from efficientfan.errors import InputError
from efficientfan.formats.pts import read_pts

GOOD = pts_text(points_of(68, 0))
ROWS = GOOD.splitlines()


@pytest.fixture(autouse=True)
def small_aflw(monkeypatch):
    monkeypatch.setattr(aflw, "N_TRAIN", 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"bad.pts: is empty"),
        ("\n".join(ROWS[:-2] + ROWS[-1:]), r"bad.pts: line 70: n_points says 68 points, the file holds 67"),
        ("\n".join(ROWS[3:-2]), r"bad.pts: line 67: the schema has 68 points, the file holds 67"),
        ("\n".join([*ROWS[:4], "nan 3", *ROWS[5:]]), r"bad.pts: line 5: 'nan' is not a number"),
        ("\n".join([*ROWS[:4], "inf 3", *ROWS[5:]]), r"bad.pts: line 5: 'inf' is not a number"),
        ("\n".join([*ROWS[:4], "1e9 3", *ROWS[5:]]), r"bad.pts: line 5: '1e9' is not a pixel coordinate"),
        ("\n".join([*ROWS[:4], "12 x3", *ROWS[5:]]), r"bad.pts: line 5: 'x3' is not a number"),
        ("\n".join([*ROWS[:4], "1_0 3", *ROWS[5:]]), r"bad.pts: line 5: '1_0' is not a number"),
        ("\n".join([*ROWS[:4], "12", *ROWS[5:]]), r"bad.pts: line 5: expected 2 numbers, found 1"),
        ("\n".join(ROWS[2:]), r"bad.pts: line 1: the header lacks 'n_points: K'"),
        ("\n".join(ROWS[:2] + ROWS[3:]), r"bad.pts: line 71: no line '\{' opens the points"),
        ("\n".join(ROWS[:-1]), r"bad.pts: line 71: expected '\}' once, as the last line"),
        (GOOD + GOOD, r"bad.pts: line 72: expected '\}' once, as the last line"),
        (GOOD.replace("n_points:  68", "n_points: many"), r"bad.pts: line 3: the header lacks 'n_points: K'"),
        (GOOD.replace("version", "vers"), r"bad.pts: line 1: expected 'version: 1' or 'n_points: K'"),
    ],
)
def test_bad_pts(tmp_path, text, message):
    (tmp_path / "bad.pts").write_text(text)
    with pytest.raises(InputError, match=message):
        read_pts(tmp_path / "bad.pts", 68)


def test_pts_that_is_no_text(tmp_path):
    (tmp_path / "bad.pts").write_bytes(b"\x89PNG\r\n\xff\xfe")
    with pytest.raises(InputError, match=r"bad.pts: is not UTF-8 text"):
        read_pts(tmp_path / "bad.pts")
    with pytest.raises(InputError, match=r"none.pts: cannot be read"):
        read_pts(tmp_path / "none.pts")


def test_unknown_names(tmp_path):
    with pytest.raises(
        InputError, match=r"unknown data set '300x'; did you mean '300w'\? known are 300w, .*wflw"
    ):
        load_dataset("300x", tmp_path, "train")
    with pytest.raises(InputError, match=r"'300w' has no split 'test'; it has train, common"):
        load_dataset("300w", tmp_path, "test")
    with pytest.raises(InputError, match=r"nowhere: no such file or folder"):
        load_dataset("300w", tmp_path / "nowhere", "train")
    with pytest.raises(InputError, match=r"'coco' has no schema of its own; name one"):
        load_dataset("coco", tmp_path, "train")
    with pytest.raises(InputError, match=r"unknown schema 'ibug69'"):
        load_dataset("coco", tmp_path, "train", schema="ibug69")


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("kind", ["empty folder", "file"])
def test_wrong_root(name, kind, tmp_path):
    root, tiny = tmp_path / "wrong", MAKERS[name](tmp_path / "right")
    root.mkdir() if kind == "empty folder" else root.write_text("x")
    with pytest.raises(InputError, match="wrong"):
        load_dataset(name, root, tiny.split, schema=tiny.schema)


@pytest.mark.parametrize("name", sorted(set(MAKERS) - {"cofw", "cofw68"}))
def test_annotation_without_image(name, tmp_path):
    tiny = MAKERS[name](tmp_path)
    image = load_dataset(name, tiny.root, tiny.split, schema=tiny.schema, warn=False)[-1].image
    image.unlink()
    with pytest.raises(InputError, match=rf"{image.stem}.*without image|without image.*{image.stem}"):
        load_dataset(name, tiny.root, tiny.split, schema=tiny.schema)


@pytest.mark.parametrize("name", ["300w", "lapa", "300wlp", "aflw2000", "menpo", "pts"])
def test_image_without_annotation(name, tmp_path):
    tiny = MAKERS[name](tmp_path)
    tiny.labels[-1].unlink()
    stem = tiny.labels[-1].stem.removesuffix("_pts")
    with pytest.raises(InputError, match=rf"{stem}.*image without annotation"):
        load_dataset(name, tiny.root, tiny.split, schema=tiny.schema)


def test_two_images_of_one_annotation(tmp_path):
    make_300w(tmp_path)
    photo(tmp_path / "afw/1_1.png")
    with pytest.raises(InputError, match=r"afw/1_1.png: beside 1_1.jpg"):
        load_dataset("300w", tmp_path, "train")


def test_wrong_number_of_points_for_the_schema(tmp_path):
    tiny = make_300w(tmp_path)
    with pytest.raises(InputError, match=r"1_1.pts: line \d+: the schema has 98 points, the file holds 68"):
        load_dataset("300w", tmp_path, "train", schema="wflw98")
    tiny.labels[2].write_text(pts_text(points_of(51, 0)))
    with pytest.raises(InputError, match=r"image_0001.pts: line \d+: the schema has 68 points"):
        load_dataset("300w", tmp_path, "train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda line: line.rsplit(" ", 1)[0],
            r"line 2: expected 196 coordinates",
        ),
        (lambda line: "nan " + line.split(" ", 1)[1], r"line 2: 'nan' is not a number"),
        (lambda line: line.replace(" 0 0 0 ", " 0 7 0 "), r"line 2: attributes are 0 or 1"),
        (lambda line: line.replace(" 8 7 52 41 ", " 52 7 8 41 "), r"line 2: box .* no positive width"),
        (lambda line: line.replace("a.jpg", "z.jpg"), r"line 2: annotation without image: no .*z.jpg"),
    ],
)
def test_bad_wflw_lines(tmp_path, change, message):
    (table,) = make_wflw(tmp_path).labels
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], change(lines[1]), lines[2]]))
    with pytest.raises(InputError, match=message):
        load_dataset("wflw", tmp_path, "test")


def test_bad_lapa(tmp_path):
    (first, _) = make_lapa(tmp_path).labels
    lines = first.read_text().splitlines()
    first.write_text("\n".join(["105", *lines[1:-1]]))
    with pytest.raises(InputError, match=r"0_0.txt: line 1: expected 106, the number of points"):
        load_dataset("lapa", tmp_path, "val")
    first.write_text("\n".join(lines[:-1]))
    with pytest.raises(InputError, match=r"0_0.txt: line 106: expected 106 points, the file holds 105"):
        load_dataset("lapa", tmp_path, "val")


def spoiled(position, value):
    keypoints = [1, 2, 2] * 5
    keypoints[position] = value
    return {"keypoints": keypoints}


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("categories", {"keypoints": ["a"] * 17}, r"category 1 has 17 keypoints, schema 'five' has 5"),
        ("annotations", {"category_id": 3}, r"annotation 0 is of foreign category 3"),
        ("annotations", {"image_id": 99}, r"annotation 0 is of image 99, which 'images' does not list"),
        (
            "annotations",
            {"keypoints": [1, 2, 2]},
            r"annotation 0: 'keypoints' must be 15 finite numbers.*it holds 3",
        ),
        (
            "annotations",
            spoiled(0, float("nan")),
            r"annotation 0: 'keypoints' must be 15 finite numbers.*one of them is not",
        ),
        ("annotations", spoiled(0, "7"), r"annotation 0: 'keypoints' must be 15 finite numbers"),
        ("annotations", spoiled(2, 3), r"annotation 0: visibility flags are 0, 1 or 2"),
        ("annotations", {"bbox": [1, 2, 0, 4]}, r"annotation 0: 'bbox' must be x, y, width > 0"),
        ("annotations", {"attributes": [1]}, r"annotation 0: 'attributes' must be a JSON object"),
        ("annotations", {"attributes": {"a": None}}, r"annotation 0: attribute 'a' must be text"),
        ("annotations", {"id": 1}, r"every entry of 'annotations' needs an id of its own"),
        ("annotations", {"name": "b/c.png"}, r"annotation 2: name 'b/c.png' must be text and unique"),
        ("images", {"file_name": 7}, r"image 10 has no file_name"),
        ("images", {"file_name": "/etc/passwd"}, r"must be a path relative to the list file"),
    ],
)
def test_bad_coco(tmp_path, section, change, message):
    (path,) = make_coco(tmp_path).labels
    table = json.loads(path.read_text())
    table[section][0] |= change
    path.write_text(json.dumps(table))
    with pytest.raises(InputError, match=rf"train.json.*{message}"):
        load_dataset("coco", tmp_path, "train", schema="five")


def test_coco_that_lacks_parts(tmp_path):
    (path,) = make_coco(tmp_path).labels
    table = json.loads(path.read_text())
    path.write_text(json.dumps({**table, "annotations": table["annotations"][:2]}))
    with pytest.raises(InputError, match=r"train.json: image without annotation: 'b/c.png'"):
        load_dataset("coco", tmp_path, "train", schema="five")
    path.write_text(json.dumps({"images": table["images"]}))
    with pytest.raises(InputError, match=r"train.json: expected a list under 'annotations'"):
        load_dataset("coco", tmp_path, "train", schema="five")
    path.write_text(json.dumps({"images": [], "annotations": []}))
    with pytest.raises(InputError, match=r"train.json: holds no annotations"):
        load_dataset("coco", tmp_path, "train", schema="five")


def test_coco_that_is_not_json(tmp_path):
    (tmp_path / "train.json").write_text('{"images": [\n')
    with pytest.raises(InputError, match=r"train.json: line 2: is not JSON"):
        load_dataset("coco", tmp_path, "train", schema="five")
    (tmp_path / "train.json").write_text("[]")
    with pytest.raises(InputError, match=r"train.json: expected a JSON object"):
        load_dataset("coco", tmp_path, "train", schema="five")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "nose_tip_y",
            "nose_tip_z",
            r"line 1: column 'nose_tip_y' is missing \(1 in all\).*; is it 'nose_tip_z'\?",
        ),
        (",", ";", r"line 1: column 'image' is missing .*; the table is separated by semicolons"),
        ("attr.pose", "pose", r"line 1: column 'pose' is unknown or repeated"),
        ("attr.pose", "nose_tip_x", r"line 1: column 'nose_tip_x' is unknown or repeated"),
        ("box_x0", "nose_tip_v", r"line 1: column 'right_eye_center_v' is missing"),
        ("attr.pose", "schema", r"""line 2: its schema is '"left"', not 'five'"""),
        ("0.png,", "0.png,1,", r"line 2: expected 16 fields, found 17"),
        ("0.png,", "7.png,", r"line 2: annotation without image: no '7.png'"),
        ('"""left"""', "left", r"line 2: attr.pose is 'left'; expected JSON"),
        (",52,", ",2,", r"line 2: box .* no positive size"),
        ("0.png,", "0.png,x", r"line 2: right_eye_center_x: 'x[\d.]+' is not a number"),
    ],
)
def test_bad_csv(tmp_path, old, new, message):
    (path,) = make_csv(tmp_path).labels
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=rf"train.csv: {message}"):
        load_dataset("csv", tmp_path, "train", schema="five")


def test_half_a_csv_point(tmp_path):
    (path,) = make_csv(tmp_path).labels
    header, first, second = path.read_text().splitlines()
    fields = first.split(",")
    fields[1] = ""
    path.write_text("\n".join([header, ",".join(fields), second]))
    with pytest.raises(InputError, match=r"train.csv: line 2: right_eye_center_y is .* is empty; give both"):
        load_dataset("csv", tmp_path, "train", schema="five")


@pytest.mark.parametrize("name", ["cofw", "cofw68", "aflw", "300wlp", "aflw2000"])
def test_truncated_matlab_files(name, tmp_path):
    tiny = MAKERS[name](tmp_path)
    content = tiny.labels[0].read_bytes()
    tiny.labels[0].write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=rf"{tiny.labels[0].name}: is not a readable MATLAB v"):
        load_dataset(name, tiny.root, tiny.split)


def test_cofw_arrays_that_disagree(tmp_path):
    import h5py

    (path,) = make_cofw(tmp_path).labels
    with h5py.File(path, "r+") as file:
        phis = file["phisTr"][:, :2]
        del file["phisTr"]
        file["phisTr"] = phis
    with pytest.raises(InputError, match=r"COFW_train_color.mat: .* need phisTr of 3 x 87.*found \(2, 87\)"):
        load_dataset("cofw", tmp_path, "train")
    with h5py.File(path, "r+") as file:
        del file["bboxesTr"]
    with pytest.raises(InputError, match=r"COFW_train_color.mat: has no array 'bboxesTr'"):
        load_dataset("cofw", tmp_path, "train")


def test_cofw68_without_an_annotation(tmp_path):
    tiny = make_cofw68(tmp_path)
    tiny.labels[1].unlink()
    with pytest.raises(InputError, match=r"2_points.mat: photo without annotation"):
        load_dataset("cofw68", tmp_path, "test")


def test_aflw_arrays_that_disagree(tmp_path):
    from scipy.io import loadmat

    (path,) = make_aflw(tmp_path).labels
    content = {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
    savemat(path, {**content, "ra": np.array([[1, 1, 2, 3, 4]])})
    with pytest.raises(InputError, match=r"'ra' must hold each of 1 to 5 once"):
        load_dataset("aflw", tmp_path, "full")
    savemat(path, {**content, "bbox": content["bbox"][:, [1, 0, 2, 3]]})
    with pytest.raises(InputError, match=r"face 4: box .* has no positive size"):
        load_dataset("aflw", tmp_path, "full")
    savemat(path, {**content, "data": content["data"] * np.nan})
    with pytest.raises(InputError, match=r"face 4: holds a value that is not a pixel coordinate"):
        load_dataset("aflw", tmp_path, "full")
    savemat(path, {**content, "mask_new": content["mask_new"][:4]})
    with pytest.raises(InputError, match=r"5 names need arrays of 5 x 38, 5 x 4 and 5 x 19"):
        load_dataset("aflw", tmp_path, "full")


def test_300wlp_needs_the_landmarks_folder(tmp_path):
    make_300wlp(tmp_path)
    (tmp_path / "landmarks").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"no folder 'landmarks/AFW'.*the .mat beside"):
        load_dataset("300wlp", tmp_path, "train")
