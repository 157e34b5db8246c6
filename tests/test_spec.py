import dataclasses
import json

import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.geometry import BoxCorrection
from efficientfan.schema import get_schema
from efficientfan.spec import DetectorSpec, ModelSpec, read_spec


def make_spec(**changes):
    return ModelSpec(
        **{
            "name": "tiny",
            "network": {"name": "mobilefan", "kernel": 4},
            "schema": get_schema("ibug68"),
            "input_size": 128,
            "stride": 4,
            "crop_margin": 0.25,
            "decoder": {"name": "softargmax"},
            "mean": (0.1, 0.2, 0.3),
            "std": (0.4, 0.5, 0.6),
            "score_threshold": 0.3,
            "license": "research only",
            "training_data": "drawn faces",
            "metrics": {"val_nme": 0.041},
            "provenance": {"recipe": {"train": {"epochs": 3}}, "note": "größer"},
            "code_version": "0.1.0",
            **changes,
        }
    )


def edited(**changes):
    table = json.loads(make_spec().to_json())
    table.update(changes)
    return json.dumps({key: value for key, value in table.items() if value != "drop"})


def test_round_trip():
    spec = make_spec()
    text = spec.to_json()
    assert "\n" not in text
    read = ModelSpec.from_json(text)
    for field in dataclasses.fields(ModelSpec):
        if field.name != "schema":
            assert getattr(read, field.name) == getattr(spec, field.name), field.name
    assert read.schema.to_dict() == spec.schema.to_dict()
    assert read.to_json() == text


def test_a_crop_box_travels_along():
    spec = make_spec(crop_box=BoxCorrection((0.0, 0.1), (1.7, 2.0)))
    read = ModelSpec.from_json(spec.to_json())
    assert read.crop_box == spec.crop_box
    assert read.crop_boxes(np.array([[0, 0, 10, 10]])).tolist() == [[-3.5, -4.0, 13.5, 16.0]]
    assert make_spec().crop_boxes([[0, 0, 10, 10]]) == [[0, 0, 10, 10]]


def test_former_keys_are_read():
    table = json.loads(edited(provenance={"seed": 1, "quantisation": {"tool": "nncf"}}))
    table["licence"] = table.pop("license")
    spec = ModelSpec.from_json(json.dumps(table))
    assert spec.license == "research only"
    assert spec.provenance == {"seed": 1, "quantization": {"tool": "nncf"}}
    with pytest.warns(DeprecationWarning, match=r"spec\.license"):
        assert spec.licence == "research only"


def test_heatmap_size():
    assert make_spec().heatmap_size == 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "3",
        edited(name="drop"),
        edited(schema="drop"),
        edited(color="red"),
        edited(crop_box=3),
        edited(crop_box={"shift": [0, 0]}),
        edited(crop_box={"shift": [0, 0], "scale": [1]}),
        edited(crop_box={"shift": [0, 0], "scale": [1, -1]}),
        edited(schema=[]),
        edited(name=3),
        edited(license=None),
        edited(network="mobilefan"),
        edited(decoder=None),
        edited(metrics=[]),
        edited(stride=True),
        edited(input_size=128.0),
        edited(score_threshold="high"),
        edited(mean=["a", "b", "c"]),
        edited(mean=1),
        edited(mean=[0.5, 0.5]),
        edited(std=[1, 1, 0]),
        edited(input_size="128"),
        edited(input_size=130),
        edited(crop_margin=-1),
        edited(crop_margin=None),
        edited(crop_margin=float("nan")),
        edited(crop_margin=float("inf")),
        edited(crop_margin=1e300),
        edited(crop_margin=10**400),
        edited(score_threshold=float("nan")),
        edited(score_threshold=1.5),
        edited(mirror_offset=float("inf")),
        edited(mean=[0.5, 0.5, float("nan")]),
        edited(std=[1, 1, float("inf")]),
        edited(mean=[0.5, 0.5, 10**400]),
        edited(input_size=10**9),
    ],
)
def test_a_damaged_spec_is_an_error_that_names_its_file(text):
    with pytest.raises(InputError, match=r"face\.onnx: its model spec is damaged"):
        ModelSpec.from_json(text, where="face.onnx")


@pytest.mark.parametrize("reader", [ModelSpec.from_json, DetectorSpec.from_json, read_spec])
def test_a_deeply_nested_spec_is_an_error(reader):
    with pytest.raises(InputError, match=r"face\.onnx: its model spec is nested too deeply"):
        reader('{"network": ' + "[" * 100_000, where="face.onnx")


@pytest.mark.parametrize("version", [2, None, "drop"])
def test_another_format_asks_for_an_upgrade(version):
    with pytest.raises(InputError, match=r"face\.onnx: .*upgrade efficientfan"):
        ModelSpec.from_json(edited(format=version), where="face.onnx")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_size": 130}, "multiple of the stride 4"),
        ({"input_size": 0}, "multiple of the stride"),
        ({"stride": 0}, "multiple of the stride"),
        ({"crop_margin": -1.0}, "crop_margin must be > -1"),
        ({"mean": (0.5,)}, "three values each"),
        ({"std": (1.0, 1.0, 0.0)}, "std > 0"),
    ],
)
def test_impossible_values(changes, message):
    with pytest.raises(InputError, match=message):
        make_spec(**changes)


# Detectors


def detector(**changes):
    values = {
        "name": "finder",
        "network": {"name": "facefinder"},
        "stride": 8,
        "multiple": 32,
        "long_sides": (640, 160),
    }
    return DetectorSpec(**(values | changes))


def test_a_detectors_spec_comes_back_whole():
    spec = detector(score_threshold=0.46, metrics={"val_f1": 0.9}, license="Research only.")
    assert DetectorSpec.from_json(spec.to_json()) == spec
    assert read_spec(spec.to_json()) == spec


def test_the_task_in_the_file_decides_what_it_is():
    assert isinstance(read_spec(make_spec().to_json()), ModelSpec)
    with pytest.raises(InputError, match="it is a model for detection, one for landmarks is needed"):
        ModelSpec.from_json(detector().to_json())
    with pytest.raises(InputError, match="it is a model for landmarks, one for detection is needed"):
        DetectorSpec.from_json(make_spec().to_json())


def test_a_file_from_before_there_were_tasks_is_of_landmarks():
    table = json.loads(make_spec().to_json())
    del table["task"]
    assert read_spec(json.dumps(table)).to_json() == make_spec().to_json()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"multiple": 20}, "20 is no multiple of stride 8"),
        ({"long_sides": ()}, "long_sides"),
        ({"long_sides": (640, 16)}, "at least 32"),
        ({"long_sides": (10**9,)}, "at most 65536"),
        ({"score_threshold": float("nan")}, "score_threshold is within 0 and 1, not nan"),
        ({"long_sides": (640.0,)}, "whole numbers"),
        ({"std": (0.0, 1.0, 1.0)}, "std > 0"),
    ],
)
def test_impossible_detectors_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        detector(**changes)
