"""How fast faces of real clips are followed, how many frames have one, under how many ids, and whether memory grows.

    python benchmarks/video/clips.py talking_face.mp4 webcam_hand.avi                 # default and fast, one thread
    python benchmarks/video/clips.py talking_face.mp4 --repeat 10 --model default     # the clip ten times over

Frames per second include decoding; "processor" is what they would be if nothing else ran on the machine. Memory is that
of the process after a tenth of the frames and the most of the last tenth. --record adds to clips.csv.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import efficientfan
from efficientfan.video import VideoFrame, open_video

sys.path.insert(0, str(Path(__file__).parents[1]))
from memory import resident_mb
from tables import add_rows  # both of the folder above


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--model", action="append", help="default and fast, if none is given")
    parser.add_argument("--repeat", type=int, default=1, help="each clip so many times, as one video")
    parser.add_argument("--record", action="store_true", help="add the figures to benchmarks/video/clips.csv")
    arguments = parser.parse_args()
    for model, clip in itertools.product(arguments.model or ["default", "fast"], arguments.clips):
        row = measure(model, clip, arguments.repeat)
        print("  ".join(f"{name} {value}" for name, value in row.items()))
        if arguments.record:
            add_rows(Path(__file__).with_name("clips.csv"), [row], key=["clip", "model", "frames"])


def measure(model: str, clip: Path, repeat: int) -> dict[str, object]:
    """The row of a clip."""
    predictor = efficientfan.load(model, threads=1)
    with open_video(clip, threads=1) as video:
        expected = (video.expected or 100) * repeat
    ids: set[int | None] = set()
    n_frames = n_found = 0
    memory = []
    wall, processor = time.perf_counter(), time.process_time()
    for frame in efficientfan.track(over_again(clip, repeat), predictor):
        n_frames += 1
        n_found += bool(frame.faces)
        ids |= {face.track_id for face in frame.faces}
        if n_frames % 5 == 0:
            memory.append((n_frames, round(resident_mb(os.getpid()), 1)))
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return {
        "clip": clip.stem,
        "model": model,
        "frames": n_frames,
        "found": n_found / n_frames,
        "ids": len(ids),
        "per_second": round(n_frames / wall, 1),
        "per_processor_second": round(n_frames / processor, 1),
        "rss_mb_early": max((mb for number, mb in memory if number <= expected / 10), default=None),
        "rss_mb_late": max((mb for number, mb in memory if number >= expected * 0.9), default=None),
    }


def over_again(clip: Path, repeat: int) -> Iterator[VideoFrame]:
    """The frames of a clip, `repeat` times."""
    numbers = itertools.count()
    offset = 0.0
    for _ in range(repeat):
        last = 0.0
        with open_video(clip, threads=1) as video:
            for _, seconds, image in video:
                yield VideoFrame(next(numbers), offset + seconds, image)
                last = seconds
            offset += last + 1 / (video.rate or 25.0)


if __name__ == "__main__":
    main()
