import io
import os
import struct
import sys
import threading
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from efficientfan.errors import InputError
from efficientfan.geometry import CropTransform
from efficientfan.imaging import (
    PhotoPyramid,
    photo_size,
    process_settings,
    read_rgb,
    to_rgb,
    warp,
    write_image,
)

WAIT = 20  # seconds until a test that would hang fails
FOUR = np.array(
    [[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[255, 255, 255], [9, 90, 200], [0, 0, 0]]], np.uint8
)


def save(tmp_path, image, name="a.png", **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


def test_red_comes_first(tmp_path):
    assert read_rgb(save(tmp_path, Image.fromarray(FOUR))).tolist() == FOUR.tolist()
    jpeg = read_rgb(save(tmp_path, Image.new("RGB", (32, 32), (250, 20, 5)), "a.jpg", quality=95))
    assert np.abs(jpeg.astype(int) - (250, 20, 5)).max() <= 4


UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_all_exif_orientations_are_turned_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path, Image.fromarray(FOUR), exif=exif)
    assert read_rgb(path).tolist() == UPRIGHT[orientation](FOUR).tolist()
    with Image.open(path) as image:
        assert to_rgb(image).tolist() == UPRIGHT[orientation](FOUR).tolist()


def test_gray_palette_and_bilevel(tmp_path):
    gray = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    for name in ("a.png", "a.pgm", "a.bmp"):
        assert (
            read_rgb(save(tmp_path, Image.fromarray(gray), name)).tolist()
            == np.stack([gray] * 3, -1).tolist()
        )
    palette = Image.fromarray(FOUR).quantize(6)
    assert read_rgb(save(tmp_path, palette)).tolist() == np.asarray(palette.convert("RGB")).tolist()
    assert read_rgb(save(tmp_path, palette, "a.gif")).shape == (2, 3, 3)
    assert read_rgb(save(tmp_path, Image.fromarray(gray > 50)))[..., 1].tolist() == [[0, 0, 255], [255] * 3]


