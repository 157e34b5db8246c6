import itertools

import numpy as np
import pytest
import torch
from drawn_faces import drawn_face

from efficientfan.data.augment import Augmentation
from efficientfan.data.dataset import CropSpec, FaceCrops
from efficientfan.data.loader import ResumableLoader
from efficientfan.data.sampler import ResumableBatchSampler
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
