"""Networks: size and cost as published, one contract for all of them, checkpoints, and refusals."""

import logging
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from efficientfan.errors import InputError, MissingDependencyError
from efficientfan.models import build_network, list_networks, load_checkpoint, save_checkpoint, summarize
from efficientfan.models.decoder import UpsamplingDecoder
from efficientfan.models.deployed import DeployedNet
from efficientfan.models.detector import build_detector_network
from efficientfan.models.encoder import Encoder
from efficientfan.models.head import VisibilityHead
from efficientfan.schema import get_schema
from efficientfan.spec import ModelSpec


def build_on_meta(name, n_landmarks=68, **options):
    """A network without numbers: shapes and counts at no cost."""
    with torch.device("meta"):
        return build_network(name, n_landmarks, **options)


@pytest.mark.parametrize(
    ("name", "options", "parameters", "macs"),
    [  # millions, and thousand millions at 256 x 256 with 68 landmarks
        ("mobilefan", {}, 2.12, 0.49),
        ("mobilefan", {"kernel": 4}, 3.00, 0.78),
        ("mobilefan_050", {}, 0.70, 0.23),
        ("efficientfan_b0", {}, 3.90, 0.61),
        ("efficientfan_b0", {"kernel": 4}, 4.78, 0.89),
        ("teacher_resnet50", {}, 34.0, 7.29),
        ("teacher_efficientnet_b7", {}, 66.9, 8.2),
    ],
)
def test_size_and_cost_are_those_counted_for_the_papers(name, options, parameters, macs):
    network = build_on_meta(name, **options)
    with torch.device("meta"):
        summary = summarize(network, 256)
    assert summary.parameters / 1e6 == pytest.approx(parameters, abs=0.02)
    assert summary.macs / 1e9 == pytest.approx(macs, abs=0.007 if macs < 8 else 0.05)
    assert network.training  # counting leaves the mode as it was


@pytest.mark.parametrize("name", [*list_networks(), "timm/resnet18"])
def test_every_network_keeps_the_contract(name):
    network = build_on_meta(name, n_landmarks=5)
    output = network(torch.zeros(2, 3, 96, 96, device="meta"))
    assert output.heatmaps.shape == (2, 5, 96 // network.stride, 96 // network.stride)
    assert tuple(f.shape[1] for f in output.features) == network.feature_channels
    assert [f.shape[2] for f in output.features] == [3, 6, 12, 24]
    assert network.encoder.stride == 32
    assert network.stride == 4


def test_a_lateral_network_sees_every_finer_map():
    torch.manual_seed(0)
    network = build_network("mobilefan_050", 5, lateral=True, decoder_channels=16).eval()
    with torch.no_grad():
        *finer, last = network.encoder(torch.randn(1, 3, 64, 64))
        before = network.decoder(last, finer[::-1])
        assert [each.shape[2] for each in finer] == [16, 8, 4]
        for level in range(3):
            changed = list(finer)
            changed[level] = finer[level] + 1
            after = network.decoder(last, changed[::-1])
            differ = [not torch.equal(one, other) for one, other in zip(before, after, strict=True)]
            # The finest reaches the last stage alone, the coarsest all of them.
            assert differ == [stage >= 2 - level for stage in range(3)]


def test_laterals_are_extra_weights_and_a_plain_decoder_has_none():
    plain = build_on_meta("mobilefan_050")
    lateral = build_on_meta("mobilefan_050", lateral=True)
    extra = set(lateral.state_dict()) - set(plain.state_dict())
    assert plain.state_dict().keys() < lateral.state_dict().keys()
    assert all(name.startswith("decoder.laterals.") for name in extra)
    assert plain.encoder.level_channels == lateral.encoder.level_channels[-1:]
    weights = sum(lateral.state_dict()[name].numel() for name in extra if name.endswith("0.weight"))
    assert weights == plain.decoder.channels * sum(lateral.encoder.level_channels[:-1])


def test_the_network_for_products_is_small():
    network = build_on_meta("efficientfan_lite0", visibility=True)
    with torch.device("meta"):
        assert 3.3e6 < summarize(network, 128).parameters < 4e6


@pytest.mark.parametrize("laterals", [[8, 8], [8, 8, 8, 8]])
def test_a_decoder_takes_a_lateral_map_for_each_stage(laterals):
    with pytest.raises(InputError, match=f"of 3 stages takes as many lateral maps, not {len(laterals)}"):
        UpsamplingDecoder(16, 8, 2, stages=3, laterals=laterals)


@pytest.mark.parametrize(("stages", "kernel"), [(1, 2), (2, 4), (4, 4), (3, 2)])
def test_stages_and_kernel_of_the_decoder(stages, kernel):
    network = build_on_meta("mobilefan_050", stages=stages, kernel=kernel, decoder_channels=24)
    output = network(torch.zeros(1, 3, 64, 64, device="meta"))
    assert [f.shape[1:] for f in output.features[1:]] == [(24, 4 * 2**s, 4 * 2**s) for s in range(stages)]


def test_a_face_does_not_depend_on_its_batch():
    torch.manual_seed(0)
    network = build_network("mobilefan_050", 5).eval()
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        together, alone = network(images).heatmaps[1], network(images[1:2]).heatmaps[0]
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-7)


