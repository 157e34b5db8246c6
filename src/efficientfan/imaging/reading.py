"""Photos in: whatever is handed over, as H x W x 3 uint8 RGB, with its cost bounded before it is decoded."""

from __future__ import annotations

import functools
import io
import math
import os
import stat
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from efficientfan.errors import InputError, check_number, first_line, install_command, printable
from efficientfan.packed import is_packed, photo_bytes

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import TiffImageFile

__all__ = [
    "ChannelOrder",
    "DEFAULT_MAX_PIXELS",
    "IMAGE_SUFFIXES",
    "ImageLike",
    "PHOTO_SUFFIXES",
    "check_file",
    "decode",
    "image_name",
    "photo_size",
    "read_rgb",
    "to_rgb",
]

Array = NDArray[Any]
ImageLike: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Array | Image.Image"
)
"""What `to_rgb` takes for an image."""

ChannelOrder: TypeAlias = Literal["rgb", "bgr"]
"""Order of an array's colors."""

_FORMATS: Mapping[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm"),
}
"""Pillow's name of a format -> suffixes of its files. Nothing else is decoded, whatever a file is called: Pillow knows
forty formats, of which one starts another program (EPS), and whose decoders are of unequal care."""

_COMMON = ("JPEG", "PNG", "BMP", "GIF", "PPM")
"""Those that Pillow loads first (`Image.preinit`)."""

_HEIF_SUFFIXES = frozenset({".heic", ".heif"})

IMAGE_SUFFIXES = frozenset(suffix for suffixes in _FORMATS.values() for suffix in suffixes)
"""Images that are read and written."""

PHOTO_SUFFIXES = IMAGE_SUFFIXES | _HEIF_SUFFIXES
"""What is taken for a photo in a folder. HEIC is read where the extra `heic` is installed; elsewhere that is said."""
DEFAULT_MAX_PIXELS = 100_000_000
"""Photos of more pixels are refused before they are decoded: a small file can claim a huge size."""

_WEIGHTS = {"WEBP": 2}
"""Pixels of these formats count so many times: their decoders hold several copies of the image."""

_MAX_SCANS = 100
"""A JPEG file of more scans is refused: each costs as long as decoding the photo once, and encoders write about ten."""

_TIFF_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 7, 8, 32773, 32946})
"""None, CCITT, LZW, JPEG, Deflate and PackBits. The others are rare, and bring further decoders along."""

_COMPRESSION, _TILE_WIDTH, _TILE_HEIGHT = 259, 322, 323  # of TIFF; its decoder makes room for a whole tile

_STRIP = 1 << 17
"""Pixels that are converted at once, so that conversions need no memory to speak of."""


