import csv
import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import av
import numpy as np
import pytest
from skimage.data import astronaut

import efficientfan
from efficientfan.cli.video import seconds_of
from efficientfan.errors import InputError
from efficientfan.formats.parquet import metadata_of_parquet, read_parquet
from efficientfan.imaging import write_image
from efficientfan.video import open_video
from efficientfan.video.writer import write_video

N_FRAMES = 12


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """The portrait, moving to the right."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    photo = astronaut()[::2, ::2]
    with write_video(path, rate=20) as video:
        for index in range(N_FRAMES):
            video.add(np.roll(photo, 2 * index, axis=1), index / 20)
    return path


@pytest.fixture
def predict(run_command):
    def call(*arguments):
        return run_command("predict", *arguments, "--model", "fast", "--threads", 1)

    return call


def test_a_line_per_frame(predict, clip):
    code, out, err = predict(clip, "--smooth", "light")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["frame"], row["time"]) for row in rows] == [(i, round(i / 20, 6)) for i in range(N_FRAMES)]
    assert [[face["track_id"] for face in row["faces"]] for row in rows] == [[1]] * N_FRAMES
    assert (rows[0]["image"], rows[0]["width"], rows[0]["height"]) == (str(clip), 256, 256)
    moved = np.subtract(rows[-1]["faces"][0]["points"], rows[0]["faces"][0]["points"]).mean(axis=0)
    assert np.abs(moved - (2 * (N_FRAMES - 1), 0)).max() < 2.5
    assert f"{clip}: 12 frames, 12 faces of 1 tracks, 0 frames without a face; " in err


def test_a_parquet_table(predict, clip, tmp_path):
    pytest.importorskip("pyarrow")
    out = tmp_path / "faces.parquet"
    assert predict(clip, "--out", out, "--max-frames", 4)[0] == 0
    frames = list(read_parquet(out))
    assert [frame.frame for frame in frames] == [0, 1, 2, 3]
    assert [frame.faces[0].track_id for frame in frames] == [frames[0].faces[0].track_id] * 4
    made_with = metadata_of_parquet(out)
    assert len(made_with["model"]["sha256"]) == 64
    assert made_with["options"]["detect_every"] == 10


def test_csv_and_the_drawn_video(predict, clip, tmp_path):
    out, drawn = tmp_path / "faces.csv", tmp_path / "drawn.mkv"
    code, _, err = predict(
        clip, "--out", out, "--draw", drawn, "--every", 3, "--start", "0:00.1", "--max-frames", 3
    )
    assert code == 0, err
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["frame"], row["time"], row["face"], row["track_id"]) for row in rows] == [
        ("2", "0.1", "0", "1"),
        ("5", "0.25", "0", "1"),
        ("8", "0.4", "0", "1"),
    ]
    frames = list(open_video(drawn))
    assert [round(frame.time, 2) for frame in frames] == [0, 0.15, 0.3]
    sources = list(open_video(clip, start=0.1, every=3, max_frames=3))
    for frame, source in zip(frames, sources, strict=True):
        assert np.abs(frame.image.astype(int) - source.image).mean() > 1  # something is drawn
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drawn.mkv", "faces.csv"]


def test_several_videos_are_drawn_to_a_folder(predict, clip, tmp_path):
    for number in range(3):
        write_image(tmp_path / "images" / f"{number}.png", astronaut()[::2, ::2])
    code, out, _ = predict(
        clip, tmp_path / "images" / "%d.png", "--draw", tmp_path / "drawn", "--max-frames", 2
    )
    assert code == 0
    assert [json.loads(line)["frame"] for line in out.splitlines()] == [0, 1, 0, 1]
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["%d.mp4", "clip.mp4"]


def test_a_later_video_that_cannot_be_read_leaves_the_results_of_the_others(predict, clip, tmp_path):
    out = tmp_path / "faces.jsonl"
    code, _, err = predict(clip, tmp_path / "none.mp4", "--max-frames", 2, "--out", out, "--pose")
    assert code == 1
    assert f"error: {tmp_path / 'none.mp4'}: no such file" in err
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["frame"] for row in rows] == [0, 1]
    assert "yaw" in json.dumps(rows[0]["faces"][0])


class FakeTk(SimpleNamespace):
    """Of tkinter what `video.window` uses; the third picture is the last that its user wants to see."""

    TclError = RuntimeError

    def __init__(self):
        super().__init__(shown=[], keys={}, destroyed=False, Tk=lambda: self)
        self.PhotoImage = self.Label = lambda *_, **__: self
        self.title = self.pack = self.protocol = lambda *_: None

    def configure(self, data=None, **_):
        if data is not None:
            self.shown.append(data)

    def bind(self, key, function):
        self.keys[key] = function

    def update(self):
        if len(self.shown) == 3:
            self.keys["q"]()

    def destroy(self):
        self.destroyed = True


def test_a_window_shows_the_faces_until_it_is_closed(predict, clip, tmp_path, monkeypatch):
    tk = FakeTk()
    monkeypatch.setitem(sys.modules, "tkinter", tk)
    code, out, err = predict(clip, "--show")
    assert code == 0, err
    assert len(out.splitlines()) == len(tk.shown) == 3
    assert "3 frames, 3 faces" in err
    assert tk.destroyed
    header, pixels = tk.shown[0].split(b" 255 ", 1)
    assert (header, len(pixels)) == (b"P6 256 256", 256 * 256 * 3)


def test_a_window_needs_a_screen(predict, clip, monkeypatch):
    pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)
    code, out, err = predict(clip, "--show")
    assert (code, out) == (2, "")
    assert "no window can be opened here" in err


def test_ctrl_c_leaves_whole_lines_and_a_video_that_plays(predict, clip, tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        for index, frame in enumerate(track(*arguments, **options)):
            if index == 3:
                os.kill(os.getpid(), signal.SIGINT)
            yield frame

    track = efficientfan.track
    monkeypatch.setattr("efficientfan.video.track", interrupted)
    before = signal.getsignal(signal.SIGINT)
    out, drawn = tmp_path / "faces.jsonl", tmp_path / "drawn.mp4"
    code, _, err = predict(clip, "--out", out, "--draw", drawn)
    assert code == 130
    assert "interrupted; what was done is written" in err
    assert [json.loads(line)["frame"] for line in out.read_text().splitlines()] == [0, 1, 2, 3]
    assert len(list(open_video(drawn))) == 4
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("how", ["blur", "mosaic", "fill"])
def test_blur_leaves_no_face_to_be_found(run_command, clip, tmp_path, how):
    out = tmp_path / "hidden.mp4"
    code, _, err = run_command("blur", clip, "--out", out, "--how", how, "--model", "fast", "--threads", 1)
    assert code == 0
    assert f"{out}: 12 frames; in 0 of them no face was found, and in 0 nothing is hidden" in err
    predictor = efficientfan.load("fast", threads=1)
    frames, sources = list(open_video(out)), list(open_video(clip))
    assert len(frames) == N_FRAMES
    assert predictor(sources[5].image)
    assert predictor(frames[5].image) == []
    far = np.abs(frames[5].image[200:].astype(int) - sources[5].image[200:])
    assert far.mean() < 6  # what is no face stays, but for the encoding


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.mp4"], "none.mp4: no such file"),
        (["text.mp4"], "text.mp4: cannot be opened as video"),
        (["/dev/video99"], "/dev/video99: the camera cannot be opened"),
        (["CLIP", "photo.png"], "photos and videos cannot be mixed"),
        (["CLIP", "--boxes", "boxes.csv"], "--boxes is for photos"),
        (["CLIP", "--format", "coco", "--out", "x.json"], "format 'coco' is for photos"),
        (["CLIP", "--smooth", "lots"], "unknown smoothing 'lots'"),
        (["CLIP", "--start", "now"], "--start is a time such as"),
        (["CLIP", "--draw", "x.gif", "--out", "x.csv"], "x.gif: video is written to"),
        (["CLIP", "--draw", "CLIP", "--out", "x.csv"], "is the video itself"),
        (["CLIP", "--out", "photo.png/x.csv"], "photo.png/x.csv: cannot be written"),
        (["photo.png", "--smooth", "light"], "--smooth is for videos"),
        (["photo.png", "--max-frames", "3"], "--max-frames is for videos"),
        (["photo.png", "--timeout", "3"], "--timeout is for videos"),
    ],
)
def test_misuse_is_one_line_and_leaves_nothing(predict, clip, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.mp4").write_text("no video")
    write_image(tmp_path / "photo.png", astronaut())
    (tmp_path / "boxes.csv").touch()
    before = sorted(tmp_path.iterdir())
    code, out, err = predict(*(clip if each == "CLIP" else each for each in arguments))
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""
    assert sorted(tmp_path.iterdir()) == before


def test_a_stream_that_stalls(predict, clip, tmp_path):
    """Each connection gives the whole film, and then nothing more; what is done is not lost."""
    film = tmp_path / "film.ts"
    with av.open(str(film), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width = stream.height = 256
        for frame in open_video(clip):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame.image, format="rgb24")))
        file.mux(stream.encode())
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        n_connections = 0

        def do_GET(self):
            Handler.n_connections += 1
            if Handler.n_connections <= 2:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(film.read_bytes())
            ended.wait(10)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{running.server_port}/film.ts"
        code, out, err = predict(url, "--timeout", 0.5, "--retries", 1)
        ended.set()
        running.shutdown()
    assert code == 0
    assert Handler.n_connections == 3
    numbers = [json.loads(line)["frame"] for line in out.splitlines()]
    assert numbers == sorted(numbers)
    assert numbers[-1] > N_FRAMES
    notes = [line.split(": ")[-1] for line in err.splitlines() if line.startswith("note: http")]
    assert [note.split("; ")[-1] for note in notes] == ["connecting again", "connecting again", "given up"]


def test_blur_of_a_cut_video_says_so(run_command, clip, tmp_path):
    cut = tmp_path / "cut.mkv"
    with write_video(cut, rate=20) as video:
        for frame in open_video(clip):
            video.add(
                np.random.default_rng(frame.index).integers(0, 256, (64, 64, 3), np.uint8), frame.index / 5
            )
    cut.write_bytes(cut.read_bytes()[:-30000])
    code, _, err = run_command("blur", cut, "--out", tmp_path / "out.mp4", "--model", "fast", "--threads", 1)
    assert code == 0
    assert "cut.mkv: is cut or damaged" in err
    assert "of them no face was found" in err


def test_evaluate_video(run_command, clip, tmp_path):
    out = tmp_path / "figures.json"
    code, table, err = run_command(
        "evaluate-video", clip, "--model", "fast", "--threads", 1, "--out", out, "--max-frames", 11
    )
    assert code == 0, err
    assert [line.split()[:3] for line in table.splitlines()[1:]] == [
        ["clip.mp4", name, "11"] for name in ("off", "light", "strong")
    ]
    rows = json.loads(out.read_text())["rows"]
    assert [(row["smoothing"], row["jitter"]) for row in rows] == [
        (name, None) for name in ("off", "light", "strong")
    ]
    assert run_command("evaluate-video")[0] == 2


def test_times():
    assert [seconds_of(text, "start") for text in ("90", "1:30", "0:01:30.5", None)] == [90, 90, 90.5, None]
    for text in ("", "1:2:3:4", "-1", "nan", "inf", "one"):
        with pytest.raises(InputError, match="--start is a time"):
            seconds_of(text, "start")
