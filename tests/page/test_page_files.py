"""The page's files, without a browser: what is written, and what the page is told of the models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.files import sha256_of
from efficientfan.page import page_files, write_page
from efficientfan.schema import get_schema
from efficientfan.weights import find_detector, find_model

ROOT = Path(__file__).parents[2]


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """What `scripts/page` leaves behind, in short."""
    folder = tmp_path / "built"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "assets" / "index-12345678.js").write_text("let page")
    return folder


def test_models_and_their_catalog_stand_beside_the_page(built: Path, tmp_path: Path) -> None:
    size = write_page(tmp_path / "out", built)
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in written) == size
    assert (tmp_path / "out" / "assets" / "index-12345678.js").read_text() == "let page"
    catalog = json.loads((tmp_path / "out" / "models.json").read_text())
    assert [model["alias"] for model in catalog["models"]] == ["fast", "default", "tiny"]
    expected = {model["name"]: find_model(model["name"]) for model in catalog["models"]}
    for entry in (catalog["detector"], *catalog["models"]):
        source = expected.get(entry["name"], find_detector("facefinder"))
        assert sha256_of(source)[:8] in entry["file"]
        assert (tmp_path / "out" / entry["file"]).read_bytes() == source.read_bytes()
        assert entry["bytes"] == source.stat().st_size


def test_the_catalog_says_how_schemas_are_drawn_and_turned(built: Path) -> None:
    content = page_files(built)["models.json"]
    assert isinstance(content, bytes)
    table = json.loads(content)["schemas"]["ibug68"]
    schema = get_schema("ibug68")
    assert table["landmarks"] == list(schema.landmarks)
    assert table["edges"] == [list(edge) for edge in schema.edges]
    assert table["colors"][36] == table["colors"][42] != table["colors"][0]  # both eyes, the jaw
    assert table["five"][2] == [30]
    assert table["head"][8] is None  # the chin moves
    assert np.allclose(table["head"][36], [-0.5, 0, 0])


def test_a_page_is_written_over_an_earlier_one(built: Path, tmp_path: Path) -> None:
    write_page(tmp_path / "out", built)
    (built / "index.html").write_text("newer")
    write_page(tmp_path / "out", built)
    assert (tmp_path / "out" / "index.html").read_text() == "newer"


def test_a_folder_without_a_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no built page; run scripts/page"):
        write_page(tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_folder_is_refused(built: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match="cannot be written"):
        write_page(tmp_path / "out", built)
    assert (tmp_path / "out").read_text() == "mine"


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text())
    packages = [package for name, package in lock["packages"].items() if name]
    assert packages
    for package in packages:
        assert "resolved" not in package
        assert package["integrity"].startswith("sha512-")