def read_rgb(file: str | os.PathLike[str] | IO[bytes], *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Array:
    """Read a photo as H x W x 3 uint8 RGB, upright as its EXIF orientation says.

    Gray, palette, RGBA (laid on black), CMYK and 16-bit are converted; of an animation the first frame.

    Args:
        file: a path, or a file open in binary mode; one that can seek is read from its beginning, and left open.
        max_pixels: photos of more pixels are refused before they are decoded.

    Raises:
        InputError: missing, no regular file, not an image of a format that is read, damaged, of floating-point pixels
            (whose range is not known), of more than `max_pixels` pixels (of WebP, half as many), or of too many scans.
    """
    check_number("max_pixels", max_pixels, 1)
    return decode(file, max_pixels, image_name(file))


def decode(file: str | os.PathLike[str] | IO[bytes], max_pixels: int, where: str) -> Array:
    """`read_rgb` of a file that errors call `where`."""
    with _refusing(where), _QUIET, _open(_seekable(file)) as image:
        _check_cost(image, max_pixels, where)
        return _from_pillow(image)


def photo_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(width, height) of a photo as `read_rgb` gives it, from the file's header alone.

    Raises:
        InputError: missing, no regular file, or not an image of a format that is read.
    """
    with _refusing(image_name(path)), _QUIET, _open(path) as image:
        width, height = image.size
        sideways = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5  # 5 to 8 swap the sides
    return (height, width) if sideways else (width, height)


def image_name(file: ImageLike) -> str:
    """What errors call an image: its path, with escapes, or "image"."""
    return printable(os.fspath(file)) if isinstance(file, str | os.PathLike) else "image"


@contextmanager
def _refusing(where: str) -> Iterator[None]:
    """Whatever a decoder raises in this block, as an `InputError` of one line that names the image."""
    try:
        yield
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise InputError(
            f"{where}: is not an image that can be read ({', '.join(_formats())}); copy it anew, or convert "
            f"it to .jpg or .png{_heif_hint(where)}"
        ) from error
    except Exception as error:  # of damaged files: decoders raise whatever they stumble over
        if isinstance(error, OSError) and error.strerror:
            raise InputError(f"{where}: cannot be read as an image ({error.strerror})") from error
        raise InputError(
            f"{where}: cannot be read as an image ({first_line(error)}); copy it anew, or convert it"
        ) from error


def _heif_hint(where: str) -> str:
    missing = Path(where).suffix.lower() in _HEIF_SUFFIXES and "HEIF" not in _formats()
    return f"; HEIC files need: {install_command('heic')}" if missing else ""


@functools.cache
def _formats() -> tuple[str, ...]:
    """Pillow's names of the formats that are read."""
    try:
        import pi_heif
    except ImportError:
        return tuple(_FORMATS)
    pi_heif.register_heif_opener()
    return (*_FORMATS, "HEIF")


def _seekable(file: str | os.PathLike[str] | IO[bytes]) -> str | os.PathLike[str] | IO[bytes]:
    """The file, or its content where it cannot seek; Pillow goes back and forth while it reads."""
    if isinstance(file, str | os.PathLike):
        return file
    if isinstance(file, io.TextIOBase):
        raise InputError("image: the file is open as text; open it in binary mode, open(path, 'rb')")
    seekable = getattr(file, "seekable", None)
    return file if seekable is not None and seekable() else io.BytesIO(file.read())


class _Quiet:
    """Python ignores warnings while a thread is inside; Pillow has many, of damage that it gets over.

    The filters belong to the process: the first thread that comes changes them, the last that goes gives them back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._filters.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._filters.close()


_QUIET = _Quiet()
_LOCK = threading.Lock()


def _open(file: str | os.PathLike[str] | IO[bytes]) -> Image.Image:
    """Open without decoding, and without Pillow's own cap, which is below what a caller may allow."""
    if isinstance(file, str | os.PathLike) and is_packed(file):
        file = io.BytesIO(photo_bytes(file))
    if isinstance(file, str | os.PathLike):
        check_file(file)
    with _LOCK:
        cap, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return _identify(file)
        finally:
            Image.MAX_IMAGE_PIXELS = cap


def _identify(file: str | os.PathLike[str] | IO[bytes]) -> Image.Image:
    """Open an image by its content, its suffix's format first.

    Asked for a format that it has not loaded yet, Pillow loads all of its forty; so what is needed is loaded here, and
    the rarer formats only for a file that is none of the common ones.
    """
    if isinstance(file, str | os.PathLike):
        suffix = Path(file).suffix.lower()
        own = [name for name, suffixes in _FORMATS.items() if suffix in suffixes]
        with suppress(UnidentifiedImageError):
            return Image.open(file, formats=own)
    Image.preinit()
    with suppress(UnidentifiedImageError):
        return Image.open(file, formats=_COMMON)
    from PIL import TiffImagePlugin, WebPImagePlugin  # noqa: F401  # importing them registers them

    return Image.open(file, formats=_formats())


def check_file(path: str | os.PathLike[str]) -> None:
    """Refuse what is no regular file: a pipe would wait for a writer, a device need not end.

    Raises:
        InputError: a folder, pipe, socket, device, or an empty or missing file.
    """
    where = image_name(path)
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{where}: cannot be read as an image ({reason})") from error
    if not stat.S_ISREG(status.st_mode):
        what = "a pipe, socket or device"
        if stat.S_ISDIR(status.st_mode):
            may_list = os.access(path, os.R_OK | os.X_OK)
            what = "a folder" if may_list else "a folder without permission to list it"
        raise InputError(f"{where}: cannot be read as an image (it is {what})")
    if not status.st_size:
        raise InputError(f"{where}: is an empty file; copy it anew")


def to_rgb(
    image: ImageLike, *, max_pixels: int = DEFAULT_MAX_PIXELS, channels: ChannelOrder = "rgb"
) -> Array:
    """Convert any image to H x W x 3 uint8 RGB.

    Args:
        image: a path; the bytes of an image file; a file open in binary mode; a PIL image; or an array: H x W or
            H x W x 1 (gray), H x W x 3, or H x W x 4 (the fourth is alpha, laid on black), uint8 in [0, 255], or
            uint16 in [0, 65535], whose high bytes are taken. Files and PIL images are turned upright by EXIF.
        max_pixels: files and PIL images of more pixels are refused before they are decoded.
        channels: order of an array's colors, "rgb" or "bgr" (OpenCV's); files and PIL images have their own.

    Raises:
        InputError: another type, shape or dtype, an unreadable file, or an unknown order of channels.
    """
    check_number("max_pixels", max_pixels, 1)
    if channels not in ("rgb", "bgr"):
        raise InputError(f"channels is 'rgb' or 'bgr', not {channels!r}")
    if isinstance(image, np.ndarray):
        return _from_array(image, channels)
    if isinstance(image, Image.Image):
        with _refusing("image"):
            _check_cost(image, max_pixels, "image")
            return _from_pillow(image)
    if isinstance(image, bytes | bytearray | memoryview):
        image = io.BytesIO(image)
    if not isinstance(image, str | os.PathLike) and not hasattr(image, "read"):
        raise InputError(
            "an image is a path, the bytes of a file, an open file, a numpy array or a PIL image, "
            f"not {type(image).__name__}"
        )
    return read_rgb(image, max_pixels=max_pixels)


def _from_array(image: Array, channels: ChannelOrder) -> Array:
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.dtype != np.uint8:
        raise InputError(f"an image array is uint8 in [0, 255] (or uint16), not {image.dtype}")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    if image.ndim == 4:
        raise InputError(
            f"one image has shape H x W x 3, not {image.shape}; for N images use predictor.batch"
        )
    if image.ndim != 3 or image.shape[2] not in (3, 4) or 0 in image.shape:
        raise InputError(f"an image array has shape H x W, H x W x 3 or H x W x 4, not {image.shape}")
    if image.shape[2] == 4:
        laid = np.empty((*image.shape[:2], 3), np.uint8)
        for rows in _strips(*image.shape[:2]):
            alpha = image[rows, :, 3:].astype(np.uint16)
            laid[rows] = (image[rows, :, :3] * alpha + 127) // 255
        image = laid
    return np.ascontiguousarray(image if channels == "rgb" else image[..., ::-1])


def _strips(height: int, width: int) -> Iterator[slice]:
    """The rows of an image, a strip of about `_STRIP` pixels at a time."""
    rows = max(1, _STRIP // width)
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))


