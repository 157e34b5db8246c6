import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_model import tiny_graph

from efficientfan.errors import InputError
from efficientfan.predict.backends.operators import refuse_loops
from efficientfan.predict.backends.registry import open_backend


def body(*nodes):
    return helper.make_graph(
        list(nodes), "body", [], [helper.make_tensor_value_info("y", TensorProto.BOOL, [])]
    )


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("operator", ["Loop", "Scan", "If", "SequenceMap"])
def test_a_graph_that_may_never_end_is_refused_before_it_is_opened(tmp_path, operator, backend):
    if backend == "openvino":
        pytest.importorskip("openvino")
    model = tiny_graph()
    model.graph.node.append(helper.make_node(operator, ["crops"], ["more"], body=body()))
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(InputError, match=rf"a\.onnx: has a {operator}, which may never end"):
        open_backend(tmp_path / "a.onnx", backend=backend)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("place", ["../secret.bin", "{folder}/secret.bin"])
def test_a_graph_reads_no_file_outside_of_its_folder(tmp_path, place, backend):
    if backend == "openvino":
        pytest.importorskip("openvino")
    model, folder = tiny_graph(), tmp_path / "models"
    folder.mkdir()
    weights = model.graph.initializer[0]
    (tmp_path / "secret.bin").write_bytes(numpy_helper.to_array(weights).tobytes())
    weights.ClearField("raw_data")
    weights.ClearField("int64_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=place.format(folder=tmp_path))
    (folder / "a.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="is not an ONNX model that can be run, or is damaged"):
        open_backend(folder / "a.onnx", backend=backend)


def test_functions_are_refused(tmp_path):
    """Some that call each other ten times each grow without bounds when they are put in place."""
    model = tiny_graph()
    node = helper.make_node("Identity", ["x"], ["y"])
    model.functions.append(helper.make_function("own", "Twice", ["x"], ["y"], [node], model.opset_import))
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(InputError, match="has functions of its own"):
        refuse_loops(tmp_path / "a.onnx")


@pytest.mark.parametrize("content", [b"\x3a\xff\x01", b"\xff" * 20, b"\x3b", b"\x3a"])
def test_what_is_no_onnx_file_is_said(tmp_path, content):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(InputError, match="is not an ONNX model that can be run, or is damaged"):
        refuse_loops(tmp_path / "a.onnx")


def test_graphs_of_ours_pass(model_file):
    refuse_loops(model_file)
