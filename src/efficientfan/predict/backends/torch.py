"""Checkpoints (`.safetensors`) on torch, for machines that train. Needs the `train` extra."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from efficientfan.errors import MissingDependencyError, needs_extra
from efficientfan.predict.backends.base import BackendOutput, check_options, run_checked, split_device

if TYPE_CHECKING:
    import torch

__all__ = ["TorchBackend"]

Array = NDArray[Any]

_TURN = Lock()
"""torch's settings are global to the process, so batches run one at a time."""


class TorchBackend:
    """A `.safetensors` checkpoint of training, without an export.

    Args:
        path: the checkpoint.
        device: "cpu", "cuda", "cuda:1" or "mps"; a device that is not available is an error.
        threads: processor threads of one run; None keeps torch's setting.
        precision: "f32", "bf16" (autocast), or "auto", which is f32 here.

    Raises:
        InputError: the file is missing, damaged, or not one of efficientfan; or an unknown device or precision.
        MissingDependencyError: torch is not installed, or the device is not available.
    """

    name = "torch"
    runs_overlap: ClassVar[bool] = False

    def __init__(
        self, path: str | Path, device: str = "cpu", threads: int | None = None, precision: str = "f32"
    ) -> None:
        check_options(threads, precision)
        with needs_extra("train", "backend 'torch' needs"):
            import torch

            from efficientfan.models import channels_last, load_checkpoint
            from efficientfan.models.deployed import DeployedNet
        self._device = _device(device)
        self.path = Path(path)
        self.device = device
        network, self.spec = load_checkpoint(path)
        self._net = DeployedNet(channels_last(network), self.spec).eval().to(self._device)
        self.precision = "bf16" if precision == "bf16" else "f32"
        self.threads = threads or torch.get_num_threads()

    def run(self, crops: Array) -> BackendOutput:
        """See `Backend.run`.

        Raises:
            InputError: crops of another shape or type than (N, S, S, 3) uint8.
        """
        return run_checked(crops, self.spec, self._infer)

    def _infer(self, crops: Array) -> list[Array]:
        import torch

        with _TURN, ExitStack() as settings:
            settings.enter_context(torch.inference_mode())
            settings.enter_context(_threads(self.threads))
            if self.precision == "bf16":
                settings.enter_context(torch.autocast(self._device.type, torch.bfloat16))
            elif self._device.type == "cuda":  # TF32 convolutions would not agree with f32
                settings.enter_context(torch.backends.cudnn.flags(allow_tf32=False))
            found = self._net(torch.tensor(crops, device=self._device))
        return [output.float().cpu().numpy() for output in found if output is not None]


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Sets torch's thread count, which is global to the process, for the time of a block."""
    import torch

    before = torch.get_num_threads()
    if count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _device(name: str) -> torch.device:
    import torch

    kind, number = split_device(name, "torch", ("cpu", "cuda", "cuda:N", "mps"))
    if kind == "cuda" and not torch.cuda.is_available():
        raise MissingDependencyError(
            f"device {name!r}: this torch finds no CUDA; install a CUDA build (https://pytorch.org/get-started) and "
            "its driver, or use device 'cpu'"
        )
    if kind == "cuda" and (number or 0) >= torch.cuda.device_count():
        raise MissingDependencyError(
            f"device {name!r}: there are {torch.cuda.device_count()} CUDA devices, counted from 0"
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise MissingDependencyError("device 'mps': torch finds no Apple GPU here; use device 'cpu'")
    return torch.device(kind) if number is None else torch.device(kind, number)
