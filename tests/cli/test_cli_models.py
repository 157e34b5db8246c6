import hashlib
import sys
from dataclasses import replace

import numpy as np
import pytest
from tiny_model import spec, write_model

from efficientfan import weights
from efficientfan.cli.models import NAMED_NETWORKS, _named, _pairs
from efficientfan.errors import InputError
from efficientfan.imaging import write_image
from efficientfan.predict.backends.onnx import OnnxBackend
from efficientfan.predict.doctor import examine
from efficientfan.predict.fetch import FETCHABLE, cache_dir
from efficientfan.spec import ModelSpec


@pytest.fixture
def packaged(monkeypatch, tmp_path, model_file):
    """A package whose only model is the tiny one, and whose default it is."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "tiny.onnx").write_bytes(model_file.read_bytes())
    (folder / "index.json").write_text('{"default": "tiny"}')
    (folder / "detectors").symlink_to(weights._FOLDER / "detectors")
    monkeypatch.setattr(weights, "_FOLDER", folder)
    return folder


def test_models_by_name_alias_and_path(packaged, model_file):
    assert weights.list_models() == ["tiny"]
    assert weights.find_model("default") == weights.find_model("tiny") == packaged / "tiny.onnx"
    assert weights.find_model(model_file) == weights.find_model(str(model_file)) == model_file
    with pytest.raises(InputError, match=r"huge: no such model file, .* packaged are default, tiny"):
        weights.find_model("huge")


def test_text_of_a_strangers_model_does_not_reach_the_terminal_as_it_is(tmp_path, run_command):
    text = spec(name="\x1b[2J", license="\x1b]0;", provenance={"\x1b": "\x1b"}).to_json()
    model = write_model(tmp_path / "a.onnx", text=text)
    photo = tmp_path / "a.png"
    write_image(photo, np.zeros((64, 64, 3), np.uint8))
    shown, said = (
        run_command(*command) for command in (("models", "show", model), ("predict", photo, "--model", model))
    )
    assert (shown[0], said[0]) == (0, 0)
    assert r"\x1b[2J" in shown[1]
    assert r"model: \x1b[2J" in said[2]
    assert "\x1b" not in shown[1] + shown[2] + said[2]


def test_the_index_names_packaged_models_only():
    assert set(weights.aliases()) == {"default", "default_int8", "fast", "tiny"}
    if weights.list_models():
        assert set(weights.aliases().values()) <= set(weights.list_models())


def test_list_states_the_license(run_command, packaged):
    code, out, _ = run_command("models", "list")
    assert code == 0
    assert out.splitlines()[1] == "  tiny (default): ibug68, 32 px; license: Apache-2.0"


def test_list_names_the_networks_without_torch(run_command, packaged, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    code, out, _ = run_command("models", "list")
    assert code == 0
    assert f"  {', '.join(NAMED_NETWORKS)}, timm/ENCODER" in out.splitlines()


def test_the_networks_named_are_those_that_there_are():
    pytest.importorskip("torch")
    from efficientfan.models import list_networks

    assert list(NAMED_NETWORKS) == list_networks()


def test_show_a_model(run_command, packaged):
    code, out, _ = run_command("models", "show", "default")
    assert code == 0
    table = {line[:15].strip(): line[15:] for line in out.splitlines()}
    assert table["landmarks"] == "68, ibug68"
    assert table["crop"] == "32 px, margin 0.25, stride 4"
    assert table["license"] == "Apache-2.0"
    assert table["training data"] == "none"


def test_show_a_models_whole_spec(run_command, packaged, model_file):
    code, out, _ = run_command("models", "show", "tiny", "--json")
    assert code == 0
    assert ModelSpec.from_json(out).to_json() == OnnxBackend(model_file).spec.to_json()


def test_show_is_short_about_tables_within():
    assert _named({"kernel": 4, "name": "mobilefan"}) == "mobilefan, kernel 4"
    assert _named({"name": "dark"}) == "dark"
    assert _pairs({"recipe": {"name": "r", "train": {"lr": 1}}, "seed": 0}) == "recipe r, seed 0"


def test_show_says_of_an_int8_file_that_its_metrics_are_the_float_models(run_command):
    _, of_int8, _ = run_command("models", "show", "tiny")
    _, of_float, _ = run_command("models", "show", "default")
    assert "(of the float model, before it became int8)" in of_int8
    assert "before it became" not in of_float


def test_show_what_is_neither_model_nor_network(run_command, packaged, tmp_path):
    code, _, err = run_command("models", "show", "none.onnx")
    assert code == 2
    assert "none.onnx" in err
    (tmp_path / "text.onnx").write_text("hello")
    code, _, err = run_command("models", "show", tmp_path / "text.onnx")
    assert code == 2
    assert "text.onnx" in err


def test_show_without_the_train_extra_says_what_to_install(run_command, packaged, monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientfan.models", None)
    code, _, err = run_command("models", "show", "mobilefan")
    assert code == 2
    assert "pip install 'efficientfan[train]'" in err


def test_show_a_named_network(run_command, packaged):
    pytest.importorskip("torch")
    code, out, _ = run_command("models", "show", "mobilefan_050")
    assert code == 0
    assert "parameters" in out
    assert "256 x 256 pixels, 68 landmarks" in out


def test_fetch_from_a_file(run_command, tmp_path, monkeypatch):
    content = b"published"
    known = replace(FETCHABLE["yunet"], sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(FETCHABLE, "yunet", known)
    (tmp_path / "copy.onnx").write_bytes(content)
    code, out, err = run_command("models", "fetch", "yunet", "--file", tmp_path / "copy.onnx")
    assert (code, out.strip()) == (0, str(cache_dir() / known.file_name))
    assert "license MIT" in err
    (tmp_path / "copy.onnx").write_bytes(b"else")
    assert run_command("models", "fetch", "yunet", "--file", tmp_path / "copy.onnx")[0] == 2


def test_doctor_finds_all_well(run_command, packaged):
    code, out, _ = run_command("doctor")
    assert code == 0
    assert "BAD" not in out
    assert "self-test" in out
    assert "video: av " in out


def test_doctor_finds_what_is_broken(run_command, packaged):
    (packaged / "tiny.onnx").write_bytes(b"broken")
    path = cache_dir() / FETCHABLE["yunet"].file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"broken")
    assert {finding.name for finding in examine() if not finding.good} == {"detector yunet", "self-test"}
    assert run_command("doctor")[0] == 1
