"""Does the loader keep up? Faces a second that it delivers, and that the recipe's network trains on.

    env MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=20000000000 OMP_WAIT_POLICY=PASSIVE \\
        python benchmarks/loader.py mobilefan_128 --set data.root=DATA

The loader runs alone, then the network alone (forward, backward and optimizer step on one batch of noise).
With a core for each, training runs at the smaller of the two rates. The rates per processor second hold on a
busy machine too.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

import torch

from efficientfan.data.dataset import FaceCrops
from efficientfan.data.loader import ResumableBatchSampler, ResumableLoader
from efficientfan.losses import Batch, Prediction
from efficientfan.models.deployed import DeployedNet
from efficientfan.recipes import Recipe, load_recipe
from efficientfan.train.landmarks import build_crops, build_faces, build_spec, build_student
from efficientfan.train.objective import build_objective

WARM_UP = 3


class Clock:
    """Rates since it was made, of the wall clock and of this process's own time on the processors."""

    def __init__(self) -> None:
        self.start = time.perf_counter(), time.process_time()

    def rates(self, faces: int) -> tuple[float, float]:
        wall, cpu = self.start
        return faces / (time.perf_counter() - wall), faces / (time.process_time() - cpu)


def delivered(recipe: Recipe, faces: FaceCrops, workers: int, batches: int) -> tuple[float, float]:
    """Faces a second that come out of the loader when nothing else is done."""
    size = recipe.train.batch_size
    loader = ResumableLoader(faces, ResumableBatchSampler(len(faces), size), workers)
    skipped = WARM_UP + 4 * workers  # those that workers fetch ahead are ready at the start
    if len(loader) < skipped + batches:
        sys.exit(f"{len(faces)} faces are too few for {batches} batches of {size}; lower --batches")
    stream = iter(loader)
    for _ in range(skipped):
        next(stream)
    clock = Clock()
    for _ in range(batches):
        next(stream)
    return clock.rates(size * batches)


def consumed(recipe: Recipe, batches: int) -> tuple[float, float]:
    """Faces a second that training takes, on a batch of noise."""
    network = build_student(recipe).to(memory_format=torch.channels_last)
    spec = build_spec(recipe, network)
    deployed = DeployedNet(network, spec).train()
    objective = build_objective(recipe, network, spec)
    optimizer = torch.optim.AdamW(deployed.parameters(), lr=1e-4)
    size, side, landmarks = recipe.train.batch_size, spec.input_size, spec.schema.n_landmarks
    crops = torch.randint(0, 256, (size, side, side, 3), dtype=torch.uint8)
    others = {
        wanted: torch.randint(0, 256, (size, wanted, wanted, 3), dtype=torch.uint8)
        for wanted in objective.crop_sides
    }
    points, weights = side * torch.rand(size, landmarks, 2), torch.ones(size, landmarks)
    kind = {"fp16": torch.float16}.get(recipe.train.precision, torch.bfloat16)
    clock = Clock()
    for batch in range(WARM_UP + batches):
        if batch == WARM_UP:
            clock = Clock()
        with torch.autocast("cpu", kind, enabled=recipe.train.precision != "fp32"):
            inputs = Batch(deployed.normalize(crops), points, weights, crops=others | {side: crops})
            output = network(inputs.images)
            parts = objective(Prediction(output, deployed.decoder(output.heatmaps)[0]), inputs)
        optimizer.zero_grad()
        torch.stack(list(parts.values())).sum().backward()
        optimizer.step()
    return clock.rates(size * batches)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", nargs="?", default="mobilefan_128")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--batches", type=int, default=30)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1])
    arguments = parser.parse_args()

    recipe = load_recipe(arguments.recipe, arguments.overrides)
    faces, _ = build_crops(recipe, build_faces(recipe))
    name = f"{recipe.model.network} at {recipe.model.input_size}, {recipe.train.precision}"
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the start")
    for workers in arguments.workers:
        wall, cpu = delivered(recipe, faces, workers, arguments.batches)
        own = "" if workers else f", {cpu:.0f} per processor second"
        print(f"loader, {workers} worker{'' if workers == 1 else 's'}: {wall:.0f} faces/s{own}")
    wall, cpu = consumed(recipe, arguments.batches)
    print(f"training {name}: {wall:.0f} faces/s, {cpu:.0f} per processor second")


if __name__ == "__main__":
    main()
