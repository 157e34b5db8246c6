"""`CachedTeacher`: a teacher is frozen, so what it says of a crop needs computing once only."""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor

from efficientfan.distill.teacher import Teacher
from efficientfan.errors import InputError
from efficientfan.files import write_bytes
from efficientfan.models import LandmarkNet, NetworkOutput
from efficientfan.models.tensor_file import read_tensor_file

__all__ = ["CachedTeacher"]

logger = logging.getLogger(__name__)

_KEY, _CHECKSUM = "efficientfan.teacher_output", "crc32"


class CachedTeacher(Teacher):
    """A teacher that keeps what it says of each crop in a file of its own.

    An output is found by the teacher's file, the device and precision it ran in, and the crop's pixels. So
    nothing can go stale: another photo, box, margin or size is another crop. Runs with other students, terms
    or hold-outs share the cache, and so do processes. The outputs are stored as they are, not rounded: where
    the teacher says the same of a crop in any batch, as on a processor, a run ends with the same weights with
    the cache as without. A batch that is not known as a whole is computed as a whole.

    It pays only where the same crops come back: without augmentation (`Augmentation.at_work`).

    Args:
        network: the teacher's.
        folder: of the cache; made if it is not there.
        sha256: of the teacher's file.

    Raises:
        InputError: `folder` cannot be made.
    """

    def __init__(self, network: LandmarkNet, folder: str | Path, sha256: str) -> None:
        super().__init__(network)
        self.folder = Path(folder)
        self.sha256 = sha256
        self._stores = True
        self._announced = False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{folder}: is no folder for a cache ({error.strerror}); choose another"
            ) from error

    def __call__(self, images: Tensor) -> NetworkOutput:
        """(N, 3, S, S) normalised RGB to the teacher's maps."""
        teacher = f"{self.sha256}/{images.device.type}/{_precision(images.device.type)}"
        keys = [f"{teacher}/{_digest(image)}" for image in images.permute(0, 2, 3, 1).cpu().contiguous()]
        paths = [self._path(key) for key in keys]
        known = [_read(path, key) for path, key in zip(paths, keys, strict=True)]
        found = [tensors for tensors in known if tensors is not None]
        if len(found) == len(known):
            return _joined(found, images.device)
        output = super().__call__(images)
        for index, (path, key, tensors) in enumerate(zip(paths, keys, known, strict=True)):
            if tensors is None and self._stores:
                self._write(path, key, {name: maps[index] for name, maps in _named(output).items()})
        return output

    def _path(self, key: str) -> Path:
        teacher, device, precision, crop = key.split("/")
        return self.folder / f"{teacher[:16]}-{device}-{precision}" / crop[:2] / f"{crop}.safetensors"

    def _write(self, path: Path, key: str, tensors: Mapping[str, Tensor]) -> None:
        kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        content = save(kept, metadata={_KEY: key, _CHECKSUM: _checksum(kept)})
        try:
            write_bytes(path, content)
        except (InputError, OSError) as error:
            logger.warning("%s: %s; the teacher's further outputs are not stored", self.folder, error)
            self._stores = False
            return
        if not self._announced:
            logger.info("teacher cache %s: %.1f MB a face", self.folder, len(content) / 1e6)
        self._announced = True


def _precision(device: str) -> str:
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
    return str(dtype).removeprefix("torch.")


def _digest(image: Tensor) -> str:
    return hashlib.blake2b(image.numpy().data, digest_size=20).hexdigest()


def _named(output: NetworkOutput) -> dict[str, Tensor]:
    tensors = {f"features.{index}": maps for index, maps in enumerate(output.features)}
    tensors["heatmaps"] = output.heatmaps
    return tensors if output.visibility is None else tensors | {"visibility": output.visibility}


def _joined(faces: list[dict[str, Tensor]], device: torch.device) -> NetworkOutput:
    """Single faces as one batch, laid out in memory as the teacher's own maps: sums are then in their order."""
    batch = {}
    for name in faces[0]:
        stacked = torch.stack([face[name] for face in faces]).to(device)
        batch[name] = stacked.contiguous(memory_format=torch.channels_last) if stacked.ndim == 4 else stacked
    features = [name for name in batch if name.startswith("features.")]
    return NetworkOutput(
        heatmaps=batch["heatmaps"],
        features=tuple(batch[f"features.{index}"] for index in range(len(features))),
        visibility=batch.get("visibility"),
    )


def _read(path: Path, key: str) -> dict[str, Tensor] | None:
    """What was stored under the key; None without it, and where the file is damaged or holds something else."""
    if not path.exists():
        return None
    try:
        tensors, metadata = read_tensor_file(path)
    except (OSError, SafetensorError) as error:
        logger.warning("%s: cannot be used (%s); it is computed anew", path, error)
        return None
    if metadata != {_KEY: key, _CHECKSUM: _checksum(tensors)}:
        logger.warning("%s: is damaged or of something else; it is computed anew", path)
        return None
    return tensors


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    value = 0
    for _, tensor in sorted(tensors.items()):
        value = zlib.crc32(tensor.view(torch.uint8).numpy().data, value)
    return f"{value:08x}"
