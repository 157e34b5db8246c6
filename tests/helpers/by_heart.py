"""Training without the loop: eight drawn faces, one batch, until a network knows them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.utils.data import default_collate

from efficientfan.data.catalog import load_dataset
from efficientfan.data.dataset import CropSpec, FaceCrops
from efficientfan.losses import Prediction
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
        load_dataset("300w", data, "train"),
        spec.schema,
        CropSpec(spec.input_size, spec.crop_margin, tuple(module.objective.crop_sides - {spec.input_size})),
    )
    batch = module.batch_of(default_collate([faces[index] for index in range(8)]))
    optimizer = torch.optim.Adam(module.parameters(), lr=0.004)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.004, total_steps=steps)
    for _ in range(steps):
        output = module.deployed.network(batch.images)
        predicted, _ = module.deployed.decoder(output.heatmaps)
        parts = module.objective(Prediction(output, predicted), batch)
        optimizer.zero_grad()
        sum(parts.values()).backward()
        optimizer.step()
        schedule.step()
    return module, batch.crops[spec.input_size], batch.points
