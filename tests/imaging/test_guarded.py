import io
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

import efficientfan.imaging.guarded as guarded
from efficientfan.errors import EfficientFanError, InputError
from efficientfan.imaging import read_rgb
from efficientfan.imaging.guarded import GuardedReader

WAIT = 30  # seconds until a test that would hang fails
linux = pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="memory is limited on Linux only")


@pytest.fixture(scope="module")
def reader():
    with GuardedReader(2) as reader:
        yield reader


def encoded(kind, image=None, **options):
    stream = io.BytesIO()
    (image or Image.fromarray(astronaut()[100:220, 180:300])).save(stream, kind, **options)
    return stream.getvalue()


def sideways():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


PHOTO = Image.fromarray(astronaut()[100:220, 180:300])
FILES = {
    "jpeg": encoded("JPEG"),
    "turned jpeg": encoded("JPEG", exif=sideways()),
    "progressive jpeg": encoded("JPEG", progressive=True),
    "cmyk jpeg": encoded("JPEG", PHOTO.convert("CMYK")),
    "png": encoded("PNG"),
    "turned png": encoded("PNG", exif=sideways()),
    "transparent png": encoded("PNG", PHOTO.convert("RGBA").rotate(30)),
    "16-bit png": encoded("PNG", Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100)),
    "palette png": encoded("PNG", PHOTO.quantize(16)),
    "gif": encoded("GIF"),
    "bmp": encoded("BMP"),
    "ppm": encoded("PPM"),
    "webp": encoded("WEBP"),
    **{f"{how} tiff": encoded("TIFF", compression=how) for how in ("raw", "tiff_lzw", "jpeg", "packbits")},
}


@pytest.mark.parametrize("name", FILES)
def test_photos_are_those_of_the_trusted_way_bit_for_bit(reader, tmp_path, name):
    expected = read_rgb(io.BytesIO(FILES[name]))
    path = tmp_path / "photo"
    path.write_bytes(FILES[name])
    for image in (FILES[name], bytearray(FILES[name]), io.BytesIO(FILES[name]), path):
        assert np.array_equal(reader(image), expected)


@pytest.mark.parametrize("content", [b"", b"no photo", FILES["jpeg"][:2000], encoded("ICO")])
def test_errors_are_those_of_the_trusted_way_word_for_word(reader, tmp_path, content):
    path = tmp_path / "a\x1b.heic"
    path.write_bytes(content)
    for trusted, image in ((path, path), (io.BytesIO(content), content)):
        with pytest.raises(InputError) as expected:
            read_rgb(trusted)
        with pytest.raises(InputError) as found:
            reader(image)
        assert str(found.value) == str(expected.value)


def test_what_is_no_file_is_refused_here(reader, tmp_path):
    for path in (tmp_path, tmp_path / "none.jpg", "zero\0byte.jpg"):
        with pytest.raises(InputError, match="cannot be read as an image"):
            reader(path)
    with pytest.raises(InputError, match="binary mode"):
        reader(io.StringIO("text"))


def test_too_many_pixels_are_refused():
    with GuardedReader(max_pixels=120 * 120 - 1) as reader:
        with pytest.raises(InputError, match="120 x 120 pixels, more than the limit of 14399"):
            reader(FILES["png"])
        with pytest.raises(InputError, match="bytes, more than"):
            reader(bytes(reader.memory + 1))


def test_a_photo_that_takes_too_long_is_given_up_and_the_next_one_read():
    slow = encoded("PNG", Image.new("RGBA", (6000, 6000)), compress_level=1)
    with GuardedReader(seconds=0.3) as reader:
        with pytest.raises(InputError, match=r"^image: .* \(it takes longer than 0.3 s\)$"):
            reader(slow)
        reader(FILES["jpeg"])


@linux
def test_a_photo_that_takes_too_much_memory_is_given_up_and_the_next_one_read(monkeypatch):
    large = encoded("PNG", Image.new("RGB", (2500, 2500)), compress_level=1)
    with GuardedReader(max_pixels=2500 * 2500) as reader:
        assert reader(large).shape == (2500, 2500, 3)
    monkeypatch.setattr(guarded, "_FIXED_MEMORY", -(50 << 20))
    with GuardedReader(max_pixels=2500 * 2500) as reader:
        with pytest.raises(InputError, match=r"it takes more than 21 MB of memory"):
            reader(large)
        reader(FILES["jpeg"])


@linux
@pytest.mark.parametrize(
    "act", ["open(sys.executable)", "socket.socket()", "print(1, file=file, flush=True)"]
)
def test_a_child_opens_no_file_or_connection_and_writes_to_none(act):
    lines = (
        "import signal, socket, sys, tempfile",
        "from efficientfan.imaging.guarded import _limit",
        "file = tempfile.TemporaryFile('w')",
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
        "_limit(1 << 28)",
        act,
    )
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False
    )
    assert ended.returncode
    assert ("File too large" if "print" in act else "Too many open files") in ended.stderr


