"""The photos that files, folders and globs stand for."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath

from efficientfan.errors import InputError
from efficientfan.imaging import PHOTO_SUFFIXES

__all__ = ["Photo", "find_photos", "result_paths"]


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo file.

    Attributes:
        path: its path, as the user would write it.
        name: the name of its results: its path below the source folder, or its file name.
    """

    path: str
    name: str


def find_photos(sources: Iterable[str | Path], *, recursive: bool = False) -> list[Photo]:
    """The photos of files, folders (by suffix, sorted) and globs, in the order of the sources.

    A folder that may not be listed stands for itself, as a photo that cannot be read.

    Args:
        sources: files, folders, or patterns such as "holiday/*.jpg".
        recursive: search the folders inside folders too.

    Raises:
        InputError: a source that does not exist or holds no photo.
    """
    photos: list[Photo] = []
    for source in map(str, sources):
        if os.path.isdir(source):
            found = _in_folder(source, recursive)
            if not found:
                hint = "" if recursive else "; --recursive looks into its folders"
                raise InputError(
                    f"{source}: this folder holds no photos ({', '.join(sorted(PHOTO_SUFFIXES))}){hint}"
                )
        elif os.path.lexists(source):
            found = [Photo(source, os.path.basename(source))]
        else:
            matches = sorted(glob.glob(source, recursive=recursive)) if glob.has_magic(source) else []
            found = [Photo(match, os.path.basename(match)) for match in matches if not os.path.isdir(match)]
            if not found:
                raise InputError(f"{source}: no such file, folder or match")
        photos += found
    return photos


def _in_folder(folder: str, recursive: bool) -> list[Photo]:
    found = []

    def unreadable(error: OSError) -> None:  # it is no photo, so it fails as one: said, counted, exit code 1
        found.append(Photo(error.filename, os.path.relpath(error.filename, folder)))

    for where, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if recursive and not name.startswith("."))
        for file in sorted(files):
            if PurePath(file).suffix.lower() in PHOTO_SUFFIXES and not file.startswith("."):
                path = os.path.join(where, file)
                found.append(Photo(path, os.path.relpath(path, folder)))
    return found


def result_paths(
    photos: Iterable[Photo], folder: Path, suffixes: dict[str, str], default: str
) -> dict[str, Path]:
    """The file of each photo's result in `folder`: photo's path -> path of the result.

    Args:
        photos: those of one run.
        folder: folder of the results.
        suffixes: suffix of a photo -> suffix of its result; `default` for all others.

    Raises:
        InputError: two photos would have the same result, or a result would replace its photo.
    """
    targets: dict[str, Path] = {}
    owners: dict[Path, str] = {}
    for photo in photos:
        suffix = suffixes.get(PurePath(photo.name).suffix.lower(), default)
        target = (folder / photo.name).with_suffix(suffix)
        if owners.setdefault(target, photo.path) != photo.path:
            raise InputError(
                f"{target}: would be written for both {owners[target]} and {photo.path}; write them to "
                "different folders"
            )
        if target.exists() and target.resolve() == Path(photo.path).resolve():
            raise InputError(f"{target}: is the photo itself and would be replaced; choose another folder")
        targets[photo.path] = target
    return targets
