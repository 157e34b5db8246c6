"""The cache gives back what the teacher said, bit for bit, and nothing else."""

import logging

import pytest
import torch

from efficientfan.distill import CachedTeacher, Teacher
from efficientfan.errors import InputError
from efficientfan.models import build_network
from efficientfan.recipes.load import recipe_from_dict
from efficientfan.train import fit

SHA = "ab" * 32


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = build_network("mobilefan_050", 5, decoder_channels=16)
    network.train()(torch.randn(4, 3, 64, 64))  # else every map vanishes in eval mode
    return network.to(memory_format=torch.channels_last)


@pytest.fixture
def images():
    noise = torch.randn(3, 64, 64, 3, generator=torch.Generator().manual_seed(1))
    return noise.permute(0, 3, 1, 2)  # as `Normalise` lays them out


class Counted(CachedTeacher):
    """Counts the crops that reached the network."""

    def __init__(self, network, folder, sha256=SHA):
        super().__init__(network, folder, sha256)
        self.asked = 0
        network.encoder.register_forward_pre_hook(self._count)

    def _count(self, module, inputs):
        self.asked += len(inputs[0])


def files_of(folder):
    return sorted(folder.rglob("*.safetensors"))


def assert_same(first, second):
    assert len(first.features) == len(second.features) == 4
    pairs = zip((first.heatmaps, *first.features), (second.heatmaps, *second.features), strict=True)
    for one, other in pairs:
        assert one.dtype == other.dtype
        assert one.stride() == other.stride()  # sums over them are then taken in the same order
        assert torch.equal(one, other)
        assert one.any()


def test_a_second_time_the_network_is_not_asked(network, images, tmp_path):
    teacher = Counted(network, tmp_path / "new" / "cache")
    plain = Teacher(network)(images)
    teacher.asked = 0
    assert_same(teacher(images), plain)
    assert teacher.asked == 3
    assert_same(teacher(images), plain)
    assert teacher.asked == 3
    again = Counted(network, tmp_path / "new" / "cache")
    assert_same(again(images[[2, 0, 1]]), Teacher(network)(images[[2, 0, 1]]))
    assert len(files_of(tmp_path)) == 3


def test_a_batch_with_a_new_crop_is_computed_as_a_whole(network, images, tmp_path):
    teacher = Counted(network, tmp_path)
    teacher(images[:2])
    before = [path.stat().st_mtime_ns for path in files_of(tmp_path)]
    teacher.asked = 0
    teacher(images)
    assert teacher.asked == 3
    assert len(files_of(tmp_path)) == 3
    assert set(before) <= {
        path.stat().st_mtime_ns for path in files_of(tmp_path)
    }  # known ones are left alone


def test_another_teacher_precision_or_crop_is_another_entry(network, images, tmp_path):
    teacher = Counted(network, tmp_path)
    teacher(images[:1])
    Counted(network, tmp_path, "cd" * 32)(images[:1])
    assert len(files_of(tmp_path)) == 2
    with torch.autocast("cpu", torch.bfloat16):
        assert teacher(images[:1]).heatmaps.dtype == torch.bfloat16
        assert teacher(images[:1]).heatmaps.dtype == torch.bfloat16
    assert len(files_of(tmp_path)) == 3
    changed = images[:1].clone()
    changed[0, 0, 5, 5] += 1e-6
    teacher(changed)
    assert len(files_of(tmp_path)) == 4


def damage(kind, path, other):
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "empty": b"",
            "cut": whole[:-100],
            "text": b"hello " * 50,
            "one bit": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "another crop's": other.read_bytes(),
        }[kind]
    )


@pytest.mark.parametrize("kind", ["empty", "cut", "text", "one bit", "another crop's"])
def test_damaged_and_foreign_files_are_computed_anew(network, images, tmp_path, caplog, kind):
    teacher = Counted(network, tmp_path)
    plain = teacher(images)
    path, other, _ = files_of(tmp_path)
    damage(kind, path, other)
    with caplog.at_level(logging.WARNING):
        assert_same(teacher(images), plain)
    assert [record.args[0] for record in caplog.records] == [path]
    assert "computed anew" in caplog.text
    teacher.asked = 0
    teacher(images)
    assert teacher.asked == 0


def test_a_full_disk_is_said_once_and_stops_nothing(network, images, tmp_path, caplog, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("efficientfan.distill.cache.write_bytes", full)
    teacher = Counted(network, tmp_path)
    with caplog.at_level(logging.WARNING):
        assert_same(teacher(images), Teacher(network)(images))
        teacher(images)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No space left" in caplog.text


def test_a_visibility_heads_answer_is_kept_too(images, tmp_path):
    torch.manual_seed(0)
    teacher = CachedTeacher(build_network("mobilefan_050", 5, visibility=True), tmp_path, SHA)
    assert torch.equal(teacher(images).visibility, teacher(images).visibility)
    assert teacher(images).visibility.shape == (3, 5, 3)


def test_a_file_is_no_folder(network, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file: is no folder for a cache"):
        CachedTeacher(network, tmp_path / "file", SHA)


def recipe(**sections):
    return recipe_from_dict(
        {
            "name": "small",
            "data": {"schema": "five", "train": [{"dataset": "300w"}]},
            "model": {"network": "mobilefan_050", "input_size": 64},
            **sections,
        }
    )


DISTILL = {"teacher": "t.safetensors", "terms": [{"kind": "fa"}]}


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({}, "recipe 'small' has no teacher whose outputs --teacher-cache could keep"),
        ({"distill": DISTILL, "augmentation": {"rotation": 5, "flip": 0}}, "--set augmentation.rotation=0"),
        ({"distill": DISTILL, "augmentation": {}}, r"--set augmentation.*\.flip=0 augmentation.colour=0"),
    ],
)
def test_recipes_that_a_cache_cannot_serve_are_refused(tmp_path, sections, message):
    with pytest.raises(InputError, match=message):
        fit(recipe(**sections), tmp_path / "run", teacher_cache=tmp_path / "cache")
    assert list(tmp_path.iterdir()) == []
