import socket
import threading
import wave
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.imaging import write_image
from efficientfan.video import open_video
from efficientfan.video.source import is_video
from efficientfan.video.writer import write_video


def gray(level, size=(32, 24)):
    return np.full((size[1], size[0], 3), level, np.uint8)


def write_clip(path, count=20, rate=20, times=None, size=(32, 24)):
    """Frame i is of gray level 10 i."""
    with write_video(path, rate=rate) as video:
        for index in range(count):
            video.add(gray(10 * index % 256, size), index / rate if times is None else times[index])
    return path


def levels(frames):
    return [round(float(frame.image.mean()) / 10) for frame in frames]


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "clip.mp4")


def test_frames_come_with_number_time_and_pixels(clip):
    video = open_video(clip)
    assert (video.width, video.height, video.rate, video.expected, video.live) == (32, 24, 20.0, 20, False)
    frames = list(video)
    assert [frame.index for frame in frames] == levels(frames) == list(range(20))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(20) / 20, atol=1e-4)
    index, _, image = frames[3]
    assert (index, image.shape, image.dtype) == (3, (24, 32, 3), np.uint8)
    assert video.complaints == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_varying_frame_rate_is_kept(tmp_path, suffix):
    times = [0.0, 0.04, 0.2, 0.23, 0.9]
    video = open_video(write_clip(tmp_path / f"varying{suffix}", 5, 25, times))
    np.testing.assert_allclose([frame.time for frame in video], times, atol=0.002)


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ({"every": 7}, [0, 7, 14]),
        ({"start": 0.5, "end": 0.7}, [10, 11, 12, 13]),
        ({"max_frames": 2}, [0, 1]),
        ({"start": 0.25, "every": 5, "max_frames": 2}, [5, 10]),
        ({"end": 0.05}, [0]),
    ],
)
def test_a_part_of_the_frames(clip, options, numbers):
    video = open_video(clip, **options)
    frames = list(video)
    assert [frame.index for frame in frames] == levels(frames) == numbers
    assert video.expected == len(numbers)
    assert video.complaints == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every must be at least 1"),
        ({"max_frames": 0}, "max_frames must be at least 1"),
        ({"start": -1}, "start must not be negative"),
        ({"start": 2, "end": 1}, "end must be after start"),
        ({"start": 50}, "no frame could be decoded in the part that was asked for"),
    ],
)
def test_bad_parts(clip, options, message):
    with pytest.raises(InputError, match=message):
        open_video(clip, **options)


def test_rotation_metadata_is_honored(tmp_path):
    image = gray(0)
    image[:8, :8] = 255
    path = tmp_path / "upright.mp4"
    with write_video(path) as writer:
        writer.add(image, 0.0)
    content = bytearray(path.read_bytes())
    identity = np.array([0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000], ">i4").tobytes()
    clockwise = np.array([0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000], ">i4").tobytes()
    place = content.index(identity, content.index(b"tkhd"))
    content[place : place + len(identity)] = clockwise
    path.write_bytes(content)
    video = open_video(path)
    assert (video.width, video.height) == (24, 32)
    [frame] = video
    assert frame.image[:8, -8:].mean() > 200
    assert frame.image[8:].mean() < 40


def test_a_cut_file_gives_what_there_is_and_says_so(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (60, 48, 64, 3), np.uint8)
    path = tmp_path / "cut.mkv"
    with write_video(path, rate=30) as writer:
        for index, image in enumerate(noise):
            writer.add(image, index / 30)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    video = open_video(path)
    frames = list(video)
    assert 10 < len(frames) < 50
    assert any("cut.mkv: is cut or damaged" in line for line in video.complaints)


def test_damage_in_the_middle_is_passed_over(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (60, 48, 64, 3), np.uint8)
    path = tmp_path / "hurt.mp4"
    with write_video(path, rate=30) as writer:
        for index, image in enumerate(noise):
            writer.add(image, index / 30)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20000] = bytes(20000)
    path.write_bytes(content)
    frames = list(open_video(path))
    assert len(frames) > 20
    assert frames[-1].time > 1.8


def test_a_change_of_resolution_inside_a_stream(tmp_path):
    path = tmp_path / "both.h264"
    with path.open("wb") as joined:
        for size in ((32, 24), (64, 48)):
            with av.open(str(tmp_path / "part.h264"), "w") as file:
                stream = file.add_stream("libx264", rate=25)
                stream.width, stream.height = size
                for index in range(5):
                    file.mux(
                        stream.encode(av.VideoFrame.from_ndarray(gray(40 * index, size), format="rgb24"))
                    )
                file.mux(stream.encode())
            joined.write((tmp_path / "part.h264").read_bytes())
    shapes = [frame.image.shape[:2] for frame in open_video(path)]
    assert shapes == [(24, 32)] * 5 + [(48, 64)] * 5


