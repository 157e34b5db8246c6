"""What teachers say of a batch, on the student's grids."""

import logging
from dataclasses import replace

import pytest
import torch
from torch import nn

from efficientfan.codec import build_decoder
from efficientfan.distill import Teacher, Teachers, channels_of, load_teachers
from efficientfan.distill.teacher import resample, shift_right
from efficientfan.errors import InputError
from efficientfan.models import NetworkOutput, build_network, save_checkpoint
from efficientfan.models.network import Normalize
from efficientfan.schema import get_schema
from efficientfan.spec import ModelSpec

FIVE = get_schema("five")
SPEC = ModelSpec(
    "t",
    {"name": "mobilefan_050"},
    schema=FIVE,
    input_size=64,
    stride=4,
    crop_margin=0.25,
    decoder={"name": "quarter"},
)
GRIDS = {"encoder": 2, "stage1": 4, "stage2": 8, "stage3": 16, "heatmaps": 16}


def network_of(seed=0, **options):
    torch.manual_seed(seed)
    return build_network("mobilefan_050", options.pop("k", 5), **options)


def noise(side, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (2, side, side, 3), dtype=torch.uint8, generator=draw)


def save_teacher(path, options=None, **changes):
    options = options or {}
    spec = replace(SPEC, network={"name": "mobilefan_050", **options}, **changes)
    save_checkpoint(path, network_of(k=spec.schema.n_landmarks, **options), spec)
    return path


class Spots(nn.Module):
    """Gaussians of one cell around the light of a crop, leaning to the right in either mirror image."""

    def __init__(self, size, stride, lean):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(size / 64))
        self.stride, self.lean = stride, lean
        offsets = torch.tensor([[-6.0, -5.0], [6.0, -5.0], [0.0, 0.0], [-5.0, 6.0], [5.0, 6.0]])
        mirrored = offsets[list(FIVE.flip_indices)] * torch.tensor([-1.0, 1.0])
        assert torch.equal(mirrored, offsets)  # the schema's order is that of the offsets
        self.offsets = offsets

    def forward(self, images):
        light = images.clamp(min=0).sum(1)
        ramp = torch.arange(images.shape[3], dtype=torch.float32)
        total = light.sum((1, 2))
        center = torch.stack([(light.sum(1) @ ramp) / total, (light.sum(2) @ ramp) / total], dim=1)
        points = center[:, None] + self.offsets * self.scale + torch.tensor([self.lean, 0.0])
        cells = (points + 0.5) / self.stride - 0.5
        axis = torch.arange(images.shape[3] // self.stride, dtype=torch.float32)
        x = -((axis - cells[..., :1]) ** 2)[:, :, None, :] / 2
        y = -((axis - cells[..., 1:]) ** 2)[:, :, :, None] / 2
        return NetworkOutput(x + y, (light[:, None],))


def lit(side, x, y):
    """A crop with one bright square of four pixels, whose center lies at (x, y) + 0.5."""
    crop = torch.zeros(1, side, side, 3, dtype=torch.uint8)
    crop[0, y : y + 2, x : x + 2] = 200
    return crop


def spots(size=64, lean=1.5, mirrored=False, told=True, decoder="softargmax"):
    """The teacher; its spec knows of the lean if `told`."""
    spec = replace(
        SPEC,
        input_size=size,
        decoder={"name": decoder},
        mirror_offset=lean / size * 1.25 if told else 0.0,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
    )
    return Teacher(Spots(size, 4, lean), spec, mirrored=mirrored)


def points_of(maps, stride=4):
    return build_decoder("softargmax", stride)(maps)[0]


@pytest.mark.parametrize("lean", [1.5, -1.0, 4.0, 0.0])
def test_mirrored_maps_are_those_of_the_crop_and_lean_the_same_way(lean):
    crop = lit(64, 26, 31)
    plain, both = (spots(lean=lean, mirrored=mirrored)(crop).heatmaps for mirrored in (False, True))
    torch.testing.assert_close(points_of(both), points_of(plain), atol=5e-3, rtol=0)
    smeared = (both.flatten(2).softmax(2) - plain.flatten(2).softmax(2)).abs().max()
    assert smeared < 0.02  # a shift by parts of a cell is linear in between


def test_a_lean_that_the_spec_does_not_know_is_averaged_away():
    crop = lit(64, 26, 31)
    plain, both = (
        points_of(spots(lean=2.0, mirrored=mirrored, told=False)(crop).heatmaps) for mirrored in (False, True)
    )
    torch.testing.assert_close(both, plain - torch.tensor([2.0, 0.0]), atol=5e-3, rtol=0)


def test_mirrored_leaves_features_alone():
    crop = lit(64, 26, 31)
    plain, both = (spots(mirrored=mirrored)(crop).features[0] for mirrored in (False, True))
    assert torch.equal(plain, both)


@pytest.mark.parametrize(("size", "side"), [(128, 16), (32, 16), (128, 48)])
def test_resampled_heatmaps_keep_their_points(size, side):
    teacher = spots(size, lean=0.0)
    crop = noise(size)  # its center of light is nearly in the middle
    maps = Teachers([teacher], {"heatmaps": side})({size: crop}).heatmaps
    assert maps.shape == (2, 5, side, side)
    own = points_of(teacher(crop).heatmaps)
    expected = (own + 0.5) / size * side * 4 - 0.5  # in pixels of a crop with `side` cells of four
    torch.testing.assert_close(points_of(maps), expected, atol=0.05, rtol=0)


def test_resampled_features_keep_their_place():
    maps = torch.zeros(1, 1, 32, 32)
    maps[0, 0, 10:14, 20:24] = 1.0  # around cell (21.5, 11.5), of stride 2: pixel (43.5, 23.5)
    small = resample(maps, 8)
    x = (small.sum(2) @ torch.arange(8.0)) / small.sum((2, 3))
    y = (small.sum(3) @ torch.arange(8.0)) / small.sum((2, 3))
    assert ((x + 0.5) * 8 - 0.5).item() == pytest.approx(43.5, abs=0.2)
    assert ((y + 0.5) * 8 - 0.5).item() == pytest.approx(23.5, abs=0.2)
    assert resample(maps, 32) is maps


@pytest.mark.parametrize("cells", [0.0, 1.0, 0.25, -0.75, -2.0, 3.5])
def test_shifts_are_linear_and_keep_the_mass_that_stays(cells):
    maps = torch.zeros(1, 1, 3, 12, dtype=torch.float64)
    maps[0, 0, 1, 5:7] = torch.tensor([1.0, 2.0])
    moved = shift_right(maps, cells)
    assert moved.sum() == pytest.approx(3)
    ramp = torch.arange(12, dtype=torch.float64)
    assert (moved.sum((0, 1, 2)) @ ramp / 3 - 17 / 3).item() == pytest.approx(cells)


def test_one_teacher_on_the_students_grid_is_left_as_it_is():
    network = network_of().eval()
    crops = noise(64)
    expected = network(Normalize(SPEC.mean, SPEC.std)(crops))
    found = Teachers([Teacher(network, SPEC)], GRIDS)({64: crops})
    assert torch.equal(found.heatmaps, expected.heatmaps)
    assert all(torch.equal(*pair) for pair in zip(found.features, expected.features, strict=True))


@pytest.mark.parametrize("decoder", ["softargmax", "quarter"])
def test_heatmaps_of_several_teachers_are_averaged_and_features_joined(decoder):
    spec = replace(SPEC, decoder={"name": decoder})
    networks = [network_of(seed, decoder_channels=16 * (seed + 1)) for seed in range(2)]
    teachers = Teachers([Teacher(network, spec) for network in networks], GRIDS)
    crops = noise(64)
    found = teachers({64: crops})
    single = [teacher(crops) for teacher in teachers.teachers]
    if decoder == "softargmax":
        chances = [each.heatmaps.flatten(2).softmax(2) for each in single]
        torch.testing.assert_close(found.heatmaps.flatten(2).exp(), (chances[0] + chances[1]) / 2)
    else:
        torch.testing.assert_close(found.heatmaps, (single[0].heatmaps + single[1].heatmaps) / 2)
    assert torch.equal(found.features[3], torch.cat([each.features[3] for each in single], dim=1))
    assert teachers.channels == {**channels_of(networks[0], 5), "encoder": 320, "stage1": 48} | {
        "stage2": 48,
        "stage3": 48,
    }
    assert [maps.shape[1] for maps in found.features] == list(teachers.channels.values())[:-1]


def test_teachers_of_several_sizes_and_normalizations_see_the_same_faces():
    other = replace(SPEC, input_size=96, mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.4))
    teachers = Teachers([Teacher(network_of(), SPEC), Teacher(network_of(1), other)], GRIDS)
    assert teachers.crop_sides == {64, 96}
    crops = {64: noise(64), 96: noise(96)}
    found = teachers(crops)
    assert [maps.shape[2] for maps in (*found.features, found.heatmaps)] == list(GRIDS.values())
    expected = teachers.teachers[1].network(Normalize(other.mean, other.std)(crops[96])).features[3]
    torch.testing.assert_close(found.features[3][:, 128:], resample(expected, 16))
    with pytest.raises(InputError, match="takes crops of 96 pixels, which this batch does not carry"):
        teachers({64: crops[64]})


