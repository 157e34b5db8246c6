import itertools

import numpy as np
import pytest
import torch
from drawn_faces import drawn_face

from efficientfan.data.augment import Augmentation
from efficientfan.data.dataset import CropSpec, Draw, FaceCrops
from efficientfan.data.loader import ResumableBatchSampler, ResumableLoader
from efficientfan.errors import InputError
from efficientfan.imaging import write_image
from efficientfan.schema import get_schema
from efficientfan.structures import Annotation

FACES, BATCH, PER_EPOCH = 7, 2, 3


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    annotations = []
    for index in range(FACES):
        image, points = drawn_face(rng, 48)
        write_image(folder / f"{index}.png", image)
        annotations.append(Annotation(folder / f"{index}.png", points, np.full(68, 2)))
    return FaceCrops(
        annotations, get_schema("ibug68"), CropSpec(32, 0.25), augmentation=Augmentation(), seed=1
    )


def make_loader(faces, workers=0):
    return ResumableLoader(faces, ResumableBatchSampler(len(faces), BATCH, seed=1), workers)


def take(loader, batches):
    """The next batches, epoch after epoch, as training takes them."""
    taken = []
    while len(taken) < batches:
        taken += [batch["points"].clone() for batch in itertools.islice(loader, batches - len(taken))]
    return torch.stack(taken)


@pytest.fixture(scope="module")
def undisturbed(faces):
    return take(make_loader(faces), 3 * PER_EPOCH)


def test_an_epoch_is_a_pass(faces, undisturbed):
    loader = make_loader(faces)
    first, second = list(loader), list(loader)
    assert len(first) == len(second) == PER_EPOCH == len(loader)
    assert first[0]["crop"].shape == (BATCH, 32, 32, 3)
    points = torch.stack([batch["points"] for batch in first + second])
    assert torch.equal(points, undisturbed[: 2 * PER_EPOCH])
    assert loader.state_dict() == {"epoch": 2, "batches_done": 0}


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_do_not_change_the_batches(faces, undisturbed, workers):
    assert torch.equal(take(make_loader(faces, workers), 2 * PER_EPOCH), undisturbed[: 2 * PER_EPOCH])


@pytest.mark.parametrize("done", range(1, 2 * PER_EPOCH + 1))
def test_a_new_loader_goes_on_exactly_where_the_state_was_taken(faces, undisturbed, done):
    former = make_loader(faces)
    take(former, done)
    loader = make_loader(faces)
    loader.load_state_dict(former.state_dict())
    assert torch.equal(take(loader, 3 * PER_EPOCH - done), undisturbed[done:])


def test_what_workers_fetched_ahead_does_not_count(faces, undisturbed):
    former = make_loader(faces, workers=1)
    stream = iter(former)
    next(stream)
    next(stream)
    state = former.state_dict()
    assert state == {"epoch": 0, "batches_done": 2}
    loader = make_loader(faces)
    loader.load_state_dict(state)
    assert torch.equal(take(loader, 1), undisturbed[2:3])


def test_the_state_during_the_last_batch_is_the_next_epochs(faces):
    loader = make_loader(faces)
    for _ in loader:
        state = loader.state_dict()
    assert state == {"epoch": 1, "batches_done": 0}


def test_starting_a_loader_draws_nothing_from_torchs_global_numbers(faces):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    take(make_loader(faces), 1)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_state_of_other_data_is_refused(faces):
    loader = make_loader(faces)
    loader.load_state_dict({"epoch": 0, "batches_done": PER_EPOCH})
    with pytest.raises(InputError, match="resume with the same data"):
        next(iter(loader))


def epoch_of(sampler, epoch, done=0):
    sampler.resume(epoch, done)
    return list(sampler)


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset by peer"), EOFError()], ids=repr)
def test_a_batch_that_a_dead_worker_held(faces, error, monkeypatch):
    def gone(_):
        raise error
        yield

    monkeypatch.setattr(torch.utils.data.DataLoader, "__iter__", gone)
    with pytest.raises(RuntimeError, match=r"^DataLoader worker is gone: (ConnectionReset|EOF)Error"):
        next(iter(make_loader(faces)))


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