def test_numbered_images_come_by_number_and_a_folder_by_name(tmp_path):
    for number in (2, 10, 1):
        write_image(tmp_path / f"f{number}.png", gray(number * 10))
    video = open_video(tmp_path / "f%d.png", rate=10)
    assert (video.expected, video.sound) == (3, None)
    frames = list(video)
    assert levels(frames) == [1, 2, 10]
    assert [frame.time for frame in frames] == [0, 0.1, 0.2]
    assert levels(open_video(tmp_path)) == [1, 10, 2]
    with pytest.raises(InputError, match="no image has such a name"):
        open_video(tmp_path / "g%d.png")


def test_bad_files_are_one_clear_line(tmp_path):
    sound = tmp_path / "sound.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video\n" * 50)
    whole = write_clip(tmp_path / "headless.mp4").read_bytes()
    (tmp_path / "headless.mp4").write_bytes(whole[: len(whole) // 2])  # the table of frames is at the end
    (tmp_path / "folder").mkdir()
    for name, message in (
        ("sound.wav", "has no video stream"),
        ("empty.mp4", "is an empty file"),
        ("text.mp4", "cannot be opened as video"),
        ("headless.mp4", "cannot be opened as video"),
        ("folder", "holds no images"),
        ("none.mp4", "no such file"),
    ):
        with pytest.raises(InputError) as error:
            open_video(tmp_path / name)
        assert str(error.value).startswith(f"{tmp_path / name}: ")
        assert message in str(error.value)
        assert "\n" not in str(error.value)


def test_an_unreachable_stream():
    with pytest.raises(InputError, match="cannot be opened as video"):
        open_video("rtsp://127.0.0.1:9/x", timeout=2)


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_says_nothing(scheme):
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(InputError, match=r"cannot be opened as video \(no answer for 0.2 s\)$"),
    ):
        open_video(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/x", timeout=0.2)


@pytest.mark.parametrize(("option", "value"), [("timeout", 0), ("timeout", float("nan")), ("retries", -1)])
def test_bad_patience(clip, option, value):
    with pytest.raises(InputError, match=f"^{option} must be at least"):
        open_video(clip, **{option: value})


def test_what_is_a_video(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "clip.mp4",
        "CLIP.MOV",
        "0",
        "/dev/video0",
        "rtsp://host/x",
        "http://host/x",
        "frames/%05d.png",
    ):
        assert is_video(name), name
    for name in ("photo.jpg", "folder", "*.png", "photo"):
        assert not is_video(name), name
    Path("7").mkdir()
    assert not is_video("7")


class TornHandler(BaseHTTPRequestHandler):
    """Breaks off each answer after some bytes; `content` is the file."""

    content = b""

    def do_GET(self):
        start = int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        self.wfile.write(self.content[start : start + len(self.content) // 3])

    def log_message(self, *_):
        pass


def test_a_file_on_a_server_whose_connections_break_is_read_whole(tmp_path):
    path = tmp_path / "noise.mp4"
    with write_video(path, rate=20) as writer:
        for index, image in enumerate(np.random.default_rng(0).integers(0, 256, (20, 240, 320, 3), np.uint8)):
            writer.add(image, index / 20)
    handler = type("Handler", (TornHandler,), {"content": path.read_bytes()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{running.server_port}/{path.name}"
        video = open_video(url, timeout=10)
        assert [frame.index for frame in video] == list(range(20))
        assert video.complaints == []
        torn = open_video(url, timeout=10, retries=0)
        assert len(list(torn)) < 20
        assert "reading stopped" in torn.complaints[0]
        running.shutdown()


@pytest.fixture
def server(tmp_path):
    """Serves the files of a folder; of those that end in .ts it does not say how long they are, as a stream does."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            if not self.path.endswith(".ts"):
                super().do_GET()
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write((tmp_path / self.path[1:]).read_bytes())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path))) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_file_on_a_server_is_read_whole(server, clip):
    video = open_video(f"{server}/{clip.name}", timeout=10)
    assert not video.live
    assert levels(video) == list(range(20))


def test_a_stream_is_live(server, tmp_path):
    with av.open(str(tmp_path / "stream.ts"), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height = 32, 24
        for index in range(20):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(gray(10 * index), format="rgb24")))
        file.mux(stream.encode())
    video = open_video(f"{server}/stream.ts", timeout=10, retries=0)
    assert video.live
    frames = list(video)
    assert len(frames) + video.dropped == 20
    assert levels(frames) == [frame.index for frame in frames]
    assert levels(frames)[-1] == 19
    assert video.complaints == [f"{server}/stream.ts: the connection ended; given up"]