def processes(reader):
    return [child._process for child in reader._idle.queue if child._process is not None]


def test_a_child_that_dies_is_replaced():
    with GuardedReader() as reader:
        reader(FILES["jpeg"])
        (process,) = processes(reader)
        process.kill()
        process.wait()
        reader(FILES["jpeg"])
        assert processes(reader) != [process]


@pytest.mark.skipif(os.name == "nt", reason="no signals here")
def test_a_decoder_that_crashes_is_one_line(monkeypatch):
    ask = guarded._Child._ask

    def crash(child, process, *arguments):
        process.send_signal(signal.SIGSEGV)
        return ask(child, process, *arguments)

    with GuardedReader() as reader:
        with monkeypatch.context() as patch:
            patch.setattr(guarded._Child, "_ask", crash)
            with pytest.raises(InputError, match=r"^image: .* \(its decoder crashed, SIGSEGV\)$"):
                reader(FILES["jpeg"])
        reader(FILES["jpeg"])


@pytest.mark.parametrize("answer", [(True, 5000, 5000), (True, 0, 7), (False, 0, 1 << 31)])
def test_a_childs_answers_are_not_trusted(monkeypatch, answer):
    code = f"import struct, sys, time; sys.stdout.buffer.write(b'r' + struct.pack('<?II', *{answer}))\n"
    monkeypatch.setattr(guarded, "_CHILD", code + "sys.stdout.flush(); time.sleep(60)")
    with (
        GuardedReader(max_pixels=10_000) as reader,
        pytest.raises(InputError, match=r"its decoder gave .* pixels"),
    ):
        reader(FILES["jpeg"])


def test_a_child_that_does_not_start_is_said(monkeypatch):
    monkeypatch.setattr(guarded, "_CHILD", "raise SystemExit(5)")
    with (
        GuardedReader() as reader,
        pytest.raises(EfficientFanError, match=r"does not start \(exit code 5\)"),
    ):
        reader(FILES["jpeg"])
    monkeypatch.setattr(sys, "executable", os.path.join(os.sep, "no", "python"))
    with GuardedReader() as reader, pytest.raises(EfficientFanError, match="no process can be started"):
        reader(FILES["jpeg"])


def test_threads_share_a_reader_and_wait_for_its_children(reader):
    names = list(FILES) * 3
    with ThreadPoolExecutor(6) as pool:
        found = pool.map(reader, [FILES[name] for name in names])
        for name, image in zip(names, found, strict=True):
            assert np.array_equal(image, read_rgb(io.BytesIO(FILES[name])))
    assert len(processes(reader)) <= 2


def test_a_closed_reader_and_one_from_before_a_fork_say_so(monkeypatch):
    reader = GuardedReader()
    reader(FILES["jpeg"])
    (process,) = processes(reader)
    reader.close()
    reader.close()
    assert process.poll() is not None
    with pytest.raises(EfficientFanError, match="is closed"):
        reader(FILES["jpeg"])
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    with GuardedReader() as other, monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        with pytest.raises(InputError, match="before the process forked"):
            other(FILES["jpeg"])


@linux
def test_children_of_a_killed_process_end():
    code = (
        "import sys; from efficientfan.imaging.guarded import GuardedReader; reader = GuardedReader()\n"
        "reader(sys.argv[1]); print(reader._idle.queue[0]._process.pid, flush=True); sys.stdin.read()"
    )
    image = Path(__file__).parents[2] / "examples" / "astronaut.jpg"
    parent = subprocess.Popen(
        [sys.executable, "-c", code, image], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        parent.kill()
    end = time.monotonic() + WAIT
    while running(child):
        assert time.monotonic() < end
        time.sleep(0.05)


def running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # a zombie has ended; who adopts it may be slow to notice


@pytest.mark.parametrize(
    "options", [{"children": 0}, {"seconds": 0}, {"max_pixels": 0.5}, {"seconds": float("nan")}]
)
def test_limits_are_checked(options):
    with pytest.raises(InputError, match=next(iter(options))):
        GuardedReader(**options)


def test_a_child_that_is_killed_while_it_starts_is_started_anew(monkeypatch):
    """As the system does where memory is short; a run over many photos would end there."""
    popen, started = subprocess.Popen, []

    def kill_the_first(*arguments, **options):
        started.append(popen(*arguments, **options))
        if len(started) == 1:
            started[0].kill()
        return started[-1]

    monkeypatch.setattr(guarded.subprocess, "Popen", kill_the_first)
    with GuardedReader() as reader:
        assert np.array_equal(reader(FILES["png"]), read_rgb(io.BytesIO(FILES["png"])))
    assert len(started) == 2
