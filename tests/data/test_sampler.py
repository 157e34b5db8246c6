import itertools

import numpy as np
import pytest

from efficientfan.data.dataset import Draw
from efficientfan.data.sampler import ResumableBatchSampler
from efficientfan.errors import InputError


def epoch_of(sampler, epoch, done=0):
    sampler.resume(epoch, done)
    return list(sampler)


def test_an_epoch_holds_each_sample_once_but_for_the_incomplete_batch():
    sampler = ResumableBatchSampler(23, 5)
    batches = epoch_of(sampler, 0)
    assert len(batches) == len(sampler) == 4
    indices = [draw.index for batch in batches for draw in batch]
    assert len(set(indices)) == 20
    assert set(indices) <= set(range(23))


def test_every_epoch_has_an_order_of_its_own_and_tells_its_number():
    sampler = ResumableBatchSampler(20, 5)
    first, second = epoch_of(sampler, 0), epoch_of(sampler, 1)
    assert {draw.epoch for batch in second for draw in batch} == {1}
    assert [d.index for d in itertools.chain(*first)] != [d.index for d in itertools.chain(*second)]
    assert {d.index for d in itertools.chain(*first)} == {d.index for d in itertools.chain(*second)}


def test_over_the_epochs_the_incomplete_batch_leaves_out_nobody():
    sampler = ResumableBatchSampler(9, 4)
    seen = {draw.index for epoch in range(20) for batch in epoch_of(sampler, epoch) for draw in batch}
    assert seen == set(range(9))


def test_the_seed_chooses_the_order():
    assert epoch_of(ResumableBatchSampler(20, 5, seed=1), 0) == epoch_of(
        ResumableBatchSampler(20, 5, seed=1), 0
    )
    assert epoch_of(ResumableBatchSampler(20, 5, seed=1), 0) != epoch_of(
        ResumableBatchSampler(20, 5, seed=2), 0
    )


@pytest.mark.parametrize("done", range(4))
def test_an_epoch_goes_on_exactly(done):
    whole = epoch_of(ResumableBatchSampler(20, 5, seed=3), 2)
    assert epoch_of(ResumableBatchSampler(20, 5, seed=3), 2, done) == whole[done:]


def test_the_order_owes_nothing_to_numpys_or_other_passes():
    sampler = ResumableBatchSampler(20, 5)
    expected = epoch_of(sampler, 1)
    np.random.seed(0)
    epoch_of(sampler, 0)
    assert epoch_of(sampler, 1) == expected


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_processes_share_the_batches_of_one(world_size):
    n, total = 25, 6
    joined = epoch_of(ResumableBatchSampler(n, total), 4)
    ranks = [
        epoch_of(ResumableBatchSampler(n, total // world_size, rank=rank, world_size=world_size), 4)
        for rank in range(world_size)
    ]
    assert [len(batches) for batches in ranks] == [len(joined)] * world_size
    for whole, *shares in zip(joined, *ranks, strict=True):
        indices = [draw.index for share in shares for draw in share]
        assert len(indices) == len(set(indices))  # no sample twice
        assert set(indices) == {draw.index for draw in whole}


def test_draws_are_plain_numbers():
    (batch, *_) = epoch_of(ResumableBatchSampler(8, 4), 0)
    assert all(type(draw) is Draw and type(draw.index) is int for draw in batch)


@pytest.mark.parametrize(("n", "batch", "world"), [(3, 4, 1), (7, 4, 2), (0, 1, 1)])
def test_too_few_samples(n, batch, world):
    with pytest.raises(InputError, match=r"lower train\.batch_size"):
        ResumableBatchSampler(n, batch, world_size=world)


@pytest.mark.parametrize(("epoch", "done"), [(0, 4), (0, 9), (0, -1), (-1, 0)])
def test_a_place_that_this_epoch_does_not_have(epoch, done):
    with pytest.raises(InputError, match="4 batches here; resume with the same data"):
        ResumableBatchSampler(20, 5).resume(epoch, done)
