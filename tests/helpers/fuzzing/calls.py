"""What callers hand over: boxes, options, and arguments of the command line."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np
from tiny_model import disc_photo, write_model

from efficientfan import load
from efficientfan.cli.main import main
from efficientfan.errors import InputError
from fuzzing.images import drawn_images
from fuzzing.mutations import damaged, odd_tree

__all__ = ["Boxes", "Commands", "Options"]


class Boxes:
    """Boxes of a photo: a face for each, of finite points."""

    seconds, megabytes = 5.0, 64.0
    whole = ([[20.5, 10, 90, 100], [0, 0, 159, 119], [-30, -30, 60, 70]], [])

    def __init__(self, folder: Path) -> None:
        self._predict = load(write_model(folder / "tiny.onnx"), detector="whole", threads=1)
        self._photo = disc_photo((80, 60, 30))

    def draw(self, chance: Random) -> bytes:
        return json.dumps(odd_tree(chance.choice(self.whole), chance)).encode()

    def run(self, content: bytes) -> None:
        faces = self._predict(self._photo, _values(content))
        assert all(np.isfinite(face.points).all() for face in faces)


class Options:
    """Keyword arguments of `load` and of the predictor that it gives."""

    seconds, megabytes = 5.0, 64.0
    whole = (
        {
            "detector": "whole",
            "backend": None,
            "device": "cpu",
            "threads": 1,
            "precision": "f32",
            "batch_size": 3,
            "passes": "auto",
            "max_faces": 2,
        },
        {"min_score": 0.5, "channels": "bgr"},
    )

    def __init__(self, folder: Path) -> None:
        self._model = write_model(folder / "tiny.onnx")
        self._photo = disc_photo((80, 60, 30))
        self.run(json.dumps(self.whole).encode())

    def draw(self, chance: Random) -> bytes:
        number = chance.randrange(2)
        changed = dict(self.whole[number])
        for name in chance.sample(sorted(changed), chance.randint(1, 2)):
            changed[name] = odd_tree(changed[name], chance)
        both = [*self.whole]
        both[number] = changed
        return json.dumps(both).encode()

    def run(self, content: bytes) -> None:
        first, second = _values(content)
        load(self._model, **first)(self._photo, **second)


class Commands:
    """`efficientfan` with arguments, one a line: it ends with one of its exit codes and without a traceback."""

    seconds, megabytes = 10.0, 128.0

    def __init__(self, folder: Path) -> None:
        model = write_model(folder / "tiny.onnx")
        for name, content in zip(("a.jpg", "b.png"), drawn_images(48)[::5], strict=False):
            (folder / name).write_bytes(content)
        (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no photo")
        (folder / "boxes.csv").write_text("image,x0,y0,x1,y1\na.jpg,1,2,30.5,40\n")
        photo, common = (
            str(folder / "a.jpg"),
            ["--model", str(model), "--detector", "whole", "--threads", "1"],
        )
        self._lines = (
            ["predict", photo, *common, "--min-score", "0.5", "--max-faces", "2", "--pose"],
            ["predict", str(folder), *common, "--format", "csv", "--batch-size", "3", "--passes", "2"],
            ["predict", photo, *common, "--boxes", str(folder / "boxes.csv"), "--max-pixels", "10000"],
            ["crop", photo, *common, "--out", str(folder / "crops"), "--size", "64"],
            ["data", "check", "csv", "--root", str(folder), "--schema", "five", "--split", "boxes"],
            ["recipes", "show", "mobilefan_128"],
            ["models", "list"],
            ["schemas", "show", "five"],
        )
        self._kept = {
            photo,
            str(folder),
            *common[:2],
            "--out",
            str(folder / "crops"),
        }  # so that none writes elsewhere

    def draw(self, chance: Random) -> bytes:
        arguments = list(chance.choice(self._lines))
        for _ in range(chance.randint(1, 2)):
            place = chance.randrange(1, len(arguments))
            if chance.random() < 0.3:
                arguments.insert(place, chance.choice(chance.choice(self._lines)))
            elif arguments[place] not in self._kept:
                changed = damaged(arguments[place].encode(), b"-1 nan 1e999 [] \x1b", chance)
                arguments[place] = changed.decode("utf-8", "replace").replace("\n", " ")
        return "\n".join(arguments).encode()

    def run(self, content: bytes) -> None:
        arguments = content.decode("utf-8", "replace").split("\n")
        if "serve" in arguments or "-" in arguments:  # they would wait
            return
        code: object = 0
        out, errors = io.StringIO(), io.StringIO()
        try:
            with (
                patch.object(sys, "argv", ["efficientfan", *arguments]),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(errors),
            ):
                main()
        except SystemExit as error:
            code = error.code or 0
        assert code in (0, 1, 2), f"exit code {code!r}"
        assert "Traceback" not in errors.getvalue()
        if code:
            assert errors.getvalue().strip(), f"exit code {code} without a word"
            raise InputError(f"exit code {code}")


def _values(content: bytes) -> Any:
    """JSON with NaN and infinity; None for bytes that are none, which a fuzzer of bytes may bring."""
    try:
        return json.loads(content)
    except ValueError:
        return None
