import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tiny_model import SIZE, spec, tiny_graph, write_model

from efficientfan.errors import InputError, MissingDependencyError
from efficientfan.predict import LandmarkPredictor, OnnxBackend
from efficientfan.predict.backends.onnx import open_session
from efficientfan.predict.detectors import WholeImageDetector


def test_spec_rides_in_the_file(model_file):
    backend = OnnxBackend(model_file)
    assert backend.spec.name == "tiny"
    assert backend.spec.schema.n_landmarks == 68
    assert backend.device == "cpu"


def test_threads_do_not_spin_between_runs(model_file):
    options = open_session(model_file, threads=2).get_session_options()
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"
    assert options.get_session_config_entry("session.intra_op.spin_duration_us") == "100"


def test_no_memory_is_kept_for_each_size_of_batch(model_file):
    assert not open_session(model_file).get_session_options().enable_mem_pattern


def test_no_crops_give_no_points(model_file):
    found = OnnxBackend(model_file).run(np.zeros((0, SIZE, SIZE, 3), np.uint8))
    assert found.points.shape == (0, 68, 2)
    assert found.scores.shape == (0, 68)
    assert found.visibility is None


SEEING = spec(network={"name": "none", "visibility": True}).to_json()


def test_visibility_where_the_model_tells_it(tmp_path):
    backend = OnnxBackend(write_model(tmp_path / "seeing.onnx", tiny_graph(visibility=True), SEEING))
    found = backend.run(np.full((2, SIZE, SIZE, 3), 51, np.uint8))
    np.testing.assert_allclose(found.visibility, np.tile([0.2, 0.05, 0.0], (2, 68, 1)), atol=1e-6)
    assert backend.run(np.zeros((0, SIZE, SIZE, 3), np.uint8)).visibility.shape == (0, 68, 3)


def test_an_output_that_the_spec_does_not_speak_of_is_left_alone(tmp_path):
    backend = OnnxBackend(write_model(tmp_path / "more.onnx", tiny_graph(visibility=True)))
    assert backend.run(np.zeros((1, SIZE, SIZE, 3), np.uint8)).visibility is None


@pytest.mark.parametrize(
    "crops", [np.zeros((1, SIZE, SIZE, 3), np.float32), np.zeros((1, 3, SIZE, SIZE), np.uint8)]
)
def test_other_crops_are_refused(model_file, crops):
    with pytest.raises(InputError, match=r"crops are \(N, 32, 32, 3\) uint8"):
        OnnxBackend(model_file).run(crops)


def damage(kind, whole):
    return {
        "empty": b"",
        "text": b"hello\n" * 99,
        "cut": whole[: len(whole) // 2],
        "flipped": whole[:40] + b"\xff" * 40,
    }[kind]


@pytest.mark.parametrize("kind", ["empty", "text", "cut", "flipped"])
def test_damaged_files_are_named(model_file, tmp_path, kind):
    path = tmp_path / "broken.onnx"
    path.write_bytes(damage(kind, model_file.read_bytes()))
    with pytest.raises(InputError, match=r"broken\.onnx") as caught:
        OnnxBackend(path)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "none.onnx", tmp_path):
        with pytest.raises(InputError, match="no such model file"):
            OnnxBackend(path)


def test_a_foreign_model_is_refused(tmp_path):
    path = tmp_path / "foreign.onnx"
    onnx.save(tiny_graph(), path)
    with pytest.raises(InputError, match="not a model of efficientfan"):
        OnnxBackend(path)


@pytest.mark.parametrize(
    ("graph", "text", "message"),
    [
        (tiny_graph(), "{", "spec is damaged"),
        (tiny_graph(), spec(input_size=64).to_json(), "the spec wants uint8"),
        (tiny_graph(points_name="landmarks"), None, "has no 'points'"),
        (tiny_graph(batch=1), None, "the spec wants"),
        (tiny_graph(), SEEING, "has no 'visibility'"),
    ],
)
def test_graph_and_spec_must_agree(tmp_path, graph, text, message):
    with pytest.raises(InputError, match=message):
        OnnxBackend(write_model(tmp_path / "odd.onnx", graph, text))


@pytest.mark.parametrize("text", [b'"tiny"', b"tiny"], ids=["spec", "any name"])
def test_metadata_that_is_not_text_is_refused(tmp_path, text, capfd):
    path = write_model(tmp_path / "odd.onnx")
    content = path.read_bytes()
    assert text in content
    path.write_bytes(content.replace(text, text.replace(b"in", b"\xff\xfe")))
    with pytest.raises(InputError, match=r"odd\.onnx: its metadata is not UTF-8"):
        OnnxBackend(path)
    assert capfd.readouterr() == ("", "")  # standard output is for results


CROPS = np.full((2, SIZE, SIZE, 3), 51, np.uint8)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_output_that_is_not_finite_is_said(tmp_path, value):
    graph = tiny_graph()
    flat = next(each for each in graph.graph.initializer if each.name == "flat")
    flat.CopyFrom(numpy_helper.from_array(np.full((1, 68), value, np.float32), "flat"))
    backend = OnnxBackend(write_model(tmp_path / "odd.onnx", graph))
    with pytest.raises(InputError, match="model 'tiny': gives numbers that are not finite"):
        backend.run(CROPS)
    predictor = LandmarkPredictor(backend, WholeImageDetector())
    with pytest.raises(InputError, match="not finite"):
        predictor(CROPS[0])


def test_a_graph_that_fails_is_said(tmp_path):
    failing = tiny_graph()
    rows = next(each for each in failing.graph.initializer if each.name == "rows")
    rows.CopyFrom(numpy_helper.from_array(np.zeros((1, SIZE + 1, 1), np.float32), "rows"))
    with pytest.raises(InputError, match=r"odd\.onnx|model 'tiny': cannot be run"):
        OnnxBackend(write_model(tmp_path / "odd.onnx", failing)).run(CROPS)


def test_a_missing_device_is_an_error(model_file, monkeypatch):
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(MissingDependencyError, match="onnxruntime-gpu"):
        OnnxBackend(model_file, "cuda:0")


def test_a_device_that_does_not_start_is_an_error(model_file, monkeypatch):
    """ONNX Runtime itself would go on with the processor."""
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr("efficientfan.predict.backends.onnx.ort.InferenceSession", _OnProcessor)
    with pytest.raises(MissingDependencyError, match="did not start"):
        OnnxBackend(model_file, "cuda")


class _OnProcessor:
    def __init__(self, *args, **kwargs):
        pass

    def get_providers(self):
        return ["CPUExecutionProvider"]


@pytest.mark.parametrize("device", ["tpu", "cuda:", "cuda:x", "CPU", ""])
def test_unknown_devices_are_refused(model_file, device):
    with pytest.raises(InputError, match="unknown device"):
        OnnxBackend(model_file, device)


def test_threads_must_be_positive(model_file):
    with pytest.raises(InputError, match="threads"):
        OnnxBackend(model_file, threads=0)


def test_a_view_of_an_array_is_as_good_as_a_copy(model_file):
    mirrored = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)[:, :, ::-1]
    backend = OnnxBackend(model_file)
    np.testing.assert_array_equal(
        backend.run(mirrored).points, backend.run(np.ascontiguousarray(mirrored)).points
    )
