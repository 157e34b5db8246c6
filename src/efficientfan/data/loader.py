"""Batches of training samples in an order that can be interrupted within an epoch and continued exactly."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from efficientfan.data.dataset import Draw, Sample
from efficientfan.errors import InputError

__all__ = ["ResumableBatchSampler", "ResumableLoader"]


class ResumableBatchSampler(Sampler[list[Draw]]):
    """Shuffled batches whose order depends on (seed, epoch) alone; each process takes its share.

    Args:
        n_samples: length of the data set.
        batch_size: samples per batch and process.
        seed: of the order.
        rank, world_size: this process and the number of processes.

    Raises:
        InputError: fewer samples than one batch on every process.

    The last incomplete batch is left out: batch norm and the schedule want equal ones.
    """

    def __init__(
        self, n_samples: int, batch_size: int, *, seed: int = 0, rank: int = 0, world_size: int = 1
    ) -> None:
        if n_samples < batch_size * world_size:
            raise InputError(
                f"{n_samples} training samples do not fill one batch of {batch_size} on {world_size} "
                "process(es); lower train.batch_size"
            )
        self.n_samples = n_samples
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.start = 0

    def __len__(self) -> int:
        """Batches of a whole epoch, wherever this one starts."""
        return self.n_samples // (self.batch_size * self.world_size)

    def resume(self, epoch: int, batches_done: int) -> None:
        """The next pass gives this epoch, without the batches that are done.

        Raises:
            InputError: an epoch here has no batch after those.
        """
        if epoch < 0 or not 0 <= batches_done < len(self):
            raise InputError(
                f"cannot go on after batch {batches_done} of epoch {epoch}: an epoch has {len(self)} batches "
                "here; resume with the same data and number of processes"
            )
        self.epoch, self.start = epoch, batches_done

    def __iter__(self) -> Iterator[list[Draw]]:
        """The batches of this process, from where `resume` put it to the end of that epoch."""
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.n_samples)
        mine = order[self.rank :: self.world_size]
        for batch in range(self.start, len(self)):
            chosen = mine[batch * self.batch_size : (batch + 1) * self.batch_size]
            yield [Draw(self.epoch, int(index)) for index in chosen]


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
        try:
            for batch in super().__iter__():
                self.batches_done += 1
                if self.batches_done == len(self.order):
                    self.epoch, self.batches_done = self.epoch + 1, 0
                yield batch
        except InputError as error:  # torch puts a worker's traceback into the message
            raise InputError(str(error).rpartition("InputError: ")[2].strip()) from error
        except (ConnectionError, EOFError) as error:  # the batch lay in the memory of a worker that is gone
            raise RuntimeError(f"DataLoader worker is gone: {error!r}") from error

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
