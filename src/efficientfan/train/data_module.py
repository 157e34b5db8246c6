"""The Lightning data module: loaders over training and validation crops, and where the sampler stands."""

from __future__ import annotations

from typing import Any

import lightning
from torch.utils.data import DataLoader

from efficientfan.data.dataset import FaceCrops, Sample
from efficientfan.data.sampler import ResumableBatchSampler

__all__ = ["FaceData"]


class FaceData(lightning.LightningDataModule):
    """Loaders for `fit`; its state is the epoch and the number of batches done."""

    def __init__(self, train: FaceCrops, validation: FaceCrops, *, batch_size: int, workers: int, seed: int) -> None:
        super().__init__()
        self.train = train
        self.validation = validation
        self.batch_size = batch_size
        self.workers = workers
        self.seed = seed
        self._resume = (0, 0)

    def train_dataloader(self) -> DataLoader[Sample]:
        trainer = self.trainer
        sampler = ResumableBatchSampler(
            len(self.train),
            self.batch_size,
            seed=self.seed,
            rank=trainer.global_rank if trainer else 0,
            world_size=trainer.world_size if trainer else 1,
        )
        sampler.resume(*self._resume)
        return DataLoader(
            self.train,
            batch_sampler=sampler,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            prefetch_factor=4 if self.workers else None,
        )

    def val_dataloader(self) -> DataLoader[Sample]:
        return DataLoader(self.validation, batch_size=self.batch_size, num_workers=0)

    def state_dict(self) -> dict[str, Any]:
        if self.trainer is None:
            return {}
        loop = self.trainer.fit_loop
        done = loop.epoch_loop.batch_progress.current.completed
        epoch = loop.epoch_progress.current.completed
        return {"epoch": epoch, "batches": done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._resume = (int(state["epoch"]), int(state["batches"]))
