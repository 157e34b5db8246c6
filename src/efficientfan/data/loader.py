"""A data loader that knows how far it has come, so that Lightning can save and restore its place."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from efficientfan.data.dataset import Sample
from efficientfan.data.sampler import ResumableBatchSampler

__all__ = ["ResumableLoader"]


class ResumableLoader(DataLoader[Sample]):
    """Batches of `samples` in the order of `sampler`, from the epoch and batch where the last pass ended.

    Its state counts the batches that were handed out, not those that workers fetched ahead.
    """

    def __init__(self, samples: Dataset[Sample], sampler: ResumableBatchSampler, workers: int) -> None:
        super().__init__(
            samples,
            batch_sampler=sampler,  # it yields draws, which the samples understand
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=4 if workers else None,
            worker_init_fn=_start_worker,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # the global one must not depend on how often a loader was started
        )
        self.order = sampler
        self.epoch = 0
        self.batches_done = 0

    def __iter__(self) -> Iterator[Sample]:  # type: ignore[override]  # torch promises its own iterator; this one counts
        self.order.resume(self.epoch, self.batches_done)
        for batch in super().__iter__():
            self.batches_done += 1
            if self.batches_done == len(self.order):
                self.epoch, self.batches_done = self.epoch + 1, 0
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """The epoch, and how many of its batches were handed out."""
        return {"epoch": self.epoch, "batches_done": self.batches_done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.epoch, self.batches_done = int(state["epoch"]), int(state["batches_done"])


def _start_worker(worker: int) -> None:
    # A stop is for the process that trains: it still needs batches to finish its step, and ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # OpenCV's threads would compete with training, and a pool that a fork has cut off can hang.
    cv2.setNumThreads(0)
