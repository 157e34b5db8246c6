"""The Lightning data module: loaders over training and validation crops."""

from __future__ import annotations

from typing import Any, TypeAlias

import lightning
from torch.utils.data import DataLoader, Subset

from efficientfan.data.dataset import FaceCrops, Sample
from efficientfan.data.loader import ResumableBatchSampler, ResumableLoader
from efficientfan.data.scenes.dataset import ScenePictures

__all__ = ["FaceData", "Samples"]

Samples: TypeAlias = FaceCrops | ScenePictures


class FaceData(lightning.LightningDataModule):
    """Loaders for `fit`; each process takes its share. Its state is the training loader's place.

    Args:
        train, validation: samples with and without augmentation.
        batch_size: samples per process and step.
        workers: loader processes per process.
        seed: of the order.
    """

    def __init__(
        self, train: Samples, validation: Samples, *, batch_size: int, workers: int, seed: int
    ) -> None:
        super().__init__()
        self.train = train
        self.validation = validation
        self.batch_size = batch_size
        self.workers = workers
        self.seed = seed
        self._loader: ResumableLoader | None = None
        self._resumed_at: dict[str, Any] | None = None

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def train_dataloader(self) -> ResumableLoader:
        rank, world_size = self._place()
        sampler = ResumableBatchSampler(
            len(self.train), self.batch_size, seed=self.seed, rank=rank, world_size=world_size
        )
        self._loader = ResumableLoader(self.train, sampler, self.workers)
        if self._resumed_at is not None:
            self._loader.load_state_dict(self._resumed_at)
        return self._loader

    def val_dataloader(self) -> DataLoader[Sample]:
        rank, world_size = self._place()
        share = Subset(self.validation, range(rank, len(self.validation), world_size))
        return DataLoader(share, batch_size=self.batch_size, num_workers=0)

    def state_dict(self) -> dict[str, Any]:
        return self._loader.state_dict() if self._loader is not None else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # Lightning restores a loader's own state only if nobody asked for the loader before; the schedule does.
        self._resumed_at = state_dict
        if self._loader is not None:
            self._loader.load_state_dict(state_dict)