def _check_cost(image: Image.Image, max_pixels: int, where: str) -> None:
    """Refuse an opened image that would take too much memory or time, before it is decoded."""
    width, height = image.size
    most = max_pixels // _WEIGHTS.get(image.format or "", 1)
    if width * height > most:
        of_format = "" if most == max_pixels else f" for {image.format} (half of the others')"
        raise InputError(
            f"{where}: claims {width} x {height} pixels, more than the limit of {most}{of_format}; raise "
            "max_pixels (--max-pixels) if the file is to be trusted"
        )
    tiff = sys.modules.get("PIL.TiffImagePlugin")  # Pillow imports it for the first TIFF file
    if tiff is not None and isinstance(image, tiff.TiffImageFile):
        _check_tiff(image, most, where)
    if image.format in ("JPEG", "MPO") and (scans := _count_scans(image)) > _MAX_SCANS:
        raise InputError(f"{where}: is a JPEG file of {scans} scans, more than {_MAX_SCANS}; convert it")


def _check_tiff(image: TiffImageFile, most: int, where: str) -> None:
    """Refuse a TIFF file of a rare compression, or of tiles that are far larger than what they show."""
    compression = image.tag_v2.get(_COMPRESSION, 1)
    if compression not in _TIFF_COMPRESSIONS:
        raise InputError(
            f"{where}: is a TIFF file of compression {compression}, which is not read; convert it to .png"
        )
    width, height = image.size
    across, down = (int(image.tag_v2.get(tag, 0)) for tag in (_TILE_WIDTH, _TILE_HEIGHT))
    if across < 1 or down < 1:
        return
    padded = math.ceil(width / across) * across * math.ceil(height / down) * down
    if padded > min(most, max(2 * width * height, 1 << 24)):
        raise InputError(
            f"{where}: claims {width} x {height} pixels in tiles of {across} x {down}, which take more; convert it"
        )


def _count_scans(image: Image.Image) -> int:
    """Start-of-scan markers in an opened JPEG file: none can stand in compressed data by chance."""
    file = getattr(image, "fp", None)
    if file is None:  # decoded already
        return 0
    place, scans, last = file.tell(), 0, b""
    file.seek(0)
    while chunk := file.read(1 << 20):
        scans += (last + chunk).count(b"\xff\xda")
        last = chunk[-1:]
    file.seek(place)
    return scans


def _from_pillow(image: Image.Image) -> Array:
    if image.mode == "F":
        raise ValueError("its pixels are floating-point; 8 or 16 bits are read")
    image.load()  # some formats tell their orientation only then
    upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    turned = image if upright else _turned(image)
    width, height = turned.size
    result = np.empty((height, width, 3), np.uint8)
    for rows in _strips(height, width):
        result[rows] = _strip_to_rgb(turned.crop((0, rows.start, width, rows.stop)))
    return result


def _turned(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def _strip_to_rgb(strip: Image.Image) -> Array:
    if strip.mode.startswith("I;16") or strip.mode == "I":
        values = np.asarray(strip).astype(np.int64)
        return _from_array((values.clip(0, 65535) >> 8).astype(np.uint8), "rgb")
    if strip.mode in ("RGBA", "LA", "PA") or "transparency" in strip.info:
        return _from_array(np.asarray(strip.convert("RGBA")), "rgb")
    return np.asarray(strip if strip.mode == "RGB" else strip.convert("RGB"))