def test_logits_and_heights_cannot_be_averaged():
    kinds = [replace(SPEC, decoder={"name": name}) for name in ("softargmax", "quarter")]
    with pytest.raises(InputError, match=r"cannot be averaged: some are logits.*t softargmax, t quarter"):
        Teachers([Teacher(network_of(), spec) for spec in kinds], GRIDS)


def test_a_teacher_moves_with_the_crops():
    crops = torch.zeros(1, 64, 64, 3, dtype=torch.uint8, device="meta")
    assert Teacher(network_of(), SPEC)(crops).heatmaps.device.type == "meta"


def test_teachers_of_files_fit_the_student_or_are_refused_with_what_differs(tmp_path):
    student = network_of()
    wide = save_teacher(tmp_path / "wide.safetensors", {"decoder_channels": 32}, input_size=96)
    teachers = load_teachers([wide, wide], student, SPEC)
    assert teachers.grids == GRIDS
    assert teachers.channels["stage1"] == 64
    other = save_teacher(tmp_path / "other.safetensors", schema=get_schema("aflw19"))
    short = save_teacher(tmp_path / "short.safetensors", {"stages": 2}, stride=8)
    for path, message in (
        (other, "landmarks: teacher 19 of aflw19.*student 5 of five"),
        (short, "decoder stages: teacher 2, student 3"),
    ):
        with pytest.raises(
            InputError, match=rf"{path.name}: this teacher does not fit the student .{message}"
        ):
            load_teachers([wide, path], student, SPEC)


def test_another_crop_margin_is_said(tmp_path, caplog):
    path = save_teacher(tmp_path / "t.safetensors", crop_margin=0.5)
    with caplog.at_level(logging.WARNING):
        load_teachers([path], network_of(), SPEC)
    assert "crop margin 0.5, the student has 0.25" in caplog.text