def test_transparency_is_laid_on_black(tmp_path):
    rgba = np.array([[[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 50, 128]]], np.uint8)
    expected = [[[200, 100, 50], [0, 0, 0], [100, 50, 25]]]
    assert read_rgb(save(tmp_path, Image.fromarray(rgba))).tolist() == expected
    assert to_rgb(rgba).tolist() == expected
    gray_alpha = Image.merge("LA", [Image.new("L", (1, 1), 200), Image.new("L", (1, 1), 128)])
    assert read_rgb(save(tmp_path, gray_alpha)).tolist() == [[[100, 100, 100]]]
    palette = Image.fromarray(FOUR).quantize(6)
    palette.info["transparency"] = palette.getpixel((1, 0))
    assert read_rgb(save(tmp_path, palette))[0, 1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_keep_their_high_byte(tmp_path, name):
    deep = np.array([[0, 255, 256], [30_000, 65_280, 65_535]], np.uint16)
    assert read_rgb(save(tmp_path, Image.fromarray(deep), name))[..., 0].tolist() == (deep >> 8).tolist()
    assert to_rgb(deep)[..., 2].tolist() == (deep >> 8).tolist()


def test_cmyk(tmp_path):
    path = save(tmp_path, Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "a.jpg", quality=95)
    assert np.abs(read_rgb(path).astype(int) - (255, 0, 0)).max() <= 6


def test_of_an_animation_the_first_frame(tmp_path):
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    path = save(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert read_rgb(path)[0, 0].tolist() == [255, 0, 0]


def test_one_pixel(tmp_path):
    assert read_rgb(save(tmp_path, Image.new("RGB", (1, 1), (1, 2, 3)))).tolist() == [[[1, 2, 3]]]


def encoded(kind="JPEG", pixels=None):
    stream = io.BytesIO()
    Image.fromarray(astronaut()[:200, :200] if pixels is None else pixels).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.jpg", b""),
        ("float.tif", encoded("TIFF", np.zeros((4, 4), np.float32))),
        ("text.jpg", b"not a photo\n" * 50),
        ("cut.jpg", encoded()[:4000]),
        ("cut.png", encoded("PNG")[:4000]),
        ("cut.gif", encoded("GIF")[:4000]),
        ("cut.tif", encoded("TIFF")[:4000]),
        ("cut.webp", encoded("WEBP")[:2000]),
        ("cut.bmp", encoded("BMP")[:4000]),
        ("head.jpg", encoded()[:20]),
    ],
)
def test_broken_files_are_named_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_rgb(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)
    assert "copy it anew" in str(caught.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM"])
def test_damaged_bytes_are_read_or_refused_never_worse(tmp_path, kind):
    rng = np.random.default_rng(0)
    whole = np.frombuffer(encoded(kind), np.uint8)
    for trial in range(60):
        broken = whole.copy()
        places = rng.integers(0, 200 if trial % 2 else len(whole), 6)
        broken[places] = rng.integers(0, 256, 6)
        (tmp_path / "a").write_bytes(broken.tobytes())
        text = ""
        try:
            dimensions = read_rgb(tmp_path / "a", max_pixels=1_000_000).ndim
        except InputError as error:
            dimensions, text = 3, str(error)
        assert dimensions == 3
        assert "\n" not in text


def test_only_advertised_formats_are_decoded(tmp_path, monkeypatch):
    """Whatever a file is called: EPS would start Ghostscript."""
    from PIL import EpsImagePlugin

    def ghostscript(*_, **__):
        raise AssertionError("Ghostscript is started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", ghostscript)
    header = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    foreign = {"eps": header, "dds": b"DDS " + (124).to_bytes(4, "little") + bytes(120)}
    for kind in ("TGA", "ICO", "PCX", "JPEG2000"):
        foreign[kind] = encoded(kind)
    for kind, content in foreign.items():
        (tmp_path / f"{kind}.jpg").write_bytes(content)
        with pytest.raises(InputError, match=r"is not an image that can be read \(JPEG, PNG"):
            read_rgb(tmp_path / f"{kind}.jpg")


class StrangeError(Exception):
    pass


@pytest.mark.parametrize(
    "error", [NotImplementedError("on\ntwo lines"), StrangeError(), RecursionError("deep")]
)
def test_whatever_a_decoder_raises_is_one_line(tmp_path, monkeypatch, error):
    from PIL.PngImagePlugin import PngImageFile

    def fail(self):
        raise error

    path = save(tmp_path, Image.fromarray(FOUR))
    monkeypatch.setattr(PngImageFile, "load", fail)
    with pytest.raises(InputError, match=r"^[^\n]*a\.png: cannot be read as an image \([^\n]+$"):
        read_rgb(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_devices_are_refused_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(InputError, match=f"{path.name}: .*it is a pipe, socket or device"):
            read_rgb(path)
    with pytest.raises(InputError, match="it is a folder"):
        read_rgb(tmp_path)


def test_control_characters_of_names_do_not_reach_the_terminal(tmp_path):
    path = tmp_path / "a\x1b[2J\nerror: forged.jpg"
    path.write_bytes(b"no photo")
    with pytest.raises(InputError, match=r"a\\x1b\[2J\\nerror: forged\.jpg: is not an image"):
        read_rgb(path)


def test_a_jpeg_of_too_many_scans_is_refused_before_decoding(tmp_path, monkeypatch):
    """Each scan costs as much time as decoding the photo once."""
    from PIL.JpegImagePlugin import JpegImageFile

    stream = io.BytesIO()
    Image.fromarray(astronaut()[:200, :200]).save(stream, "JPEG", progressive=True)
    content = stream.getvalue()
    assert read_rgb(io.BytesIO(content)).shape == (200, 200, 3)
    last = content.rindex(b"\xff\xda")
    scan = content[last:-2]

    def load(self):
        raise AssertionError("it is decoded")

    monkeypatch.setattr(JpegImageFile, "load", load)
    with pytest.raises(InputError, match="is a JPEG file of 2010 scans, more than 100"):
        read_rgb(io.BytesIO(content[:-2] + scan * 2000 + content[-2:]))


def test_webp_may_have_half_the_pixels(tmp_path):
    """Its decoder holds the image several times: 34 bytes could claim 3 GB."""
    path = save(tmp_path, Image.new("RGB", (40, 30)), "a.webp")
    assert read_rgb(path, max_pixels=2400).shape == (30, 40, 3)
    with pytest.raises(InputError, match="40 x 30 pixels, more than the limit of 1199 for WEBP"):
        read_rgb(path, max_pixels=2399)


def tiled_tiff(side, compression=8):
    """A TIFF file of 10 x 10 gray pixels in one tile of side x side, whose content is two bytes."""
    number, content = struct.pack("<HI", 4, 1), b"\0\0"
    tags = {256: 10, 257: 10, 258: 8, 259: compression, 262: 1, 277: 1, 322: side, 323: side, 324: 8, 325: 2}
    entries = b"".join(
        struct.pack("<H", tag) + number + struct.pack("<I", value) for tag, value in tags.items()
    )
    return b"II*\0" + struct.pack("<I", 10) + content + struct.pack("<H", len(tags)) + entries + bytes(4)


def test_tiff_tiles_far_larger_than_the_photo_are_refused():
    """Its decoder makes room for a whole tile: 150 bytes took 2 GB."""
    with pytest.raises(InputError, match="claims 10 x 10 pixels in tiles of 20000 x 20000, which take more"):
        to_rgb(tiled_tiff(20_000))
    with pytest.raises(InputError, match="claims 10 x 10 pixels in tiles of 64 x 64"):
        to_rgb(tiled_tiff(64), max_pixels=4095)
    with pytest.raises(InputError, match="decoder error"):  # the size is fine
        to_rgb(tiled_tiff(64))


def test_tiff_of_rare_compressions_is_not_decoded(tmp_path):
    for compression in (6, 32_809, 34_676, 34_677, 34_925, 50_000, 50_001):
        with pytest.raises(
            InputError, match=f"is a TIFF file of compression {compression}, which is not read"
        ):
            to_rgb(tiled_tiff(64, compression))
    for how in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        path = save(tmp_path, Image.fromarray(FOUR), "a.tif", compression=how)
        assert read_rgb(path).tolist() == FOUR.tolist()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "I;16", "L"])