def test_the_integral_heads_maps_are_not_negative():
    torch.manual_seed(0)
    network = build_network("mobilefan_050", 5, head="integral")
    heatmaps = network(torch.randn(2, 3, 64, 64)).heatmaps
    assert heatmaps.min() == 0
    assert heatmaps.max() > 0


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "mobilefun",
            {},
            "unknown network 'mobilefun'; did you mean 'mobilefan'\\? known are mobilefan, .* and timm/ENCODER",
        ),
        ("timm/mobilenetv2_10", {}, "timm has no encoder 'mobilenetv2_10'; similar: .*mobilenetv2_100"),
        ("timm/none_such", {}, "timm has no encoder 'none_such'; similar: see timm.list_models"),
        ("mobilefan", {"width": 2}, "network 'mobilefan': .*width"),
        ("mobilefan", {"head": "tail"}, "unknown head 'tail'; known are heatmap, integral"),
        ("mobilefan_050", {"kernel": 3}, "kernel is 2 or 4, not 3"),
        ("mobilefan_050", {"stages": 0}, "at least one stage"),
    ],
)
def test_what_cannot_be_built_is_refused(name, options, message):
    with pytest.raises(InputError, match=message):
        build_on_meta(name, **options)


# ImageNet weights


@pytest.fixture
def offline(monkeypatch):
    import timm

    create = timm.create_model

    def without_network(name, pretrained=False, **options):
        if pretrained:
            raise OSError("no route to the hub")
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", without_network)


def test_imagenet_weights_that_cannot_be_had_are_an_error(offline):
    with pytest.raises(MissingDependencyError, match=r"mobilenetv2_050.*no route to the hub.*init=scratch"):
        build_network("mobilefan_050", 5, init="imagenet")


def test_auto_starts_from_scratch_and_says_so(offline, caplog):
    with caplog.at_level(logging.WARNING):
        build_network("mobilefan_050", 5, init="auto")
    assert "mobilenetv2_050: ImageNet weights cannot be had here; it starts from scratch" in caplog.text


# Checkpoints


def spec(**changes):
    fields = {
        "name": "small", "schema": get_schema("five"),
        "network": {"name": "mobilefan_050", "decoder_channels": 16},
        "input_size": 64, "stride": 4, "crop_margin": 0.25, "decoder": {"name": "quarter"},
    }  # fmt: skip
    return ModelSpec(**{**fields, **changes})


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = build_network("mobilefan_050", 5, decoder_channels=16)
    network(torch.randn(2, 3, 64, 64))  # batch statistics that are not those of a new network
    return network.eval()


@pytest.fixture
def checkpoint(tmp_path, network):
    save_checkpoint(tmp_path / "small.safetensors", network, spec())
    return tmp_path / "small.safetensors"


def test_a_checkpoint_brings_back_network_and_spec(checkpoint, network):
    loaded, its_spec = load_checkpoint(checkpoint)
    assert its_spec.to_json() == spec().to_json()
    assert not loaded.training
    state, expected = loaded.state_dict(), network.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded(images).heatmaps, network(images).heatmaps)


def test_a_missing_checkpoint_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"none\.safetensors: cannot be read"):
        load_checkpoint(tmp_path / "none.safetensors")


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.5, 0.999])
def test_half_a_checkpoint_is_refused(checkpoint, share):
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"small\.safetensors: is not a whole safetensors file"):
        load_checkpoint(checkpoint)


