"""NOTICE says which data sets every packaged weight file was trained on, and their terms; CITATION.cff, the version."""

import re
from pathlib import Path

from efficientfan.predict.backends.onnx import read_graph_spec
from efficientfan.weights import find_detector, find_model, list_detectors, list_models

ROOT = Path(__file__).parents[1]
NOTICE = (ROOT / "NOTICE").read_text()
WEIGHTS = [*map(find_model, list_models()), *map(find_detector, list_detectors())]


def test_every_weight_file_stands_with_its_data():
    for path in WEIGHTS:
        paragraph = next(part for part in NOTICE.split("\n\n") if path.name in part)
        for split in read_graph_spec(path).training_data.split(" + "):
            assert split in paragraph, (path.name, split)


def test_every_data_set_stands_with_its_terms():
    names = {
        split.split()[0] for path in WEIGHTS for split in read_graph_spec(path).training_data.split(" + ")
    }
    for name in names:
        paragraph = next(part for part in NOTICE.split("\n\n") if part.startswith(f"{name} "))
        assert "Research only" in paragraph, name


def test_the_citation_has_the_version_of_the_package():
    files = ((ROOT / name).read_text() for name in ("CITATION.cff", "pyproject.toml"))
    cited, released = (re.findall(r"^version(?: = |: )\"?([\d.]+)", text, re.MULTILINE) for text in files)
    assert cited == released
