"""Runs in a Python with mediapipe (see steadiness.py): its landmarks of frames that come on standard input.

    mesh_of_frames.py WIDTH HEIGHT video|image

Each frame is WIDTH x HEIGHT x 3 bytes of RGB; each is answered with a line of JSON: the 68 mesh vertices nearest to
iBUG's points, x and y in pixels, or null. `video` follows the face from frame to frame, `image` takes each for itself.
"""

import json
import os
import sys
from pathlib import Path


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the library prints must not come between the answers
    sys.path.insert(0, str(Path(__file__).parents[1] / "accuracy"))
    import mediapipe.python.solutions.face_mesh as face_mesh
    import numpy as np
    from mediapipe_mesh import VERTICES

    width, height, mode = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with face_mesh.FaceMesh(
        static_image_mode=mode == "image", max_num_faces=1, refine_landmarks=True
    ) as mesh:
        while frame := sys.stdin.buffer.read(3 * width * height):
            faces = mesh.process(
                np.frombuffer(frame, np.uint8).reshape(height, width, 3)
            ).multi_face_landmarks
            points = None
            if faces:
                mesh_points = faces[0].landmark
                points = [[mesh_points[v].x * width - 0.5, mesh_points[v].y * height - 0.5] for v in VERTICES]
            print(json.dumps(points), file=answers, flush=True)


if __name__ == "__main__":
    main()
