"""The child process of `mediapipe_peer`: runs in another Python, which has mediapipe and numpy but not efficientfan.

Reads a number of repeats per line and answers each with a line of JSON: the seconds of each, and the faces found.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from typing import Any

__all__ = ["main"]


def main(crops_file: str) -> None:
    """Serve until standard input ends. `crops_file` is an .npz with `crops`, (N, S, S, 3) uint8 RGB."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the library prints must not come between the answers

    import mediapipe.python.solutions.face_mesh as face_mesh
    import numpy as np

    with np.load(crops_file) as table:
        crops: Any = itertools.cycle(np.ascontiguousarray(table["crops"]))
    with face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1, refine_landmarks=True) as mesh:
        mesh.process(next(crops))
        for line in sys.stdin:
            seconds, found = [], 0
            mesh.process(next(crops))  # unseen, as every visit's first
            for _ in range(int(line)):
                crop = next(crops)
                start = time.perf_counter()
                faces = mesh.process(crop).multi_face_landmarks
                points = [(p.x, p.y) for p in faces[0].landmark] if faces else []
                seconds.append(time.perf_counter() - start)
                found += bool(points)
            print(json.dumps({"seconds": seconds, "found": found}), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
