"""Depthwise convolutions whose gradients are computed in float32: on a CPU, several times faster than in bf16."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["Float32DepthwiseGradients"]


class Float32DepthwiseGradients(TorchFunctionMode):
    """Within it, depthwise convolutions run as they are and take their gradients in float32.

    oneDNN has fast bf16 kernels for their forward pass alone: its bf16 gradient of the weights takes four times as
    long as the float32 one, that of a strided input ten to twenty times (`benchmarks/training/depthwise.py`).
    For bf16 autocast on a CPU: anything wider than float32 and other devices are left alone. `torch.func` does not
    work through these convolutions.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is torch.conv2d and not kwargs and _is_depthwise(*args):
            return _Depthwise.apply(*args)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return func(*args, **(kwargs or {}))


def _is_depthwise(
    image: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, *more: Any
) -> bool:
    if len(more) < 2 or bias is not None or image.ndim != 4 or not weight.requires_grad:
        return False
    dilation, groups = more
    pairs = all(isinstance(each, list | tuple) for each in (stride, padding, dilation))  # as layers give them
    here = image.device.type == "cpu" and image.dtype in (torch.bfloat16, torch.float32)
    return pairs and here and bool(groups == image.shape[1] == weight.shape[0] > 1)


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        image: Tensor,
        weight: Tensor,
        bias: None,
        stride: list[int],
        padding: list[int],
        dilation: list[int],
        groups: int,
    ) -> Tensor:
        ctx.save_for_backward(image, weight)
        ctx.layout = (stride, padding, dilation, groups)
        return torch.conv2d(image, weight, bias, stride, padding, dilation, groups)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        image, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.layout
        of_image, of_weight, _ = torch.ops.aten.convolution_backward(
            gradient.float(),
            image.float(),
            weight.float(),
            None,
            stride,
            padding,
            dilation,
            False,
            [0, 0],
            groups,
            [ctx.needs_input_grad[0], ctx.needs_input_grad[1], False],
        )
        of_image = None if of_image is None else of_image.to(image.dtype)
        return of_image, of_weight.to(weight.dtype), None, None, None, None, None
