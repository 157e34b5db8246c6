"""The table of floors in docs/architecture.md is true of the source."""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from source_tree import Import, imports, room_of, trees

DOCS = Path(__file__).parents[1] / "docs" / "architecture.md"
ROWS = re.findall(r"^\| (\d) \w+ \| (.+?) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
LEVEL = {room: int(level) for level, rooms in ROWS for room in re.findall(r"`(\w+)`", rooms)}

EXCEPTIONS = {("structures", room) for room in ("draw", "pose", "align", "imaging")}
"""`Face.draw()`, `Face.pose` and `Face.align()` are conveniences for people at a prompt; they import when called."""


TORCH_ENGINE = "efficientfan.predict.backends.torch"
"""The engine for machines that train: it alone among the predictor's rooms rebuilds the network, when it is opened."""


def is_excepted(each: Import) -> bool:
    return (room_of(each.module), room_of(each.target)) in EXCEPTIONS


def test_every_room_has_a_floor():
    assert {room_of(module) for module in trees()} == set(LEVEL)


def test_a_room_imports_only_from_its_own_floor_or_below():
    upwards = [
        str(each)
        for each in imports()
        if LEVEL[room_of(each.target)] > LEVEL[room_of(each.module)] and not is_excepted(each)
    ]
    assert upwards == []


def test_the_exceptions_are_needed():
    assert {
        (room_of(each.module), room_of(each.target)) for each in imports() if is_excepted(each)
    } == EXCEPTIONS


def assert_no_circle(edges: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        pytest.fail(f"imports in a circle: {' <- '.join(error.args[1])}")


def test_no_module_imports_in_a_circle():
    edges: dict[str, set[str]] = {}
    for each in imports():
        if not is_excepted(each) and room_of(each.module) != "api":
            edges.setdefault(each.module, set()).add(each.target)
    assert_no_circle(edges)


def test_no_room_imports_in_a_circle():
    edges: dict[str, set[str]] = {}
    for each in imports():
        rooms = room_of(each.module), room_of(each.target)
        if rooms[0] != rooms[1] and not is_excepted(each):
            edges.setdefault(rooms[0], set()).add(rooms[1])
    assert_no_circle(edges)


@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [
        ("efficientfan.train.landmarks", "efficientfan.distill"),  # the loop knows no teacher
        ("efficientfan.train.module", "efficientfan.distill"),
        ("efficientfan.train.fit", "efficientfan.distill"),
        ("efficientfan.metrics", "efficientfan.data"),  # a metric knows no data set
        ("efficientfan.predict", "efficientfan.codec"),  # the exported graph decodes
        ("efficientfan.predict", "efficientfan.models"),
    ],
)
def test_strangers(modules, forbidden):
    assert [
        str(each)
        for each in imports()
        if f"{each.module}.".startswith(f"{modules}.")
        and f"{each.target}.".startswith(f"{forbidden}.")
        and each.module != TORCH_ENGINE
    ] == []


def test_readers_know_the_words_photos_and_formats_only():
    allowed = {"errors", "files", "formats", "geometry", "schema", "structures", "imaging"}
    readers = [each for each in imports() if each.module.startswith("efficientfan.data.readers")]
    assert {room_of(each.target) for each in readers} <= allowed | {"data"}
    assert [
        str(each)
        for each in readers
        if each.target.startswith("efficientfan.data.") and ".readers" not in each.target
    ] == []


def test_no_assert_checks_input():
    found = [
        f"{module}:{node.lineno}"
        for module, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
    ]
    assert found == []


HEAVY = [
    "av",
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "matplotlib",
    "scipy",
    "h5py",
    "pydantic",
    "yaml",
    "onnx",
    "openvino",
    "nncf",
    "pyarrow",
    "ray",
    "fsspec",
    "fastapi",
    "starlette",
    "uvicorn",
    "prometheus_client",
    "python_multipart",
    "httpx2",
]

BARRED = f"""
import sys

class Barrier:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY}:
            raise ImportError(f"{{name}} is barred")

sys.meta_path.insert(0, Barrier())
"""


@pytest.mark.parametrize(
    "code",
    [
        "import efficientfan\nfor name in efficientfan.__all__: getattr(efficientfan, name)",
        "import efficientfan.predict, efficientfan.predict.output, efficientfan.predict.many",
        "from efficientfan.cli.main import command_line\ncommand_line()",
        "import efficientfan.data.catalog, efficientfan.data.check, efficientfan.data.convert",
        "import efficientfan.metrics, efficientfan.evaluation",
        "import efficientfan.draw, efficientfan.schema, efficientfan.weights",
    ],
)
def test_the_core_needs_none_of_the_heavy_packages(code):
    run = subprocess.run([sys.executable, "-c", BARRED + code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_the_barrier_holds():
    run = subprocess.run(
        [sys.executable, "-c", BARRED + "import efficientfan.models"], capture_output=True, text=True
    )
    assert "is barred" in run.stderr