def test_conversion_takes_no_more_memory_than_the_result(mode):
    image = Image.new(mode, (2000, 1500))
    image.load()
    tracemalloc.start()
    try:
        result = to_rgb(image)
        assert tracemalloc.get_traced_memory()[1] < result.nbytes * 3
    finally:
        tracemalloc.stop()


def test_heic_where_its_plugin_is_installed_and_else_how_to_get_it(tmp_path, monkeypatch, request):
    import efficientfan.imaging as imaging

    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    imaging.reading._formats.cache_clear()
    with pytest.raises(InputError, match=r"a\.heic: .*pip install 'efficientfan\[heic\]'"):
        read_rgb(path)

    def register():
        Image.register_open("HEIF", lambda *_: Image.new("RGB", (2, 3)), lambda start: b"ftypheic" in start)

    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    monkeypatch.setitem(sys.modules, "pi_heif", SimpleNamespace(register_heif_opener=register))
    imaging.reading._formats.cache_clear()
    request.addfinalizer(imaging.reading._formats.cache_clear)
    assert read_rgb(path).shape == (3, 2, 3)


def test_the_size_of_a_photo_is_that_of_the_upright_one(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path, Image.new("RGB", (40, 30)), "a.jpg", exif=exif)
    assert photo_size(path) == read_rgb(path).shape[1::-1] == (30, 40)
    with pytest.raises(InputError, match="cannot be read as an image"):
        photo_size(tmp_path / "none.jpg")


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "none.jpg", tmp_path):
        with pytest.raises(InputError, match="cannot be read as an image"):
            read_rgb(path)


def bomb(side):
    """A PNG whose header claims side x side pixels, in 100 bytes."""

    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [10_001, 20_000, 100_000])
def test_a_header_bomb_is_refused_before_decoding(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(side))
    with pytest.raises(
        InputError, match=rf"bomb\.png: claims {side} x {side} pixels, .*100000000; raise max_pixels"
    ):
        read_rgb(path)


