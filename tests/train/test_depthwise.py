"""Depthwise gradients in float32: the same numbers as plain autograd's in float32, and no other layer is touched."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from efficientfan.models.torchvision_guard import declare_torchvision_operators
from efficientfan.train.depthwise import Float32DepthwiseGradients

CHANNELS = 8
OURS, PLAIN = "_DepthwiseBackward", "ConvolutionBackward0"

LAYERS = {"symmetric": lambda kernel: {"padding": kernel // 2}, "same": lambda kernel: {}}
"""Padding -> further arguments of the layer."""


def layer_of(padding: str, kernel: int, stride: int) -> nn.Conv2d:
    declare_torchvision_operators()  # timm imports torchvision
    from timm.layers import Conv2dSame

    torch.manual_seed(kernel)
    kind = Conv2dSame if padding == "same" else nn.Conv2d
    options = {"stride": stride, "groups": CHANNELS, "bias": False, **LAYERS[padding](kernel)}
    return kind(CHANNELS, CHANNELS, kernel, **options)


def gradients(
    run: Callable[[Tensor], Tensor], image: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """What `run` makes of an image, and the gradients of image and weight for a fixed gradient of that."""
    image = image.clone().requires_grad_()
    output = run(image)
    torch.manual_seed(9)
    above = torch.randn(output.shape).to(output.dtype)
    of_image, of_weight = torch.autograd.grad(output, (image, weight), above)
    return output.detach(), of_image, of_weight


def in_mode(run: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def within(image: Tensor) -> Tensor:
        with Float32DepthwiseGradients():
            output = run(image)
        assert output.grad_fn is not None
        assert output.grad_fn.name() == OURS
        return output

    return within


def in_bf16(layer: nn.Conv2d) -> Callable[[Tensor], Tensor]:
    def run(image: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return layer(image)

    return run


sizes = pytest.mark.parametrize(
    ("padding", "kernel", "stride"),
    [(padding, kernel, stride) for padding in LAYERS for kernel in (3, 5) for stride in (1, 2)],
)


@sizes
def test_float32_gradients_are_autograds_own(padding: str, kernel: int, stride: int) -> None:
    layer, image = layer_of(padding, kernel, stride), torch.randn(3, CHANNELS, 14, 11)
    expected = gradients(layer, image, layer.weight)
    found = gradients(in_mode(layer), image, layer.weight)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours, theirs)
    assert found[2].abs().max() > 0


@sizes
@pytest.mark.parametrize("incoming", [torch.bfloat16, torch.float32])
def test_bf16_gradients_are_those_of_float32(
    padding: str, kernel: int, stride: int, incoming: torch.dtype
) -> None:
    """Exactly so for the weight; rounded once for a bf16 map. Plain bf16 is within its rounding of them."""
    layer, image = layer_of(padding, kernel, stride), torch.randn(3, CHANNELS, 14, 11).to(incoming)
    plain = gradients(in_bf16(layer), image, layer.weight)
    found = gradients(in_mode(in_bf16(layer)), image, layer.weight)
    _, of_image, of_weight = gradients_in_float32(layer, image)
    assert torch.equal(found[0], plain[0])
    assert [each.dtype for each in found] == [torch.bfloat16, incoming, torch.float32]
    assert torch.equal(found[1], of_image.to(incoming))
    assert torch.equal(found[2], of_weight)
    for ours, theirs in zip(found[1:], plain[1:], strict=True):
        difference = (ours.float() - theirs.float()).norm() / ours.float().norm()
        assert 0 < difference < 2**-7


def gradients_in_float32(layer: nn.Conv2d, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `gradients`, of a float32 layer whose output is rounded to bf16, as the gradient from above then is."""
    return gradients(lambda each: layer(each).bfloat16(), image.float(), layer.weight)


def test_outside_the_mode_nothing_changes() -> None:
    layer, image = layer_of("symmetric", 3, 1), torch.randn(1, CHANNELS, 6, 6)
    with Float32DepthwiseGradients():
        layer(image)
    assert layer(image).grad_fn.name() == PLAIN


def test_a_whole_step_within_the_mode_is_a_plain_step() -> None:
    """Backward runs within it, too, as in training."""
    network = nn.Sequential(
        nn.Conv2d(3, CHANNELS, 3, bias=False), layer_of("same", 3, 2), nn.BatchNorm2d(CHANNELS)
    )
    image = torch.randn(2, 3, 12, 12)
    network(image).square().sum().backward()
    expected = [weight.grad.clone() for weight in network.parameters()]
    network.zero_grad()
    with Float32DepthwiseGradients():
        network(image).square().sum().backward()
    for weight, gradient in zip(network.parameters(), expected, strict=True):
        assert torch.equal(weight.grad, gradient)


IMAGE = torch.zeros(1, CHANNELS, 6, 6)
DEPTHWISE = torch.ones(CHANNELS, 1, 3, 3, requires_grad=True)


@pytest.mark.parametrize(
    "run",
    [
        lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, groups=CHANNELS)(IMAGE),
        lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, groups=CHANNELS, bias=False, padding="same")(IMAGE),
        lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, groups=CHANNELS // 2, bias=False)(IMAGE),
        lambda: nn.Conv2d(CHANNELS, 2 * CHANNELS, 3, groups=CHANNELS, bias=False)(IMAGE),
        lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, bias=False)(IMAGE),
        lambda: nn.Conv2d(1, 1, 3, bias=False)(IMAGE[:, :1]),
        lambda: conv2d(IMAGE, DEPTHWISE, groups=CHANNELS),
        lambda: conv2d(IMAGE, torch.ones(4, CHANNELS, 3, 3, requires_grad=True)),
        lambda: nn.Conv2d(6, 6, 3, groups=6, bias=False)(torch.zeros(6, 6, 6)),
        lambda: conv2d(IMAGE, DEPTHWISE, None, 1, 1, 1, CHANNELS),
        lambda: conv2d(IMAGE.double(), DEPTHWISE.double(), None, (1, 1), (1, 1), (1, 1), CHANNELS),
    ],
    ids=[
        "bias",
        "padding='same'",
        "grouped",
        "widening",
        "full",
        "one channel",
        "keywords",
        "bare",
        "one image",
        "plain numbers",
        "float64",
    ],
)
def test_other_convolutions_are_left_alone(run: Callable[[], Tensor]) -> None:
    with Float32DepthwiseGradients():
        output = run()
    assert output.grad_fn is not None
    assert output.grad_fn.name() != OURS
    output.sum().backward()


def test_a_weight_that_needs_no_gradient_is_left_alone() -> None:
    layer = layer_of("symmetric", 3, 1).requires_grad_(False)
    image = torch.randn(1, CHANNELS, 6, 6, requires_grad=True)
    with Float32DepthwiseGradients():
        output = layer(image)
    assert output.grad_fn.name() == PLAIN
    assert not layer(image.detach()).requires_grad


def test_an_image_that_needs_no_gradient_gets_none() -> None:
    layer, image = layer_of("symmetric", 3, 1), torch.randn(1, CHANNELS, 6, 6)
    (expected,) = torch.autograd.grad(layer(image).square().sum(), layer.weight)
    with Float32DepthwiseGradients():
        output = layer(image)
    (found,) = torch.autograd.grad(output.square().sum(), layer.weight)
    assert output.grad_fn.name() == OURS
    assert torch.equal(found, expected)
