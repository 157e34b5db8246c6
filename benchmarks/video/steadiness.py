"""Jitter and lag of our landmarks, raw and smoothed, and of MediaPipe's video mode, on the same frames.

    python benchmarks/video/steadiness.py                                    # without MediaPipe, rendered motion only
    python benchmarks/video/steadiness.py --mediapipe-python peers-mp/bin/python talking_face.mp4 webcam_talk.mp4

It writes steadiness.csv. benchmarks/accuracy/mediapipe_mesh.py says how to make the other Python. The figures are those
of `efficientfan evaluate-video`; of MediaPipe the mesh vertices nearest to the same 68 landmarks are taken, in the
units of our inter-ocular distance, and "raw" is its mode for images, which takes each frame for itself.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

import efficientfan
from efficientfan.evaluation.video.steadiness import (
    Steadiness,
    clip_row,
    measure_clip,
    measure_rendered,
    rendered_motion,
    rendered_row,
)
from efficientfan.imaging import read_rgb
from efficientfan.video import open_video
from efficientfan.video.smoothing import face_unit

sys.path.insert(0, str(Path(__file__).parents[1]))
from tables import cell, write_rows  # of the folder above
from video.table import steadiness

Array = NDArray[Any]
HERE = Path(__file__).parent
PHOTO = HERE.parents[1] / "examples" / "astronaut.jpg"


def mesh_points(python: Path, images: Iterable[Array], mode: str) -> Array:
    """(T, 68, 2) pixels: MediaPipe's landmarks in images of one size.

    Raises:
        SystemExit: mediapipe does not run there, or misses the face in an image.
    """
    process: subprocess.Popen[bytes] | None = None
    found = []
    try:
        for number, image in enumerate(images):
            if process is None:
                size = [str(image.shape[1]), str(image.shape[0])]
                command = [str(python), str(HERE / "mesh_of_frames.py"), *size, mode]
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
            stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
            with contextlib.suppress(BrokenPipeError):
                stdin.write(image.tobytes())
                stdin.flush()
            line = stdout.readline()
            if not line:
                raise SystemExit(
                    f"{python}: mediapipe does not run there; see benchmarks/accuracy/mediapipe_mesh.py"
                )
            points = json.loads(line)
            if points is None:
                raise SystemExit(f"MediaPipe finds no face in frame {number}, mode {mode}")
            found.append(points)
    finally:
        if process is not None:
            process.kill()
            process.wait()
    return np.array(found, dtype=np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="*", type=Path, help="videos of one face")
    parser.add_argument("--mediapipe-python", type=Path, help="of an environment with mediapipe 0.10.21")
    parser.add_argument("--max-frames", type=int, default=300, help="of each clip")
    arguments = parser.parse_args()
    python = arguments.mediapipe_python
    if python is not None and not python.is_file():
        parser.error(f"{python}: no such file; benchmarks/accuracy/mediapipe_mesh.py says how to make it")
    predictor = efficientfan.load(threads=1)
    photo = read_rgb(PHOTO)
    rows: list[tuple[str, Steadiness]] = [("efficientfan", row) for row in measure_rendered(predictor, photo)]
    if python is not None:
        motion = rendered_motion(predictor, photo)
        own = mesh_points(python, [photo], "image")[0]
        for mode in ("image", "video"):
            points = mesh_points(python, (frame.image for frame in motion.frames()), mode)
            rows.append(("MediaPipe", rendered_row(motion, points, mode, own)))
    for clip in arguments.clips:
        frames = list(open_video(clip, max_frames=arguments.max_frames))
        rows += [("efficientfan", row) for row in measure_clip(predictor, frames, clip.stem)]
        if python is not None:
            images = [frame.image for frame in frames]
            raw = mesh_points(python, images, "image")
            unit = float(np.median([face_unit(each, predictor.spec.schema) for each in raw]))
            for mode in ("image", "video"):
                points = raw if mode == "image" else mesh_points(python, images, mode)
                rows.append(("MediaPipe", clip_row(clip.stem, raw, points, unit, mode)))
    write_rows(
        HERE / "steadiness.csv",
        [
            {"tool": tool, **{name: cell(value) for name, value in row.to_dict().items()}}
            for tool, row in rows
        ],
    )
    print("\n".join(steadiness()))


if __name__ == "__main__":
    main()
