"""`predict` says once, on standard error, which models are for research only."""

from pathlib import Path

import pytest

PHOTO = Path(__file__).parents[2] / "examples" / "astronaut.jpg"
LINE = (
    "weights for research only: efficientfan_lite0_128_int8, facefinder "
    "(efficientfan models show efficientfan_lite0_128_int8); EFFICIENTFAN_QUIET=1 hides this line"
)


def test_packaged_weights_say_their_terms_once(run_command):
    _, out, err = run_command("predict", PHOTO, PHOTO, "--model", "fast")
    assert "".join(err.split()).count("".join(LINE.split())) == 1
    assert "research" not in out


def test_a_detector_that_is_not_used_is_not_named(run_command, tmp_path):
    boxes = tmp_path / "boxes.json"
    boxes.write_text('{"astronaut.jpg": [[179, 88, 272, 178]]}')
    _, _, err = run_command("predict", PHOTO, "--boxes", boxes)
    assert "weights for research only: efficientfan_lite0_192 (" in " ".join(err.split())


def test_an_environment_variable_hides_the_line(run_command, monkeypatch):
    monkeypatch.setenv("EFFICIENTFAN_QUIET", "1")
    assert "research" not in run_command("predict", PHOTO)[2]


@pytest.mark.parametrize("detector", ["haar", "whole"])
def test_free_weights_say_nothing(run_command, model_file, detector):
    assert "research" not in run_command("predict", PHOTO, "--model", model_file, "--detector", detector)[2]


def test_a_thorough_search_names_its_detector(run_command, model_file):
    err = run_command("predict", PHOTO, "--model", model_file, "--thorough")[2]
    assert "weights for research only: facefinder (" in " ".join(err.split())
