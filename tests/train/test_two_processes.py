"""Two processes over gloo must learn what one learns on the joined batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from safetensors.torch import load_file, save_file
from tiny_training import tiny_recipe
from torch import nn

from efficientfan.data.catalog import load_dataset
from efficientfan.data.dataset import CropSpec, Draw, FaceCrops
from efficientfan.data.loader import ResumableBatchSampler
from efficientfan.losses import Batch, Prediction
from efficientfan.train.landmarks import LandmarkModule, build_spec, build_student
from efficientfan.train.objective import build_objective


class Loss(nn.Module):
    """The training step's loss, as a module that DDP can wrap."""

    def __init__(self, module: LandmarkModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, crops: torch.Tensor, points: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        images = self.module.deployed.normalize(crops)
        output = self.module.deployed.network(images)
        predicted, _ = self.module.deployed.decoder(output.heatmaps)
        parts = self.module.objective(Prediction(output, predicted), Batch(images, points, weights))
        return torch.stack(list(parts.values())).sum()


def gradients(rank: int, world_size: int, data: Path, out: Path) -> None:
    """Write the gradients of this process after one backward pass on its share of a batch of 8."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    recipe = tiny_recipe(data)
    student = build_student(recipe)
    spec = build_spec(recipe, student)
    # Batch norm's statistics are a process's own by design; fixed ones leave the rest to compare.
    loss: nn.Module = Loss(
        LandmarkModule(student, build_objective(recipe, student, spec), spec, recipe.train)
    ).eval()
    # Plain crops hold all 68 landmarks, so every process averages over equally many.
    faces = FaceCrops(load_dataset("300w", data, "train"), spec.schema, CropSpec(32, 0.25))
    sampler = ResumableBatchSampler(len(faces), 8 // world_size, rank=rank, world_size=world_size)
    samples = [faces[draw] for draw in next(iter(sampler))]
    if world_size > 1:
        dist.init_process_group(
            "gloo", init_method=f"file://{out}/rendezvous", rank=rank, world_size=world_size
        )
        loss = nn.parallel.DistributedDataParallel(loss)
    loss(
        *(torch.stack([sample[key] for sample in samples]) for key in ("crop", "points", "weights"))
    ).backward()
    found = {
        name.split("module.deployed.")[-1]: p.grad
        for name, p in loss.named_parameters()
        if p.grad is not None
    }
    save_file(found, out / f"{world_size}_{rank}.safetensors")
    if world_size > 1:
        dist.destroy_process_group()


def test_same_gradients_as_one_process_on_the_joined_batch(drawn_300w: Path, tmp_path: Path) -> None:
    gradients(0, 1, drawn_300w, tmp_path)
    multiprocessing.spawn(gradients, args=(2, drawn_300w, tmp_path), nprocs=2)
    alone, first, second = (load_file(tmp_path / f"{name}.safetensors") for name in ("1_0", "2_0", "2_1"))
    assert alone.keys() == first.keys() == second.keys()
    for name, expected in alone.items():
        largest = float(expected.abs().max())
        assert largest > 0, name
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
        np.testing.assert_allclose(first[name], expected, rtol=0, atol=1e-4 * largest, err_msg=name)


def test_processes_share_an_epoch_without_overlap() -> None:
    shares = [ResumableBatchSampler(33, 4, seed=1, rank=rank, world_size=2) for rank in range(2)]
    draws: list[Draw] = [draw for share in shares for batch in share for draw in batch]
    assert len(draws) == len(set(draws)) == 32
