"""From flags to `Face.visibility`: the head learns what is covered and what is turned away, and is served."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_faces import drawn_face
from tiny_training import tiny_recipe

from efficientfan.data.catalog import load_dataset
from efficientfan.data.dataset import CropSpec, FaceCrops
from efficientfan.export import export_onnx
from efficientfan.imaging import write_image
from efficientfan.losses import Batch, Prediction
from efficientfan.predict import LandmarkPredictor, OnnxBackend, open_detector
from efficientfan.recipes import Recipe
from efficientfan.train import fit
from efficientfan.train.landmarks import LandmarkModule, build_spec, build_student, visible_counts
from efficientfan.train.objective import build_objective

FACES = 12
MOUTH, JAW = np.arange(48, 68), np.arange(7)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn faces in `aflw68`'s layout: of every three, one has its mouth covered and one a side turned away."""
    root = tmp_path_factory.mktemp("aflw68")
    rng = np.random.default_rng(4)
    images, annotations = [], []
    for index in range(FACES):
        image, points = drawn_face(rng, 96)
        flags = np.full(68, 2)
        if index % 3 == 1:
            flags[MOUTH] = 1
            (x0, y0), (x1, y1) = points[MOUTH].min(axis=0).astype(int), points[MOUTH].max(axis=0).astype(int)
            image[y0 - 2 : y1 + 3, x0 - 2 : x1 + 3] = (20, 140, 40)
        elif index % 3 == 2:
            flags[JAW] = 0
            image[:, : int(points[JAW, 0].max()) + 4] = (30, 30, 90)
            points[JAW] = 0
        write_image(root / "images" / f"{index}.png", image)
        images.append({"id": index, "file_name": f"{index}.png", "width": 96, "height": 96})
        triples = np.column_stack([points, flags]).ravel().tolist()
        annotations.append({"id": index, "image_id": index, "category_id": 1, "keypoints": triples})
    table = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "face"}]}
    (root / "train.json").write_text(json.dumps(table))
    return root


def seeing_recipe(data: Path, *overrides: str) -> Recipe:
    return tiny_recipe(
        data,
        "data.train=[{dataset: aflw68}]",
        "model.options.visibility=true",
        "objective.visibility={weight: 1}",
        *overrides,
    )


def test_the_head_learns_what_is_covered_and_what_is_turned_away(data: Path) -> None:
    torch.manual_seed(0)
    recipe = seeing_recipe(data, "model.input_size=64")
    student = build_student(recipe)
    spec = build_spec(recipe, student)
    module = LandmarkModule(student, build_objective(recipe, student, spec), spec, recipe.train).train()
    faces = FaceCrops(
        load_dataset("aflw68", data, "train", warn=False),
        spec.schema,
        CropSpec(64, spec.crop_margin),
        visibility=["full"] * FACES,
    )
    samples = [faces[index] for index in range(FACES)]
    crops, points, weights, labels = (
        torch.stack([sample[key] for sample in samples])
        for key in ("crop", "points", "weights", "visibility")
    )
    shares = [(labels == label).float().mean().item() for label in range(3)]
    assert shares == pytest.approx([1 - 20 / 204 - 7 / 204, 20 / 204, 7 / 204])

    optimizer = torch.optim.Adam(module.parameters(), lr=0.002)
    for _ in range(40):
        images = module.deployed.normalize(crops)
        output = module.deployed.network(images)
        predicted, _ = module.deployed.decoder(output.heatmaps)
        parts = module.objective(Prediction(output, predicted), Batch(images, points, weights, labels))
        optimizer.zero_grad()
        sum(parts.values()).backward()
        optimizer.step()
    with torch.no_grad():  # in training mode, as it was trained: twelve faces leave running averages behind
        found = module(crops).visibility.argmax(dim=2)
    for label in range(3):
        assert (found[labels == label] == label).float().mean() > 0.95


def test_a_run_logs_it_and_its_model_is_served(data: Path, tmp_path: Path) -> None:
    recipe = seeing_recipe(data, "train.epochs=1", "data.holdout.fraction=0.25")
    model = fit(recipe, tmp_path / "run", devices=1)
    columns = next((tmp_path / "run").rglob("metrics.csv")).read_text().splitlines()[0].split(",")
    assert {"loss/visibility", "val_visible_precision", "val_visible_recall"} <= set(columns)

    backend = OnnxBackend(export_onnx(model, tmp_path / "model.onnx").path)
    predictor = LandmarkPredictor(backend, open_detector("whole"))
    [face] = predictor(data / "images" / "0.png", [[10, 10, 80, 80]])
    assert face.visibility is not None
    assert face.visibility.shape == (68, 3)
    np.testing.assert_allclose(face.visibility.sum(axis=1), 1, atol=1e-5)


def test_counts_of_visible_landmarks() -> None:
    labels = torch.tensor([[0, 0, 0, 1, 2, -1]])
    found = torch.tensor([0, 0, 1, 0, 2, 0])
    counts = visible_counts(torch.eye(3)[found][None], labels)
    assert counts.tolist() == [2, 3, 3]  # found rightly, found, and there; the unknown one does not count
