"""Data sets packed into a few tar files, for sets of more photos than a file system handles well.

```
ROOT/train-00000.tar   000000000.jpg 000000000.json 000000001.png ...    photos, byte for byte, and their faces
ROOT/train-00001.tar   ...
ROOT/train.index.npz   all faces, and where in which tar file their photo begins
```
The tar files have webdataset's layout, so other tools read them from end to end. Here the index alone is read; a photo
takes one seek (`efficientfan.packed`), so a packed data set is shuffled, augmented and resumed as its files are.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError, first_line
from efficientfan.files import atomic_path
from efficientfan.packed import packed_path, photo_bytes
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import Annotation

__all__ = ["find_index", "pack_dataset", "read_packed"]

_ARRAYS = ("points", "visibility", "boxes", "photo", "shard", "offset", "text")


def find_index(root: Path, split: str) -> Path | None:
    """The index of a packed split in the folder `root`, or None where the split is not packed."""
    index = root / f"{split}.index.npz"
    return index if index.is_file() else None


def pack_dataset(
    faces: Sequence[Annotation],
    out: Path,
    split: str,
    *,
    dataset: str,
    schema: LandmarkSchema,
    shard_bytes: int = 1_000_000_000,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Path]:
    """Pack faces and their photos. The index is written last: where it is, the split is whole.

    Args:
        faces: N faces, in the order in which they will be read.
        out: the folder.
        split: name of the split, which begins the files' names.
        dataset: name of the data set, under which alone it is read again.
        schema: of its landmarks.
        shard_bytes: a tar file ends at the first photo that reaches so many bytes.
        progress: called with the number of faces just packed.

    Returns:
        The tar files.

    Raises:
        InputError: no faces, a photo that cannot be read, or `out` holds this split or cannot be written to.
    """
    if not faces:
        raise InputError("there are no faces to pack")
    if find_index(out, split) is not None:
        raise InputError(f"{out}: holds split {split!r} already; choose another folder, or remove it first")
    photos: dict[Path, list[int]] = {}
    for index, face in enumerate(faces):
        photos.setdefault(face.image, []).append(index)
    waiting = list(enumerate(photos.items()))[::-1]
    shards: list[Path] = []
    members: list[tuple[int, int, str]] = []
    while waiting:
        shards.append(out / f"{split}-{len(shards):05d}.tar")
        with atomic_path(shards[-1], durable=True) as temporary, tarfile.open(temporary, "w") as tar:
            while waiting and tar.offset < shard_bytes:
                number, (image, indices) = waiting.pop()
                name = f"{number:09d}{image.suffix.lower()}"
                members.append((len(shards) - 1, tar.offset, name))
                own = [faces[index] for index in indices]
                _add(tar, name, _content(image))
                _add(tar, f"{number:09d}.json", json.dumps([_plain(face) for face in own]).encode())
                progress(len(own))
    _write_index(
        out / f"{split}.index.npz", faces, list(photos.values()), shards, members, dataset, schema.name
    )
    return shards


def read_packed(index: Path, dataset: str, schema: LandmarkSchema) -> list[Annotation]:
    """The faces of a packed split, as they were packed and in their order.

    Raises:
        InputError: a damaged index, a tar file that is missing or cut, another data set, or other landmarks.
    """
    try:
        with index.open("rb") as stream, np.load(stream) as file:  # numpy leaves a damaged file open
            arrays = {name: file[name] for name in _ARRAYS}
        text = json.loads(arrays["text"].tobytes())
        found = (text["dataset"], text["schema"])
        faces = _faces(index, text, arrays)
    except Exception as error:  # numpy and zipfile raise errors of many types on damaged files
        raise InputError(f"{index}: is no index of `efficientfan data pack` ({first_line(error)})") from error
    for what, wanted, there in (("data set", dataset, found[0]), ("schema", schema.name, found[1])):
        if wanted != there:
            raise InputError(f"{index}: was packed with {what} {there!r}, not {wanted!r}")
    for shard in text["shards"]:
        path = index.parent / shard["name"]
        size = path.stat().st_size if path.is_file() else None
        if size != shard["bytes"]:
            state = "is missing" if size is None else f"has {size} bytes, not {shard['bytes']}"
            raise InputError(f"{path}: {state}; copy it anew")
    return faces


def _faces(index: Path, text: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> list[Annotation]:
    shards = [index.parent / shard["name"] for shard in text["shards"]]
    images = [
        packed_path(shards[shard], offset, name)
        for shard, offset, name in zip(
            arrays["shard"].tolist(), arrays["offset"].tolist(), text["members"], strict=True
        )
    ]
    rows = zip(
        arrays["photo"].tolist(),
        arrays["points"],
        arrays["visibility"],
        arrays["boxes"],
        text["attributes"],
        text["names"],
        strict=True,
    )
    return [
        Annotation(images[photo], points, visibility, None if np.isnan(box).any() else box, attributes, name)
        for photo, points, visibility, box, attributes, name in rows
    ]


def _write_index(
    path: Path,
    faces: Sequence[Annotation],
    groups: Sequence[Sequence[int]],
    shards: Sequence[Path],
    members: Sequence[tuple[int, int, str]],
    dataset: str,
    schema: str,
) -> None:
    photo = np.zeros(len(faces), dtype=np.int64)
    for number, indices in enumerate(groups):
        photo[list(indices)] = number
    text = {
        "dataset": dataset,
        "schema": schema,
        "shards": [{"name": shard.name, "bytes": shard.stat().st_size} for shard in shards],
        "members": [name for _, _, name in members],
        "names": [face.name for face in faces],
        "attributes": [dict(face.attributes) for face in faces],
    }
    nowhere = np.full(4, np.nan)
    with atomic_path(path, durable=True) as temporary:
        np.savez(
            temporary,
            points=np.stack([face.points for face in faces]),
            visibility=np.stack([face.visibility for face in faces]),
            boxes=np.stack([nowhere if face.box is None else face.box for face in faces]),
            photo=photo,
            shard=np.array([shard for shard, _, _ in members], dtype=np.int64),
            offset=np.array([offset for _, offset, _ in members], dtype=np.int64),
            text=np.frombuffer(json.dumps(text).encode(), dtype=np.uint8),
        )


def _content(image: Path) -> bytes:
    try:
        return photo_bytes(image)
    except OSError as error:
        raise InputError(f"{image}: cannot be read ({error.strerror})") from error


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _plain(face: Annotation) -> dict[str, Any]:
    """A face for other tools: points [x, y] in pixels, None where not labeled."""
    points = [None if np.isnan(point).any() else point.tolist() for point in face.points]
    return {
        "name": face.name,
        "points": points,
        "visibility": face.visibility.tolist(),
        "box": None if face.box is None else face.box.tolist(),
        "attributes": dict(face.attributes),
    }