def test_the_limit_is_the_callers_not_pillows(tmp_path, monkeypatch):
    path = save(tmp_path, Image.new("RGB", (40, 30)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_rgb(path, max_pixels=1200).shape == (30, 40, 3)
    assert Image.MAX_IMAGE_PIXELS == 100
    with pytest.raises(InputError, match="40 x 30"):
        read_rgb(path, max_pixels=1199)
    with pytest.raises(InputError, match="40 x 30"):
        to_rgb(Image.new("RGB", (40, 30)), max_pixels=1199)


def test_arrays():
    assert to_rgb(FOUR).tolist() == FOUR.tolist()
    assert to_rgb(FOUR[..., 0]).shape == to_rgb(FOUR[..., :1]).shape == (2, 3, 3)
    assert to_rgb(FOUR[:, ::-1]).flags.c_contiguous


def test_an_arrays_channels_may_be_bgr():
    assert to_rgb(FOUR[..., ::-1], channels="bgr").tolist() == FOUR.tolist()
    assert to_rgb(FOUR[..., ::-1], channels="bgr").flags.c_contiguous
    rgba = np.dstack([FOUR, np.full((2, 3, 1), 128, np.uint8)])
    assert to_rgb(rgba[..., [2, 1, 0, 3]], channels="bgr").tolist() == to_rgb(rgba).tolist()
    assert to_rgb(FOUR[..., 0], channels="bgr").tolist() == to_rgb(FOUR[..., 0]).tolist()
    assert to_rgb(Image.fromarray(FOUR), channels="bgr").tolist() == FOUR.tolist()
    with pytest.raises(InputError, match="channels is 'rgb' or 'bgr', not 'rbg'"):
        to_rgb(FOUR, channels="rbg")


def test_bytes_and_open_files(tmp_path):
    path = save(tmp_path, Image.fromarray(FOUR))
    content = path.read_bytes()
    for image in (content, bytearray(content), memoryview(content)):
        assert to_rgb(image).tolist() == FOUR.tolist()
    stream = io.BytesIO(content)
    stream.seek(0, io.SEEK_END)  # where writing leaves it
    assert to_rgb(stream).tolist() == read_rgb(stream).tolist() == FOUR.tolist()
    assert not stream.closed
    with path.open("rb") as file:
        assert to_rgb(file).tolist() == FOUR.tolist()
        assert not file.closed


def test_a_stream_that_cannot_seek(tmp_path):
    path = save(tmp_path, Image.fromarray(FOUR))

    class Pipe(io.RawIOBase):
        content = path.read_bytes()

        def readable(self):
            return True

        def readinto(self, buffer):
            part, self.content = self.content[: len(buffer)], self.content[len(buffer) :]
            buffer[: len(part)] = part
            return len(part)

    assert to_rgb(Pipe()).tolist() == FOUR.tolist()


def test_files_that_are_no_images(tmp_path):
    path = save(tmp_path, Image.fromarray(FOUR))
    for image in (b"", b"no image", io.BytesIO(b"no image")):
        with pytest.raises(InputError, match=r"^image: is not an image that can be read"):
            to_rgb(image)
    with pytest.raises(InputError, match=r"^image: cannot be read as an image"):
        to_rgb(encoded()[:4000])
    with path.open(encoding="latin-1") as file, pytest.raises(InputError, match="open it in binary mode"):
        to_rgb(file)
    with path.open("rb") as file:
        pass
    with pytest.raises(InputError, match="cannot be read as an image"):
        to_rgb(file)
    with pytest.raises(InputError, match="claims 3 x 2 pixels"):
        to_rgb(path.read_bytes(), max_pixels=5)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (FOUR.astype(np.float32), "not float32"),
        (FOUR[..., :2], "not \\(2, 3, 2\\)"),
        (FOUR[None], "not \\(1, 2, 3, 3\\)"),
        (FOUR[:0], "not \\(0, 3, 3\\)"),
        (np.zeros((0, 3), np.uint8), "not \\(0, 3, 3\\)"),
        (FOUR.tolist(), "not list"),
        (None, "not NoneType"),
    ],
)
def test_what_is_no_image_is_refused(image, message):
    with pytest.raises(InputError, match=message):
        to_rgb(image)


def test_a_cut_pil_image_is_refused():
    with (
        Image.open(io.BytesIO(encoded()[:4000])) as image,
        pytest.raises(InputError, match=r"^image: cannot be read as an image"),
    ):
        to_rgb(image)


DIRECTIONS = np.array([[1, 0], [0, 1], [np.sqrt(0.5), -np.sqrt(0.5)]])
"""Of the waves in the three channels."""


def waves(points, number):
    """An analytic picture in [0.1, 0.9], (..., 2) -> (..., 3); `number` is 2 pi over the waves' length."""
    return 0.5 + 0.4 * np.sin(number * points @ DIRECTIONS.T)


def grid(width, height):
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(float)


