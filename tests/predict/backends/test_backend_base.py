"""What all engines share of a device's name and of a run."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_model import SIZE, spec

from efficientfan.errors import InputError
from efficientfan.predict.backends.base import engine_note, run_checked, split_device

KINDS = ("cpu", "cuda", "cuda:N", "mps")


@pytest.mark.parametrize(
    ("device", "expected"),
    [("cpu", ("cpu", None)), ("cuda", ("cuda", None)), ("cuda:0", ("cuda", 0)), ("cuda:12", ("cuda", 12))],
)
def test_a_device_is_a_kind_and_perhaps_a_number(device, expected):
    assert split_device(device, "it", KINDS) == expected


@pytest.mark.parametrize(
    "device", ["", ":", ":0", "cuda:", "cuda:N", "cuda:-1", "cuda:1:2", "CUDA", "mps:0", "mps:", "gpu"]
)
def test_other_devices_are_refused_with_those_that_are_known(device):
    with pytest.raises(InputError, match=f"unknown device '{device}'; it runs on cpu, cuda, cuda:N and mps$"):
        split_device(device, "it", KINDS)


def test_an_engine_gets_whole_arrays_and_only_where_there_are_crops():
    asked = []

    def infer(crops):
        asked.append(crops)
        return np.zeros((len(crops), 68, 2), np.float32), np.ones((len(crops), 68), np.float32)

    crops = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    assert run_checked(crops[:0], spec(), infer).points.shape == (0, 68, 2)
    assert asked == []
    found = run_checked(crops[::-1], spec(), infer)
    assert asked[0].flags.c_contiguous
    np.testing.assert_array_equal(asked[0], crops[::-1])
    assert found.points.shape == (3, 68, 2)
    assert found.scores.min() == 1
    assert found.visibility is None


def test_output_of_another_shape_is_refused():
    crops = np.zeros((3, SIZE, SIZE, 3), np.uint8)
    outputs = [np.zeros((3, 68, 2), np.float32), np.zeros((2, 68), np.float32)]
    with pytest.raises(InputError, match=r"model 'tiny': scores of 3 crops have shape \(2, 68\)"):
        run_checked(crops, spec(), lambda _: outputs)


@pytest.mark.parametrize(
    ("tool", "engine", "noted"),
    [
        ("nncf 3.4.0", "onnxruntime", True),
        ("nncf 3.4.0", "openvino", False),
        ("onnxruntime 1.31", "onnxruntime", False),
        (None, "onnxruntime", False),
    ],
)
def test_an_int8_file_on_an_engine_that_runs_it_slowly_has_a_note(tool, engine, noted):
    provenance = {} if tool is None else {"quantization": {"tool": tool}}
    backend = SimpleNamespace(name=engine, spec=replace(spec(), provenance=provenance))
    assert ("use --backend openvino" in engine_note(backend)) is noted
