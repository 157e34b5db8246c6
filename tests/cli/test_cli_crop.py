import numpy as np
import pytest
from tiny_model import disc_photo

from efficientfan.imaging import read_rgb, write_image


@pytest.fixture
def run(run_command, model_file):
    """Runs `efficientfan crop ... --model tiny`; returns exit code, standard output and standard error."""

    def call(*arguments):
        return run_command("crop", *arguments, "--model", model_file, "--detector", "whole")

    return call


@pytest.fixture
def folder(tmp_path):
    photos = tmp_path / "photos"
    for name in ("a.png", "b.jpg", "sub/c.png"):
        write_image(photos / name, disc_photo((60, 60, 15)))
    return photos


def test_one_crop_per_face(run, folder, tmp_path):
    code, out, err = run(
        folder, "--recursive", "--out", tmp_path / "crops", "--size", 48, "--template", "box"
    )
    assert (code, out) == (0, "")
    crops = sorted((tmp_path / "crops").rglob("*.png"))
    assert [str(path.relative_to(tmp_path / "crops")) for path in crops] == ["a.png", "b.png", "sub/c.png"]
    for path in crops:
        crop = read_rgb(path)
        assert crop.shape == (48, 48, 3)
        rows, columns = np.nonzero(crop[..., 0] > 128)
        assert (columns.mean(), rows.mean()) == pytest.approx((23.5, 23.5), abs=1)  # the disc is the face
    assert "3 images, 3 faces, 0 failed" in err


def test_margin_and_format(run, folder, tmp_path):
    share = {}
    for margin in (0.0, 1.0):
        out = tmp_path / str(margin)
        options = ("--out", out, "--template", "box", "--margin", margin, "--format", "jpg")
        assert run(folder / "a.png", *options)[0] == 0
        share[margin] = (read_rgb(out / "a.jpg")[..., 0] > 128).mean()
    assert share[0.0] == pytest.approx(4 * share[1.0], rel=0.1)


def test_photos_of_strangers_give_the_same_crops(run, folder, tmp_path):
    for out, *options in (("trusted",), ("untrusted", "--untrusted")):
        assert run(folder / "a.png", "--out", tmp_path / out, *options)[0] == 0
    contents = [(tmp_path / out / "a.png").read_bytes() for out in ("trusted", "untrusted")]
    assert contents[0] == contents[1]


def test_a_broken_photo_is_reported_and_skipped(run, folder, tmp_path):
    (folder / "b.jpg").write_bytes(b"no image")
    code, _, err = run(folder, "--out", tmp_path / "crops")
    assert code == 1
    assert [path.name for path in (tmp_path / "crops").iterdir()] == ["a.png"]
    assert f"error: {folder / 'b.jpg'}: is not an image" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "{photo}/crops"], "cannot be made a folder"),
        (["--out", "{folder}"], "is the photo itself"),
        (["--out", "{out}", "--template", "arcfase"], "did you mean 'arcface'?"),
        (["--out", "{out}", "--size", 0], "--size"),
        (["--out", "{out}", "--margin", -1], "--margin"),
        (["--out", "{out}", "--format", "gif"], "--format"),
        ([], "--out"),
    ],
)
def test_misuse_exits_2_and_writes_nothing(run, folder, tmp_path, arguments, message):
    fill = {"photo": folder / "a.png", "folder": folder, "out": tmp_path / "crops"}
    code, _, err = run(folder / "a.png", *(str(argument).format(**fill) for argument in arguments))
    assert code == 2
    assert message in err
    assert not list(tmp_path.rglob("crops/*"))


def test_two_photos_for_one_crop(run, folder, tmp_path):
    write_image(folder / "a.jpg", disc_photo((60, 60, 15)))
    code, _, err = run(folder, "--out", tmp_path / "crops")
    assert code == 2
    assert "would be written for both" in err
    write_image(folder / "a_face2.png", disc_photo((60, 60, 15)))
    (folder / "a.jpg").unlink()
    code, _, err = run(folder, "--out", tmp_path / "crops")
    assert code == 2
    assert "for a further face of" in err
