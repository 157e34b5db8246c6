"""A batch sampler that can be left in mid-epoch and taken up again exactly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from efficientfan.data.dataset import Draw
from efficientfan.errors import InputError

__all__ = ["ResumableBatchSampler"]


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
