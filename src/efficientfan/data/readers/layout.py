"""Folders of a data set: what must be there, and which photo goes with which annotation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from efficientfan.errors import InputError
from efficientfan.imaging import IMAGE_SUFFIXES

__all__ = ["pair_by_stem", "require_file", "require_folder"]


def require_folder(root: Path, name: str, hint: str) -> Path:
    """`root/name`, which must be a folder; `hint` says what the root should be."""
    if not root.is_dir():
        raise InputError(f"{root}: is not a folder; {hint}")
    folder = root / name
    if not folder.is_dir():
        raise InputError(f"{root}: has no folder '{name}'; {hint}")
    return folder


def require_file(root: Path, names: Sequence[str], hint: str) -> Path:
    """The first of `names` that is a file under `root`."""
    if not root.is_dir():
        raise InputError(f"{root}: is not a folder; {hint}")
    for name in names:
        if (root / name).is_file():
            return root / name
    raise InputError(f"{root}: has no file '{names[0]}'; {hint}")


def pair_by_stem(images: Path, annotations: Path, suffix: str) -> list[tuple[Path, Path]]:
    """(image, annotation) pairs of equal stem in two folders (or one), in order of name.

    Raises:
        InputError: an image without annotation, the reverse, two images of one stem, or nothing at all.
    """
    labels = {path.stem: path for path in sorted(annotations.iterdir()) if path.suffix.lower() == suffix}
    photos: dict[str, Path] = {}
    for path in sorted(images.iterdir()):
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
            if path.stem in photos:
                raise InputError(f"{path}: beside {photos[path.stem].name}; one image a name")
            photos[path.stem] = path
    unpaired = [f"{photos[s]}: image without annotation ({suffix})" for s in sorted(photos.keys() - labels)]
    unpaired += [f"{labels[s]}: annotation without image" for s in sorted(labels.keys() - photos)]
    if unpaired:
        more = f" (and {len(unpaired) - 1} more)" if len(unpaired) > 1 else ""
        raise InputError(f"{unpaired[0]}{more}; is the data set unpacked in full?")
    if not photos:
        raise InputError(f"{images}: holds no images with {suffix} annotations; is this the right root?")
    return [(photos[stem], labels[stem]) for stem in sorted(photos)]
