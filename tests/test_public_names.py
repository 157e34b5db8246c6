import operator
import re
import subprocess
import sys
from pathlib import Path

import pytest
from skimage.data import astronaut
from source_tree import trees

import efficientfan
from efficientfan.imaging import write_image

DOCS = Path(__file__).parents[1] / "docs"


def test_every_public_name_is_there_and_listed():
    for name in efficientfan.__all__:
        assert getattr(efficientfan, name) is not None
        assert name in dir(efficientfan)


def test_lazy_names_are_the_real_ones():
    from efficientfan.predict import load
    from efficientfan.structures import Face

    assert efficientfan.load is load
    assert efficientfan.Face is Face


def what_is_public():
    """That section of docs/architecture.md."""
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    return page.partition("## What is public\n")[2].partition("\n## ")[0]


def test_the_page_lists_what_is_public():
    rows = [line.split("|")[2] for line in what_is_public().splitlines() if line.startswith("| ")]
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(efficientfan.__all__)


def test_the_page_lists_the_modules_that_pages_import_from():
    pages = [page.read_text(encoding="utf-8") for page in (DOCS.parent / "README.md", *DOCS.rglob("*.md"))]
    imported = {
        name for page in pages for name in re.findall(r"^from (efficientfan\.[\w.]+) import", page, re.M)
    }
    listed = set(re.findall(r"`(efficientfan\.[a-z.]+)`", what_is_public()))
    assert imported <= listed <= set(trees())


def test_the_reference_has_every_public_name():
    page = (DOCS / "reference.md").read_text(encoding="utf-8")
    documented = re.findall(r"^::: efficientfan\.(\w+)$", page, re.MULTILINE)
    assert sorted([*documented, "__version__"]) == sorted(efficientfan.__all__)


def test_unknown_names_fail_as_usual():
    with pytest.raises(AttributeError, match="has no attribute 'unload'"):
        operator.attrgetter("unload")(efficientfan)


HEAVY = (
    *("cv2", "onnxruntime", "PIL", "torch", "matplotlib", "scipy", "h5py", "pydantic", "lightning"),
    "urllib.request",
)

UNUSED = (
    *("concurrent.futures", "csv", "difflib", "hashlib", "secrets", "tarfile"),
    *("PIL.ImageOps", "PIL.TiffImagePlugin", "PIL.EpsImagePlugin"),
    *("efficientfan.formats", "efficientfan.imaging.guarded", "efficientfan.data", "efficientfan.draw"),
)
"""What finding the faces of a photo has no use for, and which together take as long as ONNX Runtime to import."""


def loaded_after(code, names=HEAVY):
    """Which of the packages a fresh interpreter holds after running `code`."""
    check = f"{code}\nimport sys\nprint([name for name in {names} if name in sys.modules])"
    return subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_importing_the_package_imports_nothing_heavy():
    assert loaded_after("import efficientfan") == "[]"


def test_prediction_needs_no_torch():
    core = (
        "import efficientfan, efficientfan.cli.main as cli, efficientfan.predict, efficientfan.predict.doctor"
    )
    assert loaded_after(f"{core}\nefficientfan.load, cli.command_line()") == "['cv2', 'onnxruntime', 'PIL']"


def test_finding_a_face_imports_nothing_else(tmp_path):
    write_image(tmp_path / "portrait.png", astronaut()[:200, 130:330])
    others = "import numpy, cv2, PIL.PngImagePlugin, onnxruntime, sys; known = set(sys.modules)"
    find = f"import efficientfan; assert efficientfan.load('fast')(r'{tmp_path / 'portrait.png'}')"
    # What numpy and the others import is their own business, which changes from version to version.
    assert loaded_after(f"{others}\n{find}\nfor name in known: del sys.modules[name]", UNUSED) == "[]"


def test_the_command_line_imports_the_data_sets_for_their_own_commands_only():
    start = "from efficientfan.cli.main import command_line; command_line()"
    assert loaded_after(start, ("efficientfan.data", "efficientfan.train")) == "[]"


def test_a_command_imports_no_other():
    start = "from efficientfan.cli.main import command_line; command_line('predict')"
    assert loaded_after(start, ("efficientfan.cli.evaluate", "efficientfan.cli.serve")) == "[]"
