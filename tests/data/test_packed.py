"""Packed data sets: the same faces, the same samples, the same network, and what damage says."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_datasets import make_coco, make_cofw
from tiny_training import tiny_recipe

from efficientfan.data.catalog import load_dataset
from efficientfan.data.packed import pack_dataset
from efficientfan.errors import InputError
from efficientfan.imaging import photo_size, read_rgb
from efficientfan.schema import get_schema
from efficientfan.structures import Annotation

RunCommand = Callable[..., tuple[int, str, str]]


def assert_same_faces(found: list[Annotation], expected: list[Annotation]) -> None:
    assert [face.name for face in found] == [face.name for face in expected]
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine.points, theirs.points)
        np.testing.assert_array_equal(mine.visibility, theirs.visibility)
        assert (mine.box is None) == (theirs.box is None)
        if mine.box is not None:
            np.testing.assert_array_equal(mine.box, theirs.box)
        assert mine.attributes == theirs.attributes
        np.testing.assert_array_equal(read_rgb(mine.image), read_rgb(theirs.image))
        assert photo_size(mine.image) == photo_size(theirs.image)


@pytest.mark.parametrize(
    ("make", "name", "split", "schema"),
    [(make_coco, "coco", "train", "five"), (make_cofw, "cofw", "train", None)],
)
def test_every_face_comes_back(
    tmp_path: Path,
    run_command: RunCommand,
    make: Callable[[Path], Any],
    name: str,
    split: str,
    schema: str | None,
) -> None:
    """Photos of several faces, boxes, attributes, unlabeled points; photos that lie in a MATLAB file."""
    make(tmp_path / "plain")
    more = ["--schema", schema] if schema else []
    code, out, err = run_command(
        "data", "pack", name, tmp_path / "plain", "--split", split, "--out", tmp_path / "packed", *more
    )
    assert code == 0, err
    assert out.endswith("in 1 tar files\n")
    expected = load_dataset(name, tmp_path / "plain", split, schema=schema, warn=False)
    found = load_dataset(name, tmp_path / "packed", split, schema=schema, warn=False)
    assert_same_faces(found, expected)
    code, out, _ = run_command(
        "data", "check", name, tmp_path / "packed", "--split", split, "--allow-partial", *more
    )
    assert (code, "fit to use" in out) == (0, True)


@pytest.fixture
def packed(drawn_300w: Path, tmp_path: Path) -> Path:
    """The drawn faces in several tar files."""
    faces = load_dataset("300w", drawn_300w, "train", warn=False)
    shards = pack_dataset(
        faces, tmp_path, "train", dataset="300w", schema=get_schema("ibug68"), shard_bytes=40_000
    )
    assert len(shards) > 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*(path.name for path in shards), "train.index.npz"]
    )
    return tmp_path


def test_other_tools_read_the_tar_files(packed: Path, drawn_300w: Path) -> None:
    """webdataset's layout: files of one sample follow each other and share the name before the dot."""
    expected = load_dataset("300w", drawn_300w, "train", warn=False)
    names, faces, photos = [], [], []
    for shard in sorted(packed.glob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                content = tar.extractfile(member)
                assert content is not None
                names.append(member.name)
                if member.name.endswith(".json"):
                    faces += json.loads(content.read())
                else:
                    photos.append(read_rgb(io.BytesIO(content.read())))
    assert names == [f"{n:09d}.{suffix}" for n in range(len(expected)) for suffix in ("png", "json")]
    for photo, face, truth in zip(photos, faces, expected, strict=True):
        assert face["name"] == truth.name
        np.testing.assert_array_equal(face["points"], truth.points)
        np.testing.assert_array_equal(photo, read_rgb(truth.image))


def test_the_same_samples_and_the_same_network_also_when_resumed(
    drawn_300w: Path, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.numpy import load_file

    from efficientfan.recipes.run_folder import RunFolder
    from efficientfan.train import fit
    from efficientfan.train.callbacks import KeepLast

    settings = ["train.epochs=1", "train.checkpoint_steps=2", "train.workers=0"]
    expected = load_file(fit(tiny_recipe(drawn_300w, *settings), tmp_path / "plain", devices=1))

    kept: dict[int, bytes] = {}
    save = KeepLast.save

    def save_and_keep(self: KeepLast, trainer: Any) -> None:
        save(self, trainer)
        kept[trainer.global_step] = self.path.read_bytes()

    monkeypatch.setattr(KeepLast, "save", save_and_keep)
    recipe, folder = tiny_recipe(packed, *settings), RunFolder(tmp_path / "packed")
    fit(recipe, folder.path, devices=1)
    assert 2 in kept  # in the middle of the epoch of six steps
    folder.last.write_bytes(kept[2])
    folder.model.unlink()
    resumed = load_file(fit(recipe, folder.path, resume=True, devices=1))
    for name, weights in expected.items():
        np.testing.assert_array_equal(resumed[name], weights, err_msg=name)


def cut_shard(root: Path) -> None:
    shard = root / "train-00001.tar"
    shard.write_bytes(shard.read_bytes()[:-600])


def lose_shard(root: Path) -> None:
    (root / "train-00001.tar").unlink()


def damage_index(root: Path) -> None:
    index = root / "train.index.npz"
    index.write_bytes(index.read_bytes()[:-100])


def text_for_index(root: Path) -> None:
    (root / "train.index.npz").write_text("hello")


def unknown_compression(root: Path) -> None:
    """Of the first member, in its own header and in the directory: 77 instead of 0 or 8."""
    index = root / "train.index.npz"
    content = bytearray(index.read_bytes())
    content[8] = content[content.find(b"PK\1\2") + 10] = 77
    index.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (unknown_compression, "train.index.npz: is no index of"),
        (cut_shard, "train-00001.tar: has "),
        (lose_shard, "train-00001.tar: is missing; copy it anew"),
        (damage_index, "train.index.npz: is no index of"),
        (text_for_index, "train.index.npz: is no index of"),
    ],
)
def test_damage_is_found_when_the_data_set_is_read(
    packed: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(packed)
    with pytest.raises(InputError, match=message):
        load_dataset("300w", packed, "train", warn=False)


def test_a_shard_that_was_changed_under_its_index_is_no_other_photo(packed: Path) -> None:
    faces = load_dataset("300w", packed, "train", warn=False)
    first, second = (packed / f"train-0000{number}.tar" for number in (0, 1))
    first.write_bytes(second.read_bytes())
    with pytest.raises(InputError, match=r"train-00000.tar/0/000000000.png: holds '0000\d+.png' there; pack"):
        read_rgb(faces[0].image)
    first.write_bytes(b"\1" * 2000)
    with pytest.raises(InputError, match="no file begins there"):
        read_rgb(faces[0].image)


def test_another_data_set_or_schema_is_refused(packed: Path) -> None:
    with pytest.raises(InputError, match="packed with data set '300w', not 'lapa'"):
        load_dataset("lapa", packed, "train")
    with pytest.raises(InputError, match="packed with schema 'ibug68', not 'wflw98'"):
        load_dataset("300w", packed, "train", schema="wflw98")


def test_misuse(packed: Path, drawn_300w: Path, tmp_path: Path, run_command: RunCommand) -> None:
    command = ("data", "pack", "300w", drawn_300w, "--split", "train", "--out", packed)
    code, _, err = run_command(*command)
    assert code == 2
    assert "holds split 'train' already" in err
    out = tmp_path / "table.json"
    code, _, err = run_command(
        "data", "convert", "300w", packed, "--split", "train", "--to", "coco", "--out", out
    )
    assert code == 2
    assert "is packed, and this format names photos by files; convert to pts" in err
    code, _, _ = run_command(
        "data", "convert", "300w", packed, "--split", "train", "--to", "pts", "--out", tmp_path / "pts"
    )
    assert code == 0
    assert len(list((tmp_path / "pts").rglob("*.png"))) == 30


def test_a_pack_that_is_interrupted_leaves_no_index(drawn_300w: Path, tmp_path: Path) -> None:
    faces = load_dataset("300w", drawn_300w, "train", warn=False)
    gone = Annotation(tmp_path / "gone.png", faces[-1].points, faces[-1].visibility)
    with pytest.raises(InputError, match=r"gone.png: cannot be read \(No such file"):
        pack_dataset([*faces, gone], tmp_path / "out", "train", dataset="300w", schema=get_schema("ibug68"))
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "gone.png").write_bytes(faces[0].image.read_bytes())
    pack_dataset([*faces, gone], tmp_path / "out", "train", dataset="300w", schema=get_schema("ibug68"))
    assert len(load_dataset("300w", tmp_path / "out", "train", warn=False)) == len(faces) + 1


def test_a_folder_that_is_called_like_a_tar_file(tmp_path: Path) -> None:
    from efficientfan.packed import is_packed, photo_bytes

    photo = tmp_path / "photos.tar" / "512" / "a.png"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"plain")
    assert not is_packed(photo)
    assert photo_bytes(photo) == b"plain"
