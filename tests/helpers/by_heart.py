"""Training without the loop: eight drawn faces, one batch, until a network knows them."""

from __future__ import annotations

from pathlib import Path

import torch

from efficientfan.data.catalog import load_dataset
from efficientfan.data.dataset import CropSpec, FaceCrops
from efficientfan.losses import Batch, Prediction
from efficientfan.recipes import Recipe
from efficientfan.train.landmarks import LandmarkModule, build_spec, build_student
from efficientfan.train.objective import build_objective


def learn_by_heart(
    recipe: Recipe, data: Path, *, steps: int, seed: int
) -> tuple[LandmarkModule, torch.Tensor, torch.Tensor]:
    """A network trained on the eight faces of `data`, in training mode; their crops and true points."""
    torch.manual_seed(seed)
    student = build_student(recipe)
    spec = build_spec(recipe, student)
    module = LandmarkModule(student, build_objective(recipe, student, spec), spec, recipe.train).train()
    faces = FaceCrops(
        load_dataset("300w", data, "train"), spec.schema, CropSpec(spec.input_size, spec.crop_margin)
    )
    samples = [faces[index] for index in range(8)]
    crops, points, weights = (torch.stack([s[key] for s in samples]) for key in ("crop", "points", "weights"))
    optimiser = torch.optim.Adam(module.parameters(), lr=0.004)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.004, total_steps=steps)
    images = module.deployed.normalize(crops)
    for _ in range(steps):
        output = module.deployed.network(images)
        predicted, _ = module.deployed.decoder(output.heatmaps)
        parts = module.objective(Prediction(output, predicted), Batch(images, points, weights))
        optimiser.zero_grad()
        sum(parts.values()).backward()
        optimiser.step()
        schedule.step()
    return module, crops, points
