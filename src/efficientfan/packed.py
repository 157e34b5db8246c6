"""A photo inside a tar file, named by a path: `SHARD.tar/OFFSET/NAME`, where OFFSET is that of the member's header.

Such a path stands wherever a photo's path does: `imaging` reads it. Finding the photo takes one seek, and no list of
the file's members.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePath

from efficientfan.errors import InputError

__all__ = ["is_packed", "packed_path", "photo_bytes"]


def packed_path(shard: Path, offset: int, name: str) -> Path:
    """The path of the member `name`, whose header begins at byte `offset` of the tar file `shard`."""
    return shard / str(offset) / name


def is_packed(path: str | os.PathLike[str]) -> bool:
    """Whether a path names a photo inside a tar file."""
    parts = PurePath(path).parts[-3:]
    return (
        len(parts) == 3
        and parts[0].endswith(".tar")
        and parts[1].isdigit()
        and os.path.isfile(PurePath(path).parents[1])
    )


def photo_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content of a photo's file, wherever it lies.

    Raises:
        InputError: a tar file that is cut, or holds something else in this place.
        OSError: a file that cannot be read.
    """
    if not is_packed(path):
        return Path(path).read_bytes()
    import tarfile  # brings every kind of compression along

    place = PurePath(path)
    with open(place.parents[1], "rb") as file:
        file.seek(int(place.parent.name))
        try:
            header = tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise InputError(f"{path}: no file begins there ({error}); pack the data set anew") from error
        if header.name != place.name:
            raise InputError(f"{path}: holds {header.name!r} there; pack the data set anew")
        content = file.read(header.size)
    if len(content) != header.size:
        raise InputError(f"{path}: the tar file is cut; copy it anew")
    return content