TRANSFORMS = [
    {},
    {"rotation": 33.0},
    {"flip": True},
    {"rotation": -71.0, "scale": 1.3, "shift": (0.05, -0.1), "flip": True},
]


@pytest.mark.parametrize("side", [40, 128, 200, 333, 700])
@pytest.mark.parametrize("change", TRANSFORMS)
def test_warp_agrees_with_the_analytic_picture(side, change):
    """Crops of boxes from a third to six times the crop's size: no shift, no error beyond interpolation's."""
    size = 128
    width, height = 2 * side + 37, 2 * side + 22
    number = 2 * np.pi * 4 / (1.25 * side)  # four waves across a crop
    photo = (waves(grid(width, height), number) * 255).round().astype(np.uint8)
    transform = CropTransform.from_box(
        [side / 2, side / 2 - 7.3, side * 1.5 + 4.4, side * 1.5], size, 0.25, **change
    )
    [crop] = warp(photo, [transform])

    places = transform.inverse(grid(size, size))
    inside = ((places >= 2) & (places <= [width - 3, height - 3])).all(axis=-1)
    assert inside.mean() > 0.6
    error = (crop / 255 - waves(places, number))[inside]

    slope = 0.4 * number * np.cos(number * places[inside] @ DIRECTIONS.T)
    shift = transform.scale * (error * slope).sum(axis=0) / (slope**2).sum(axis=0)
    assert np.abs(shift).max() < 0.01  # crop pixels, along each direction

    # Radians per pixel of what is interpolated between.
    reduced = number * max(1, 2 ** np.floor(np.log2(1 / transform.scale)))
    averaging_and_bilinear = 0.4 * reduced**2 * (1 / 24 + 1 / 8)
    assert np.abs(error).max() < averaging_and_bilinear + 0.4 * reduced / 32 + 1 / 255


@pytest.mark.parametrize("side", [64, 500, 1300])
def test_a_blob_stays_where_it_is(side):
    """Its center of mass, to half of the 1/32 pixel that OpenCV counts positions in."""
    center = np.array([side * 0.61, side * 0.47])
    distance = ((grid(side, side) - center) ** 2).sum(axis=-1)
    photo = np.repeat((255 * np.exp(-distance / (side / 12) ** 2)).round().astype(np.uint8)[..., None], 3, -1)
    for change in TRANSFORMS:
        transform = CropTransform.from_box(
            [side * 0.2, side * 0.1, side * 0.9, side * 0.9], 64, 0.25, **change
        )
        weight = warp(photo, [transform])[0, ..., 0].astype(float)
        mass = (grid(64, 64) * weight[..., None]).sum(axis=(0, 1)) / weight.sum()
        assert np.abs(mass - transform.apply(center)).max() < 1 / 64


