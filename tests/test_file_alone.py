"""The examples that use the exported files without the package find what the package finds."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import efficientfan
from efficientfan.imaging import roll_photo, write_image
from efficientfan.schema import convert_points
from efficientfan.spec import METADATA_KEY, DetectorSpec
from efficientfan.weights import find_detector, find_model

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "onnx"
ORT_LIBRARY = next(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*"), None)
ORT_HEADERS = [
    Path(os.environ.get("ONNXRUNTIME_INCLUDE_DIR", ROOT / "build" / "onnxruntime-include")),
    *map(Path, ("/usr/include/onnxruntime", "/usr/local/include/onnxruntime", "/usr/local/include")),
]
OPENCV_HEADERS = Path("/usr/include/opencv4")
TOLERANCE = 0.5
"""Pixels of the photo."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """As it is; reduced in the crop and beside a face that is turned by 50 degrees; small."""
    folder = tmp_path_factory.mktemp("photos")
    upright = efficientfan.read_rgb(ROOT / "examples" / "astronaut.jpg")
    turned, _ = roll_photo(upright, 50.0)
    large = cv2.resize(upright, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    pictures = {
        "upright": upright,
        "two": np.concatenate(
            [np.pad(upright, ((0, len(turned) - len(upright)), (0, 0), (0, 0))), turned], 1
        ),
        "large": large,
        "small": upright[1::3, 1::3],
    }
    for name, picture in pictures.items():
        # decoders differ in how they enlarge colors stored at half the size
        Image.fromarray(picture).save(folder / f"{name}.jpg", quality=95, subsampling=0)
    return {name: folder / f"{name}.jpg" for name in pictures}


@pytest.fixture(scope="module")
def pointing(tmp_path_factory: pytest.TempPathFactory, photos: dict[str, Path]) -> Path:
    """A detector file that gives five points besides boxes, those of the photo "two" whatever it sees."""
    faces = efficientfan.load(threads=1)(photos["two"])
    fives = np.stack([convert_points(face.points, face.schema, "five") for face in faces])
    boxes = np.stack([face.tight_box for face in faces])
    values = {
        "boxes": np.concatenate([boxes, boxes[:1] + 3]),  # one face twice
        "scores": np.array([0.8, 0.9, 0.7]),
        "points": np.concatenate([fives, fives[:1]]).reshape(3, 10),
    }
    constants = [
        numpy_helper.from_array(value[None].astype(np.float32), name) for name, value in values.items()
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Constant", [], [each.name], value=each) for each in constants],
        "pointing",
        [value("images", TensorProto.UINT8, [1, "rows", "columns", 3])],
        [value(each.name, TensorProto.FLOAT, list(each.dims)) for each in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    spec = DetectorSpec("pointing", {}, stride=8, multiple=32, long_sides=(4096,), score_threshold=0.3)
    helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    path = tmp_path_factory.mktemp("pointing") / "pointing.onnx"
    onnx.save(model, path)
    return path


def python(_: Path) -> list[str]:
    return [sys.executable, str(EXAMPLES / "python" / "faces.py")]


def javascript(_: Path) -> list[str]:
    node = shutil.which("node")
    if node is None or not (EXAMPLES / "javascript" / "node_modules").is_dir():
        pytest.skip("needs node, and `npm ci` in examples/onnx/javascript (scripts/examples does it)")
    return [node, str(EXAMPLES / "javascript" / "faces.mjs")]


def cpp(folder: Path) -> list[str]:
    compiler = shutil.which("g++")
    headers = next((each for each in ORT_HEADERS if (each / "onnxruntime_cxx_api.h").is_file()), None)
    missing = [
        name
        for name, there in {
            "g++": compiler,
            "OpenCV's headers": OPENCV_HEADERS.is_dir(),
            "ONNX Runtime's C++ headers": headers,
            "libonnxruntime.so": ORT_LIBRARY,
        }.items()
        if not there
    ]
    if missing or compiler is None or headers is None or ORT_LIBRARY is None:
        pytest.skip(f"needs {', '.join(missing)} (scripts/examples installs what can be had)")
    (version,) = re.findall(r"#define ORT_API_VERSION (\d+)", (headers / "onnxruntime_c_api.h").read_text())
    if int(version) > int(onnxruntime.__version__.split(".")[1]):
        pytest.skip(f"the headers are those of ONNX Runtime 1.{version}; {onnxruntime.__version__} is here")
    program = folder / "faces"
    (folder / "libonnxruntime.so.1").symlink_to(ORT_LIBRARY)
    command = [compiler, "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program]
    command += [EXAMPLES / "cpp" / "faces.cpp", f"-I{OPENCV_HEADERS}", "-isystem", headers]
    command += [
        "-lopencv_core",
        "-lopencv_imgproc",
        "-lopencv_imgcodecs",
        ORT_LIBRARY,
        f"-Wl,-rpath,{folder}",
    ]
    subprocess.run(command, check=True)
    return [str(program)]


@pytest.fixture(scope="module", params=[python, javascript, cpp], ids=lambda tool: tool.__name__)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    tool: Callable[[Path], list[str]] = request.param
    return tool(tmp_path_factory.mktemp("program"))


def run(command: list[str], *arguments: object) -> object:
    result = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def assert_same(found: object, expected: list[efficientfan.Face]) -> None:
    assert isinstance(found, list)
    assert len(found) == len(expected)
    for one, face in zip(found, expected, strict=True):
        np.testing.assert_allclose(one["points"], face.points, atol=TOLERANCE)
        np.testing.assert_allclose(one["box"], face.box, atol=TOLERANCE)
        assert one["score"] == pytest.approx(face.score, abs=0.01)


@pytest.mark.parametrize("photo", ["upright", "large", "small"])
def test_an_example_finds_what_the_package_finds(
    example: list[str], photos: dict[str, Path], photo: str
) -> None:
    expected = efficientfan.load(threads=1)(photos[photo])
    assert len(expected) == 1
    assert_same(run(example, find_detector("facefinder"), find_model("default"), photos[photo]), expected)


def test_an_example_follows_the_points_of_a_detector(
    example: list[str], photos: dict[str, Path], pointing: Path
) -> None:
    expected = efficientfan.load(detector=str(pointing), threads=1)(photos["two"])
    assert sorted(abs(face.roll) > 40 for face in expected) == [False, True]
    assert_same(run(example, pointing, find_model("default"), photos["two"]), expected)


def test_no_face_is_an_empty_list(example: list[str], tmp_path: Path) -> None:
    write_image(tmp_path / "gray.jpg", np.full((90, 120, 3), 128, np.uint8))
    assert run(example, find_detector("facefinder"), find_model("fast"), tmp_path / "gray.jpg") == []


def test_landmarks_in_a_box(photos: dict[str, Path]) -> None:
    box = [170, 80, 275, 180]
    (face,) = efficientfan.load(threads=1)(photos["upright"], boxes=[box])
    command = [sys.executable, str(EXAMPLES / "python" / "landmarks.py")]
    found = run(command, find_model("default"), photos["upright"], *box)
    assert isinstance(found, dict)
    np.testing.assert_allclose(found["points"], face.points, atol=TOLERANCE)
    np.testing.assert_allclose(found["scores"], face.scores, atol=0.02)


def test_the_page_shows_the_example() -> None:
    page = (ROOT / "docs" / "guides" / "file_alone.md").read_text(encoding="utf-8")
    code = (EXAMPLES / "python" / "landmarks.py").read_text(encoding="utf-8")
    functions = code[code.index("def find_landmarks") : code.index('\n\nif __name__ == "__main__"')]
    assert functions in page