def test_a_pickle_is_refused_unread(tmp_path):
    path = tmp_path / "evil.safetensors"
    torch.save({"weights": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="is not a whole safetensors file"):
        load_checkpoint(path)


def test_an_exported_model_is_no_checkpoint(tmp_path):
    with pytest.raises(InputError, match=r"m\.onnx: is an exported model; a \.safetensors file .* is needed"):
        load_checkpoint(tmp_path / "m.onnx")


def test_somebody_elses_safetensors_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(InputError, match=r"other\.safetensors: holds no efficientfan\.spec"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"network": {"name": "mobilefan_050", "decoder_channels": 32}},
        {"network": {"name": "mobilefan", "decoder_channels": 16}},
        {"schema": get_schema("aflw19")},
    ],
)
def test_weights_that_do_not_fit_their_spec_are_refused(tmp_path, network, changes):
    path = tmp_path / "unfit.safetensors"
    save_checkpoint(path, network, spec(**changes))
    with pytest.raises(InputError, match=r"unfit\.safetensors: its weights do not fit its own spec"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"network": {}},
        {"network": {"name": 3}},
        {"network": {"name": "mobilefan_050", "color": "red"}},
        {"network": {"name": "mobilefan_050", "decoder_channels": "many"}},
        {"network": {"name": "mobilefan_050", "decoder_channels": -1}},
        {"decoder": {}},
        {"decoder": {"name": "local", "color": "red"}},
    ],
)
def test_half_a_spec_is_refused(tmp_path, network, changes):
    path = tmp_path / "half.safetensors"
    save_checkpoint(path, network, spec(**changes))
    with pytest.raises(InputError, match=r"^\S*half\.safetensors: its model spec is of no use \([^\n]*$"):
        load_checkpoint(path)


# torchvision


def run(code):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120
    )


def test_the_guard_declares_operators_exactly_where_torchvision_lacks_them():
    plain = run("import torchvision")
    guarded = run(
        "from efficientfan.models.torchvision_guard import declare_torchvision_operators as declare\n"
        "first = declare()\n"
        "import torch, torchvision\n"
        "torch.ops.torchvision.nms\n"
        "print(first, declare())"
    )
    assert guarded.returncode == 0, guarded.stderr
    assert guarded.stdout.split() == [str(plain.returncode != 0), "False"]


def test_a_visibility_head_is_extra_weight_and_nothing_else():
    torch.manual_seed(0)
    plain = build_network("mobilefan", 68)
    torch.manual_seed(0)
    seeing = build_network("mobilefan", 68, visibility=True)
    images = torch.randn(2, 3, 64, 64)
    assert plain(images).visibility is None
    assert seeing(images).visibility.shape == (2, 68, 3)
    torch.testing.assert_close(seeing.eval()(images).heatmaps, plain.eval()(images).heatmaps, rtol=0, atol=0)
    names = set(seeing.state_dict()) - set(plain.state_dict())
    assert names == {"visibility.conv.weight", "visibility.conv.bias"}
    assert plain.state_dict().keys() < seeing.state_dict().keys()
    extra = sum(seeing.state_dict()[name].numel() for name in names)
    assert extra == 4 * 68 * (320 + 1)


def test_the_visibility_head_looks_where_its_attention_is():
    head = VisibilityHead(2, 3)
    with torch.no_grad():
        head.conv.weight.zero_()
        rows = head.conv.weight[:, :, 0, 0].view(3, 4, 2)
        rows[1, 0, 0] = 100  # landmark 1 looks at channel 0
        rows[1, 3, 1] = 1  # and calls "turned away" what channel 1 holds there
    features = torch.zeros(1, 2, 4, 4)
    features[0, :, 2, 3] = torch.tensor([1.0, 7.0])
    features[0, 1, 0, 0] = -50
    logits = head(features)
    torch.testing.assert_close(logits[0], torch.tensor([[0.0, 0, 0], [0, 0, 7], [0, 0, 0]]))


def test_deployed_visibility_is_a_probability():
    torch.manual_seed(0)
    for options in ({}, {"visibility": True}):
        network = build_network("mobilefan_050", 5, **options)
        spec = ModelSpec(
            "n", {"name": "mobilefan_050", **options}, get_schema("five"), 64, 4, 0.25, {"name": "quarter"}
        )
        found = DeployedNet(network, spec).eval()(torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8))
        assert tuple(name for name, value in found._asdict().items() if value is not None) == spec.outputs
    torch.testing.assert_close(found.visibility.sum(dim=2), torch.ones(2, 5))
    assert found.visibility.min() > 0


def test_a_detectors_stem_can_be_thinner():
    network = build_detector_network("facefinder", levels=2)
    thin, thick = (build_detector_network("facefinder", stem=stem).encoder.backbone for stem in (8, None))
    assert network.encoder.backbone.conv_stem.out_channels == 16
    assert (thin.conv_stem.out_channels, thick.conv_stem.out_channels) == (8, 32)
    images = torch.randn(2, 3, 64, 96)
    assert [each.shape for each in thin(images)] == [each.shape for each in thick(images)]


def test_a_stem_that_cannot_be_thinner():
    with pytest.raises(InputError, match="starts from scratch, not from auto"):
        build_detector_network("facefinder", init="auto")
    with pytest.raises(InputError, match="stem of 'resnet18' cannot be changed"):
        Encoder("resnet18", stem=8)
