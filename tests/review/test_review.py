"""From predictions to labels: which faces are shown, what their folder holds, what comes back of it."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_faces import drawn_annotations

from efficientfan.data.catalog import load_dataset
from efficientfan.evaluation.landmarks.predictions import predictions_schema, stream_predictions
from efficientfan.formats.records import Record
from efficientfan.imaging import read_rgb
from efficientfan.predict.output import open_output
from efficientfan.review import least_sure
from efficientfan.review.cvat import cvat_labels
from efficientfan.schema import LandmarkSchema, get_schema
from efficientfan.structures import Annotation, Face

RunCommand = Callable[..., tuple[int, str, str]]
SCHEMA = get_schema("ibug68")
UNSURE = {"2.png": 0.2, "5.png": 0.1, "7.png": 0.3}
"""Photo -> score of its face; all others have 0.95."""


def found_face(face: Annotation, score: float, shift: float = 0.0) -> Face:
    points = face.points + np.array([shift, 0])
    return Face(face.tight_box, points, np.full(68, score), SCHEMA)


@pytest.fixture
def truth(tmp_path: Path) -> list[Annotation]:
    (tmp_path / "photos").mkdir()
    return drawn_annotations(tmp_path / "photos", 10)


@pytest.fixture
def predicted(tmp_path: Path, truth: list[Annotation], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten photos; the landmarks of the three unsure faces lie 5 pixels to the right."""
    monkeypatch.chdir(tmp_path)
    return write_predictions(Path("predicted.jsonl"), "jsonl", truth)


def write_predictions(out: Path, format_name: str, truth: list[Annotation]) -> Path:
    with open_output(out, format_name, SCHEMA) as writer:
        for face in truth:
            score = UNSURE.get(face.image.name, 0.95)
            faces = [found_face(face, score, 5.0 if score < 0.9 else 0.0)]
            writer.add(Record(f"photos/{face.image.name}", 96, 96, "tiny", SCHEMA, faces))
    return out


def test_the_least_sure_first(
    predicted: Path, tmp_path: Path, truth: list[Annotation], run_command: RunCommand
) -> None:
    code, out, err = run_command("review", predicted, "--out", "review", "--count", 3, "--sure", 0.9)
    assert (code, out) == (0, f"{Path('review/index.html')}\n"), err
    faces = load_dataset("coco", "review", "review", schema="ibug68")
    assert [face.name for face in faces] == ["5.png", "2.png", "7.png"]
    assert [face.attributes["score"] for face in faces] == [0.1, 0.2, 0.3]
    for face in faces:
        copy = tmp_path / "photos" / face.name
        assert face.image.read_bytes() == copy.read_bytes()
        number = int(copy.stem)
        np.testing.assert_allclose(face.points, truth[number].points + np.array([5, 0]), atol=0.001)

    sure = load_dataset("coco", "review", "sure", schema="ibug68")
    assert sorted(face.image.name for face in sure) == sorted(f"{n}.png" for n in (0, 1, 3, 4, 6, 8, 9))
    assert all(face.image.resolve().parent == tmp_path / "photos" for face in sure)


