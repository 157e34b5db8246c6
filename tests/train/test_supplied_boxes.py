"""A model that is trained in the data set's own boxes carries how they lie beside the points."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_training import tiny_recipe

from efficientfan.data.catalog import load_dataset
from efficientfan.formats.csv_tables import write_csv
from efficientfan.geometry import BoxCorrection
from efficientfan.schema import get_schema
from efficientfan.spec import ModelSpec
from efficientfan.structures import Annotation
from efficientfan.train.setup import set_up_training

WIDER = BoxCorrection((0.0, 0.1), (2.0, 1.5))


@pytest.mark.parametrize(("boxes", "measured"), [("supplied", True), ("tight", False)])
def test_the_spec_holds_the_boxes_of_training(
    drawn_300w: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, boxes: str, *, measured: bool
) -> None:
    root = Path(shutil.copytree(drawn_300w, tmp_path / "drawn"))
    faces = load_dataset("300w", root, "train")
    boxed = [
        Annotation(
            face.image, face.points, face.visibility, WIDER.apply(face.tight_box[None])[0], name=face.name
        )
        for face in faces
    ]
    write_csv(boxed, get_schema("ibug68"), root / "boxed.csv")
    recipe = tiny_recipe(root, "data.train=[{dataset: csv, split: boxed, folder: ''}]", f"data.boxes={boxes}")
    setup = set_up_training(recipe)
    with caplog.at_level(logging.INFO, "efficientfan"):
        setup.read_samples()
    spec = setup.module.spec
    assert isinstance(spec, ModelSpec)
    if measured:
        assert spec.crop_box is not None
        np.testing.assert_allclose(spec.crop_box.shift, WIDER.shift, atol=1e-4)
        np.testing.assert_allclose(spec.crop_box.scale, WIDER.scale, atol=1e-4)
    else:
        assert spec.crop_box is None
    assert ("tight boxes of the points" in caplog.text) is not measured
