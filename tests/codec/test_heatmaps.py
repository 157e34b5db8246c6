"""Targets and decoders: against slow numpy transcriptions, and encode-then-decode to stated tolerances."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from efficientfan.codec import DECODERS, build_decoder, gaussian_heatmaps, inside_crop
from efficientfan.errors import InputError

STRIDE, SIDE = 4, 64


def encode(cells, sigma, side=SIDE):
    """Maps (1, K, side, side) with Gaussians at (x, y) in cells."""
    points = (torch.tensor([cells], dtype=torch.float64) + 0.5) * STRIDE - 0.5
    mask = torch.ones(points.shape[:2])
    return gaussian_heatmaps(points, mask, heatmap_size=side, stride=STRIDE, sigma=sigma)


def noisy_maps(seed, k=6, side=16):
    """Gaussians of unequal height on noise, so that no decoder has it easy."""
    draw = np.random.default_rng(seed)
    maps = encode(draw.uniform(3, side - 4, (k, 2)).tolist(), 1.5, side).numpy()
    return maps * draw.uniform(0.3, 1.2, (1, k, 1, 1)) + 0.1 * draw.random(maps.shape)


# Targets


def test_targets_are_gaussians_at_the_exact_position():
    points, sigma = [[9.3, 20.8], [31.5, 2.0]], 1.25
    maps = gaussian_heatmaps(
        torch.tensor([points], dtype=torch.float64), torch.ones(1, 2), heatmap_size=12, stride=4, sigma=sigma
    )
    for k, (x, y) in enumerate(points):
        for row in range(12):
            for column in range(12):
                dx, dy = column - ((x + 0.5) / 4 - 0.5), row - ((y + 0.5) / 4 - 0.5)
                expected = math.exp(-(dx**2 + dy**2) / (2 * sigma**2))
                assert maps[0, k, row, column].item() == pytest.approx(expected, rel=1e-12)


def test_masked_landmarks_have_an_empty_map_even_where_nan():
    points = torch.tensor([[[10.0, 10.0], [math.nan, math.nan], [20.0, 20.0]]])
    maps = gaussian_heatmaps(points, torch.tensor([[0.5, 0.0, 0.0]]), heatmap_size=8, stride=4, sigma=1.0)
    assert maps[0, 0].max() > 0.5  # a weight is not a height
    assert maps[0, 1:].abs().max() == 0


def test_inside_crop_ends_at_the_outer_edges_of_the_pixels():
    points = torch.tensor([[-0.5, 0.0], [-0.51, 0.0], [31.5, 31.5], [31.6, 5.0], [math.nan, 5.0]])
    assert inside_crop(points, 32).tolist() == [True, False, True, False, False]


# Decoders, each against its transcription


def peak_of(plane):
    y, x = np.unravel_index(plane.argmax(), plane.shape)
    return int(x), int(y)


def at(plane, x, y):
    """The value at (x, y), mirrored at the borders."""
    return np.pad(plane, 1, mode="reflect")[y + 1, x + 1]


def argmax(plane):
    return (*peak_of(plane), plane.max())


def quarter(plane):
    x, y = peak_of(plane)
    dx = 0.25 * np.sign(at(plane, x + 1, y) - at(plane, x - 1, y))
    dy = 0.25 * np.sign(at(plane, x, y + 1) - at(plane, x, y - 1))
    return x + dx, y + dy, plane.max()


def smoothed(plane, sigma):
    radius = round(3 * sigma)
    window = np.arange(-radius, radius + 1)
    kernel = np.exp(-(window[:, None] ** 2 + window[None] ** 2) / (2 * sigma**2))
    padded = np.pad(plane, radius)
    result = np.empty_like(plane)
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            result[y, x] = (
                padded[y : y + 2 * radius + 1, x : x + 2 * radius + 1] * kernel
            ).sum() / kernel.sum()
    return result


def dark(plane, sigma=0.0):
    logs = np.log(np.maximum(smoothed(plane, sigma) if sigma else plane, 1e-10))
    x, y = peak_of(logs)
    gradient = np.array(
        [(at(logs, x + 1, y) - at(logs, x - 1, y)) / 2, (at(logs, x, y + 1) - at(logs, x, y - 1)) / 2]
    )
    xx = at(logs, x + 1, y) - 2 * at(logs, x, y) + at(logs, x - 1, y)
    yy = at(logs, x, y + 1) - 2 * at(logs, x, y) + at(logs, x, y - 1)
    xy = (
        at(logs, x + 1, y + 1) - at(logs, x + 1, y - 1) - at(logs, x - 1, y + 1) + at(logs, x - 1, y - 1)
    ) / 4
    hessian = np.array([[xx, xy], [xy, yy]])
    step = -np.linalg.solve(hessian, gradient)
    assert np.all(np.linalg.eigvalsh(hessian) < 0), "the fixture must have proper peaks"
    dx, dy = np.clip(step, -1, 1)
    return x + dx, y + dy, plane.max()


def expectation(probability):
    ys, xs = np.mgrid[: probability.shape[0], : probability.shape[1]]
    return (probability * xs).sum(), (probability * ys).sum()


def concentration(probability, x, y, sigma=1.5):
    ys, xs = np.mgrid[: probability.shape[0], : probability.shape[1]]
    near = np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * sigma**2))
    return min(1.0, 2 * (probability * near).sum())


def softmax(plane):
    raised = np.exp(plane - plane.max())
    return raised / raised.sum()


def integral(plane):
    rectified = np.maximum(plane, 0)
    x, y = expectation(rectified / rectified.sum())
    return x, y, concentration(rectified / rectified.sum(), x, y)


def softargmax(plane):
    x, y = expectation(softmax(plane))
    return x, y, concentration(softmax(plane), x, y)


def local_softargmax(plane, radius=4):
    px, py = peak_of(plane)
    ys, xs = np.mgrid[: plane.shape[0], : plane.shape[1]]
    window = softmax(plane) * (abs(xs - px) <= radius) * (abs(ys - py) <= radius)
    x, y = expectation(window / window.sum())
    return x, y, concentration(softmax(plane), x, y)


def topk(plane, k=9):
    best = np.argsort(plane.ravel())[::-1][:k]
    weights = softmax(plane.ravel()[best])
    x, y = (weights * (best % plane.shape[1])).sum(), (weights * (best // plane.shape[1])).sum()
    return x, y, concentration(softmax(plane), x, y)


@pytest.mark.parametrize(
    ("name", "options", "gain", "slow"),
    [
        ("argmax", {}, 1, argmax),
        ("quarter", {}, 1, quarter),
        ("dark", {}, 1, None),
        ("dark", {"sigma": 1.5}, 1, lambda plane: dark(plane, 1.5)),
        ("integral", {}, 1, integral),
        ("softargmax", {}, 8, softargmax),
        ("local_softargmax", {}, 8, local_softargmax),
        ("local_softargmax", {"radius": 2}, 8, lambda plane: local_softargmax(plane, 2)),
        ("topk", {}, 8, topk),
        ("topk", {"k": 5}, 8, lambda plane: topk(plane, 5)),
    ],
)
def test_decoders_do_what_their_papers_say(name, options, gain, slow):
    maps = gain * noisy_maps(seed=4)
    if slow is None:  # a single step on raw noise needs a proper peak: take away most of the noise
        maps, slow = 0.02 * maps + encode([[5.2, 6.9]] * 6, 1.5, 16).numpy(), dark
    points, scores = build_decoder(name, STRIDE, **options)(torch.from_numpy(maps))
    for k in range(maps.shape[1]):
        x, y, score = slow(maps[0, k])
        expected = [(x + 0.5) * STRIDE - 0.5, (y + 0.5) * STRIDE - 0.5]
        assert points[0, k].tolist() == pytest.approx(expected, abs=2e-3 if name == "dark" else 1e-4)
        assert scores[0, k].item() == pytest.approx(min(1.0, score), abs=1e-5)


def test_dark_is_exact_on_a_clean_gaussian_and_sees_a_tilt_of_it():
    # A Gaussian's logarithm is a parabola, and one Newton step finds a parabola's top: the error is rounding
    # (in float32 less than the spacing of the coordinates, so often 0). Times exp(g x), it moves by sigma² g.
    cells, sigma, tilt = np.random.default_rng(0).uniform(12, 51, (50, 2)), 1.5, 0.1
    maps = encode(cells.tolist(), sigma)
    decoder = build_decoder("dark", STRIDE)
    clean, _ = decoder.decode_cells(maps)
    tilted, _ = decoder.decode_cells(maps * torch.exp(tilt * torch.arange(SIDE, dtype=torch.float64)))
    assert np.abs(clean[0].numpy() - cells).max() < 1e-13
    assert np.abs(tilted[0].numpy() - cells - [sigma**2 * tilt, 0]).max() < 1e-12


# Encode, then decode. Tolerances in cells, away from the borders, as measured.

ROUND_TRIPS = {
    "argmax": ({}, 0.5 + 1e-5),
    "quarter": ({}, 0.25 + 1e-5),
    "dark": ({}, 1e-5),
    "dark, smoothed": ({"sigma": 1.0}, 2e-4),  # the kernel ends at 3 sigma
    "integral": ({}, 1e-4),
    "softargmax": ({}, 1e-4),
    "local_softargmax": ({}, 0.08),  # a window around the highest cell cuts unevenly; 1e-4 at sigma 1
    "topk": ({}, 0.36),  # as do nine cells; 0.22 at sigma 1
}
CELL = st.floats(12, 51, allow_nan=False)


@pytest.mark.parametrize("case", ROUND_TRIPS)
@settings(max_examples=40, deadline=None)
@given(x=CELL, y=CELL, sigma=st.sampled_from([1.0, 1.5, 2.0]))
def test_encode_then_decode_comes_back(case, x, y, sigma):
    options, tolerance = ROUND_TRIPS[case]
    name = case.partition(",")[0]
    maps = encode([[x, y]], sigma)
    if "soft" in name or name == "topk":
        maps = maps.clamp(min=1e-300).log()  # decoders with a softmax take logits
    points, _ = build_decoder(name, STRIDE, **options)(maps)
    error = ((points[0, 0].double() + 0.5) / STRIDE - 0.5 - torch.tensor([x, y])).abs().max()
    assert error <= tolerance


@pytest.mark.parametrize("name", ["argmax", "quarter", "dark"])
@pytest.mark.parametrize("cell", [(0.0, 0.0), (63.0, 0.2), (0.4, 63.0)])
def test_peaks_on_the_border_stay_within_half_a_cell(name, cell):
    points, _ = build_decoder(name, STRIDE)(encode([list(cell)], 1.5))
    assert ((points[0, 0] + 0.5) / STRIDE - 0.5 - torch.tensor(cell)).abs().max() <= 0.5


# What holds for every decoder


def odd_maps():
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(6, 1, 3, 16, 16, generator=draw)
    return {
        "noise": noise[0],
        "huge": 1e6 * noise[1],
        "tiny": 1e-12 * noise[2],
        "negative": -noise[3].abs() - 1,
        "empty": torch.zeros(1, 3, 16, 16),
        "flat": torch.full((1, 3, 16, 16), 7.0),
        "half": noise[4].half(),
        "corner": torch.nn.functional.pad(torch.ones(1, 3, 1, 1), (0, 15, 0, 15)),
    }


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("kind", odd_maps())
def test_points_stay_on_the_crop_and_scores_in_zero_to_one(name, kind):
    points, scores = build_decoder(name, STRIDE)(odd_maps()[kind])
    assert points.shape == (1, 3, 2)
    assert scores.shape == (1, 3)
    assert points.dtype == scores.dtype == torch.float32
    assert points.min() >= (STRIDE - 1) / 2 - 1e-3  # the center of the first cell, and of the last
    assert points.max() <= 16 * STRIDE - 1 - (STRIDE - 1) / 2 + 1e-3
    assert scores.min() >= 0
    assert scores.max() <= 1


@pytest.mark.parametrize("name", DECODERS)
def test_a_face_does_not_depend_on_its_batch(name):
    maps = torch.from_numpy(np.concatenate([noisy_maps(seed) for seed in range(5)])).float()
    decoder = build_decoder(name, STRIDE)
    points, scores = decoder(maps)
    for index in (4, 2):
        alone = decoder(maps[index : index + 1])
        torch.testing.assert_close(alone[0][0], points[index], rtol=1e-6, atol=1e-5)
        torch.testing.assert_close(alone[1][0], scores[index], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["integral", "softargmax", "local_softargmax", "topk"])
def test_expectations_have_a_gradient(name):
    maps = torch.from_numpy(noisy_maps(3)).requires_grad_()
    build_decoder(name, STRIDE)(maps)[0].sum().backward()
    assert maps.grad.isfinite().all()
    assert (maps.grad.abs().amax(dim=(2, 3)) > 0).all()


def test_unknown_decoders_and_options_are_refused():
    with pytest.raises(InputError, match="unknown decoder 'mean'; known are argmax"):
        build_decoder("mean", 4)
    with pytest.raises(InputError, match=r"decoder 'quarter': .*sigma"):
        build_decoder("quarter", 4, sigma=1)


TRAINABLE = [name for name in DECODERS if build_decoder(name, 4).trains_coordinates]


def test_picking_one_cell_trains_no_coordinates():
    assert set(DECODERS) - set(TRAINABLE) == {"argmax", "quarter", "dark"}


@pytest.mark.parametrize("name", TRAINABLE)
def test_decoders_that_train_coordinates_move_a_misplaced_peak(name):
    """A step down the gradient of the distance brings the point nearer to a target some cells away."""
    decoder = build_decoder(name, 4)
    target = torch.tensor([30.0, 38.0])
    points = torch.tensor([[[22.0, 26.0]]])
    maps = 5 * gaussian_heatmaps(points, torch.ones(1, 1), heatmap_size=16, stride=4, sigma=1.5)
    maps.requires_grad_()
    before = (decoder(maps)[0] - target).norm()
    before.backward()
    after = (decoder(maps - 0.5 * maps.grad / maps.grad.abs().max())[0] - target).norm()
    assert after < before - 0.1