def test_the_page_is_one_file_and_names_are_text(
    tmp_path: Path, truth: list[Annotation], monkeypatch: pytest.MonkeyPatch, run_command: RunCommand
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "<script>alert(1)<&.png"
    (tmp_path / name).write_bytes(truth[0].image.read_bytes())
    with open_output(Path("p.jsonl"), "jsonl", SCHEMA) as writer:
        writer.add(Record(name, 96, 96, "tiny", SCHEMA, [found_face(truth[0], 0.4)]))
    assert run_command("review", "p.jsonl", "--out", "review")[0] == 0
    page = Path("review/index.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;&amp;.png" in page
    assert page.count("<circle") == 68
    assert re.findall(r'(?:href|src)="(?!data:image/jpeg;base64,)', page) == []
    assert "http" not in page


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
def test_names_that_are_not_utf_8_or_too_long(
    predicted: Path, truth: list[Annotation], run_command: RunCommand
) -> None:
    name = os.fsdecode(b"gr\xfcn\x1b.png")
    Path(name).write_bytes(truth[0].image.read_bytes())
    with open_output(Path("p.jsonl"), "jsonl", SCHEMA) as writer:
        for image in (name, "a" * 300 + ".png"):
            writer.add(Record(image, 96, 96, "tiny", SCHEMA, [found_face(truth[0], 0.4)]))
    code, _, err = run_command("review", "p.jsonl", "--out", "review")
    assert (code, "aaa.png: no such photo" in err) == (1, True)
    assert r"gr\udcfcn\x1b.png" in Path("review/index.html").read_text()
    (face,) = load_dataset("coco", "review", "review", schema="ibug68")
    assert face.image == Path("review/images", name)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("made", [True, False])
def test_a_link_is_followed(predicted: Path, run_command: RunCommand, made: bool) -> None:
    target = Path("elsewhere")
    if made:
        target.mkdir()
    Path("review").symlink_to(target, target_is_directory=True)
    assert run_command("review", predicted, "--out", "review")[0] == 0
    assert Path("review").is_symlink()
    assert (target / "index.html").is_file()


def test_names_of_landmarks_are_text_in_the_skeleton() -> None:
    name = '"><script>'
    (label,) = cvat_labels(LandmarkSchema.from_dict({"name": "mine", "landmarks": [name], "flip_pairs": []}))
    assert label["sublabels"][0]["name"] == name
    assert 'data-label-name="&quot;&gt;&lt;script&gt;"' in label["svg"]


@pytest.mark.parametrize(
    ("suffix", "format_name"), [("json", "json"), ("json", "coco"), ("csv", "csv"), ("parquet", "parquet")]
)
def test_every_format_gives_the_same_review(
    predicted: Path, truth: list[Annotation], suffix: str, format_name: str
) -> None:
    other = write_predictions(Path(f"other.{suffix}"), format_name, truth)
    assert predictions_schema(other) == predictions_schema(predicted) == SCHEMA
    expected, found = (least_sure(stream_predictions(path, SCHEMA), 3) for path in (predicted, other))
    assert [face.key for face in found] == [face.key for face in expected]
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine.face.points, theirs.face.points, atol=1e-3)


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_a_folder_of_shards_is_one_file(
    predicted: Path, truth: list[Annotation], run_command: RunCommand, suffix: str
) -> None:
    """Also with a photo that could not be used, which comes first."""
    folder = Path("results")
    (folder / "part-1-of-2").mkdir(parents=True)
    for number, own in enumerate((truth[:4], truth[4:])):
        shard = write_predictions(folder / "part-1-of-2" / f"faces-00000{number}.{suffix}", suffix, own)
        if suffix == "jsonl":
            bad = json.dumps({"image": "bad.png", "error": "is no image", "faces": []})
            shard.write_text(f"{bad}\n{shard.read_text()}")
    assert predictions_schema(folder) == SCHEMA
    expected, found = (least_sure(stream_predictions(path, SCHEMA), 3) for path in (predicted, folder))
    assert [face.key for face in found] == [face.key for face in expected]
    assert run_command("review", folder, "--out", "review", "--count", 3)[0] == 0
    assert len(load_dataset("coco", "review", "review", schema="ibug68")) == 3


def test_what_cannot_be_seen_is_marked_as_covered(
    predicted: Path, truth: list[Annotation], run_command: RunCommand
) -> None:
    likely = np.tile([0.9, 0.1, 0.0], (68, 1))
    likely[3] = [0.2, 0.3, 0.5]
    face = Face(truth[0].tight_box, truth[0].points, np.full(68, 0.4), SCHEMA, visibility=likely)
    with open_output(Path("p.jsonl"), "jsonl", SCHEMA) as writer:
        writer.add(Record("photos/0.png", 96, 96, "tiny", SCHEMA, [face]))
    assert run_command("review", "p.jsonl", "--out", "review")[0] == 0
    (labeled,) = load_dataset("coco", "review", "review", schema="ibug68")
    assert np.flatnonzero(labeled.visibility == 1).tolist() == [3]


def test_memory_holds_the_asked_number_only() -> None:
    """A generator of many faces is consumed, and the lowest come out in order, whatever order they came in."""
    from efficientfan.evaluation.landmarks.matching import ReportedFace

    points = np.zeros((68, 2))
    scores = np.random.default_rng(0).permutation(2000) / 2000
    records = ((f"{n}.png", [ReportedFace(points, None, np.full(68, s))]) for n, s in enumerate(scores))
    found = least_sure(records, 5, below=0.5)
    assert [round(face.score * 2000) for face in found] == [0, 1, 2, 3, 4]


def export_of(review: Path, change: Callable[[dict[str, Any]], None], out: Path) -> Path:
    """What a labeling tool gives back: ids and folders of its own, no names, what `change` did."""
    table = json.loads((review / "review.json").read_text())
    for image in table["images"]:
        image["file_name"] = f"default/{image['file_name']}"
    for face in table["annotations"]:
        del face["name"]
    change(table)
    out.write_text(json.dumps(table))
    return out


def test_corrections_come_back_with_what_was_done(
    predicted: Path, tmp_path: Path, truth: list[Annotation], run_command: RunCommand
) -> None:
    run_command("review", predicted, "--out", "review", "--count", 4)

    def correct(table: dict[str, Any]) -> None:
        by_name = {image["id"]: Path(image["file_name"]).name for image in table["images"]}
        for face in list(table["annotations"]):
            name = by_name[face["image_id"]]
            if name in ("5.png", "2.png"):  # moved to the truth
                points = truth[int(Path(name).stem)].points
                face["keypoints"] = [v for x, y in points.tolist() for v in (x, y, 2)]
            elif name == "7.png":  # was no face
                table["annotations"].remove(face)

    export = export_of(Path("review"), correct, tmp_path / "export.json")
    code, out, err = run_command("review-import", "review", export)
    assert (code, out) == (0, f"{Path('review/corrected.json')}\n"), err
    lines = err.splitlines()
    assert lines[0] == "kept as they were: 1"
    assert re.fullmatch(r"moved: 2, by \d+\.\d% of their size on average", lines[1])
    assert lines[2:] == ["deleted: 1", "added: 0"]
    faces = {face.name: face for face in load_dataset("coco", "review", "corrected", schema="ibug68")}
    assert len(faces) == 3
    for name in ("5.png", "2.png"):
        np.testing.assert_array_equal(faces[name].points, truth[int(Path(name).stem)].points)
        assert read_rgb(faces[name].image).shape == (96, 96, 3)


def test_photos_that_were_not_exported_are_not_labels(
    predicted: Path, tmp_path: Path, run_command: RunCommand
) -> None:
    run_command("review", predicted, "--out", "review", "--count", 3)

    def first_alone(table: dict[str, Any]) -> None:
        table["images"] = table["images"][:1]
        table["annotations"] = table["annotations"][:1]

    export = export_of(Path("review"), first_alone, tmp_path / "export.json")
    _, _, err = run_command("review-import", "review", export)
    assert err.splitlines()[-1] == "not reviewed, their photos are not in the export: 2"
    assert len(load_dataset("coco", "review", "corrected", schema="ibug68")) == 1


def swap_keypoints(table: dict[str, Any]) -> None:
    names = table["categories"][0]["keypoints"]
    names[0], names[1] = names[1], names[0]


def another_photo(table: dict[str, Any]) -> None:
    table["images"][0]["file_name"] = "nowhere.png"


def no_face(table: dict[str, Any]) -> None:
    table["annotations"] = []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swap_keypoints, "its keypoints are not those of 'ibug68' in their order"),
        (another_photo, "photo 'nowhere.png' is not under review"),
        (no_face, "holds no face"),
    ],
)
def test_an_export_that_does_not_fit_is_refused(
    predicted: Path,
    tmp_path: Path,
    run_command: RunCommand,
    change: Callable[[dict[str, Any]], None],
    message: str,
) -> None:
    run_command("review", predicted, "--out", "review", "--count", 3)
    code, out, err = run_command(
        "review-import", "review", export_of(Path("review"), change, tmp_path / "e.json")
    )
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err
    assert not Path("review/corrected.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("review", "nowhere.jsonl", "--out", "review"), "nowhere.jsonl: cannot be read"),
        (
            ("review", "predicted.txt", "--out", "review"),
            "predictions are a .jsonl, .json, .csv or .parquet file, or a folder",
        ),
        (("review", "predicted.jsonl", "--out", "photos"), "photos: is there already"),
        (("review", "predicted.jsonl", "--out", "review", "--photos", "nowhere"), "nowhere: no such folder"),
        (("review", "predicted.jsonl", "--out", "review", "--below", "0.01"), "hold no face to look at"),
        (("review", "bare.jsonl", "--out", "review"), "does not say of which schema"),
        (("review", "bare.jsonl", "--out", "review", "--schema", "ibug68"), "have no scores"),
        (("review-import", "photos", "predicted.jsonl"), "is no folder of `efficientfan review`"),
        (("review-import", "photos", "nowhere.json"), "nowhere.json: no such file"),
    ],
)
def test_misuse_is_one_line_and_leaves_nothing(
    predicted: Path,
    truth: list[Annotation],
    run_command: RunCommand,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    bare = {"image": "photos/0.png", "faces": [{"points": truth[0].points.tolist()}]}
    Path("bare.jsonl").write_text(json.dumps(bare))
    before = sorted(Path().iterdir())
    code, out, err = run_command(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(Path().iterdir()) == before


def test_a_photo_that_is_gone_is_said_and_the_others_are_shown(
    predicted: Path, run_command: RunCommand
) -> None:
    Path("photos/5.png").unlink()
    Path("photos/2.png").write_text("no image")
    code, _, err = run_command("review", predicted, "--out", "review", "--count", 4)
    assert code == 1
    assert "error: photos/5.png: no such photo" in err
    assert "2.png: is not an image" in err
    faces = load_dataset("coco", "review", "review", schema="ibug68")
    assert next(face.name for face in faces) == "7.png"
    assert len(faces) == 2