def test_shrinking_does_not_alias():
    """A one-pixel checkerboard reduced by eight is even gray, not a new pattern."""
    photo = np.repeat((np.indices((1024, 1024)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None], 3, -1)
    [crop] = warp(photo, [CropTransform.from_box([100, 100, 900.5, 901], 100, 0.0)])
    assert crop.min() >= 126
    assert crop.max() <= 129


def test_outside_the_photo_is_black():
    photo = np.full((50, 50, 3), 200, np.uint8)
    [crop] = warp(photo, [CropTransform.from_box([0, 0, 49, 49], 100, 1.0)])
    assert crop[:20].max() == 0
    assert (crop[40:60, 40:60] == 200).all()


def test_warp_cuts_many_crops_as_it_cuts_one():
    photo = astronaut()
    transforms = [
        CropTransform.from_box(box, 48) for box in ([0, 0, 500, 500], [200, 80, 260, 180], [9, 9, 30, 30])
    ]
    together = warp(photo, transforms)
    assert together.shape == (3, 48, 48, 3)
    assert together.dtype == np.uint8
    assert all(
        np.array_equal(crop, warp(photo, [one])[0]) for crop, one in zip(together, transforms, strict=True)
    )
    assert warp(photo, []).shape[0] == 0


def test_crops_of_one_pyramid_are_those_of_the_photo():
    photo = astronaut()
    cuts = [CropTransform.from_box([176 - r, 84 - r, 262 + r, 182 + r], 32) for r in (-20, 0, 60, 150)]
    pyramid = PhotoPyramid(photo)
    assert np.array_equal(warp(pyramid, cuts), warp(photo, cuts))
    assert pyramid.level(4) is pyramid.level(4)
    assert pyramid.level(1) is photo


def test_crops_are_written_where_the_caller_wants_them():
    photo = astronaut()
    cuts = [CropTransform.from_box([176, 84, 262, 182], 32, rotation=angle) for angle in (0, 30)]
    batch = np.full((4, 32, 32, 3), 7, np.uint8)
    assert warp(photo, cuts, out=batch[1:3]).base is batch
    assert np.array_equal(batch[1:3], warp(photo, cuts))
    assert (batch[[0, 3]] == 7).all()
    for wrong in (batch, batch[1:3].astype(np.float32), batch[1:3, :, ::-1]):
        with pytest.raises(InputError, match=r"out must be contiguous uint8 of shape \(2, 32, 32, 3\)"):
            warp(photo, cuts, out=wrong)


def test_a_box_far_larger_than_the_photo():
    for shape in ((30, 40, 3), (1, 5000, 3), (1, 1, 3)):
        photo = np.full(shape, 200, np.uint8)
        [crop] = warp(photo, [CropTransform.from_box([-1e8, -1e8, 1e8, 1e8], 32)])
        assert crop.shape == (32, 32, 3)


def test_crops_of_different_sizes_are_refused():
    with pytest.raises(InputError, match=r"one size, not \[32, 48\]"):
        warp(FOUR, [CropTransform.from_box([0, 0, 2, 2], size) for size in (32, 48)])


def test_images_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    write_image(tmp_path / "sub" / "a.png", FOUR)
    assert read_rgb(tmp_path / "sub" / "a.png").tolist() == FOUR.tolist()
    with pytest.raises(InputError, match="unknown image suffix"):
        write_image(tmp_path / "a.txt", FOUR)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(InputError, match=r"a\.png: cannot be written \(No space left"):
        write_image(tmp_path / "sub" / "a.png", FOUR)
    monkeypatch.undo()
    assert read_rgb(tmp_path / "sub" / "a.png").tolist() == FOUR.tolist()
    assert len(list((tmp_path / "sub").iterdir())) == 1


def test_reading_makes_no_noise(tmp_path):
    palette = Image.fromarray(FOUR).quantize(6)
    path = save(tmp_path, palette, transparency=bytes([0, 128, 255, 255, 255, 255]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_rgb(path).shape == (2, 3, 3)


def test_reading_in_threads_is_silent_to_the_last_and_leaves_the_filters_alone(tmp_path, monkeypatch):
    """The second begins while the first is at it, and warns once the first has left."""
    began, left = threading.Event(), threading.Event()

    def first(image):
        assert began.wait(WAIT)
        return FOUR

    def second(image):
        began.set()
        assert left.wait(WAIT)
        warnings.warn("of the second", stacklevel=1)
        return FOUR

    def read(path, decode):
        decoders[threading.get_ident()] = decode
        read_rgb(path)

    decoders = {}
    monkeypatch.setattr(
        "efficientfan.imaging.reading._from_pillow", lambda image: decoders[threading.get_ident()](image)
    )
    path = save(tmp_path, Image.fromarray(FOUR))
    with warnings.catch_warnings(), ThreadPoolExecutor(2) as pool:
        warnings.simplefilter("error")
        before = list(warnings.filters)
        early, late = pool.submit(read, path, first), pool.submit(read, path, second)
        early.result(WAIT)
        left.set()
        late.result(WAIT)
        assert warnings.filters == before


def test_a_callers_pil_image_stays_as_it_is():
    image = Image.fromarray(FOUR)
    exif = image.getexif()
    exif[0x0112] = 6
    turned = to_rgb(image)
    assert turned.tolist() == np.rot90(FOUR, -1).tolist()
    assert np.array_equal(np.asarray(image), FOUR)
    assert image.getexif()[0x0112] == 6
    upright = Image.fromarray(FOUR)
    array = to_rgb(upright)
    upright.putpixel((0, 0), (1, 2, 3))
    assert array.tolist() == FOUR.tolist()


def test_settings_of_the_process_are_given_back():
    def settings():
        return cv2.getNumThreads(), Image.core.get_blocks_max()

    def broken():
        with process_settings(workers=4, each=1):
            assert settings() == (1, 12)
            raise RuntimeError

    before = settings()
    with pytest.raises(RuntimeError):
        broken()
    assert settings() == before
