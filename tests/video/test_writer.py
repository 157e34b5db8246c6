import av
import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.video import open_video
from efficientfan.video.writer import check_video_path, write_video

IMAGE = np.random.default_rng(0).integers(0, 256, (25, 33, 3), np.uint8)


def write(path, count=3, image=IMAGE, rate=10, start=0.0, audio_of=None):
    with write_video(path, rate=rate, audio_of=audio_of) as video:
        for index in range(count):
            video.add(image, start + index / rate)
    return video


@pytest.fixture
def sounding(tmp_path):
    """Two seconds with a tone that begins after one."""
    path = tmp_path / "sounding.mp4"
    tone = np.sin(np.arange(32000) * 0.3) * (np.arange(32000) >= 16000) * 0.5
    with av.open(str(path), "w") as file:
        video, audio = file.add_stream("mpeg4", rate=10), file.add_stream("aac", rate=16000, layout="mono")
        video.width, video.height, video.pix_fmt = 32, 24, "yuv420p"
        for _ in range(20):
            file.mux(video.encode(av.VideoFrame.from_ndarray(IMAGE[:24, :32].copy(), format="rgb24")))
        file.mux(video.encode())
        for start in range(0, 32000, 1024):
            part = tone[start : start + 1024].astype(np.float32)
            frame = av.AudioFrame.from_ndarray(part[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, start
            file.mux(audio.encode(frame))
        file.mux(audio.encode())
    return path


def loud_from(path):
    """Seconds at which the sound of a file begins, and its length."""
    with av.open(str(path)) as file:
        parts = [(float(frame.time), frame.to_ndarray()) for frame in file.decode(audio=0)]
    return min(time for time, part in parts if np.abs(part).max() > 0.2), parts[-1][0]


def test_an_odd_size_is_filled_up_and_content_is_kept(tmp_path):
    smooth = np.full((25, 33, 3), 90, np.uint8)
    write(tmp_path / "odd.mp4", image=smooth)
    frames = list(open_video(tmp_path / "odd.mp4"))
    assert [frame.image.shape for frame in frames] == [(26, 34, 3)] * 3
    assert np.abs(frames[0].image.astype(int) - 90).max() <= 4


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path):
    with write_video(tmp_path / "sizes.mkv") as video:
        video.add(IMAGE[:24, :32], 0.0)
        video.add(np.full((60, 80, 3), 120, np.uint8), 0.1)
    frames = list(open_video(tmp_path / "sizes.mkv"))
    assert [frame.image.shape for frame in frames] == [(24, 32, 3)] * 2
    assert abs(frames[1].image.mean() - 120) < 8


def test_times_begin_at_the_first_frame(tmp_path):
    write(tmp_path / "late.mp4", start=5.0)
    np.testing.assert_allclose(
        [frame.time for frame in open_video(tmp_path / "late.mp4")], [0, 0.1, 0.2], atol=1e-3
    )


def test_sound_is_copied_in_step_with_the_frames(tmp_path, sounding):
    assert write(tmp_path / "whole.mkv", 20, audio_of=str(sounding)).note is None
    begin, end = loud_from(tmp_path / "whole.mkv")
    assert begin == pytest.approx(1.0, abs=0.15)
    assert end == pytest.approx(2.0, abs=0.15)
    write(tmp_path / "part.mp4", 10, start=0.5, audio_of=str(sounding))
    begin, end = loud_from(tmp_path / "part.mp4")
    assert begin == pytest.approx(0.5, abs=0.15)
    assert end == pytest.approx(1.0, abs=0.15)


def test_sound_that_the_file_cannot_hold_is_left_out_and_said(tmp_path, sounding):
    note = write(tmp_path / "silent.webm", audio_of=str(sounding)).note
    assert note is not None
    assert "without sound: aac" in note
    assert len(list(open_video(tmp_path / "silent.webm"))) == 3


def test_a_video_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "clip.mp4"
    with pytest.raises(ValueError, match="shape"):
        write(path, image=IMAGE[..., :2])
    assert list(path.parent.iterdir()) == []
    with pytest.raises(InputError, match="there is no frame"), write_video(path):
        pass
    assert list(path.parent.iterdir()) == []


def test_places_that_cannot_be_written_to(tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a folder"):
        check_video_path(tmp_path / "folder.mp4")
    with pytest.raises(InputError, match=r"video is written to \.mp4"):
        check_video_path(tmp_path / "clip.gif")
    with pytest.raises(InputError, match="cannot be written"), write_video(tmp_path / "file" / "clip.mp4"):
        pass
