"""What `startup` runs in a new Python process: it times the import, loading a model and the first face.

Only the standard library is imported at the top, because importing efficientfan is part of the measurement.
"""

from __future__ import annotations

import importlib
import itertools
import json
import sys
import time
from pathlib import Path

__all__ = ["main"]


def main(photo: str, model: str, options: dict[str, object], box: list[float]) -> None:
    """Print {"import_s", "load_s", "first_face_s", "peak_mib"} as JSON.

    Args:
        photo: path of a photo with a face.
        model: path of a model file.
        options: further arguments of `efficientfan.load`.
        box: xyxy of the face, so that the network runs even where the detector finds nothing.
    """
    moments = [time.perf_counter()]
    efficientfan = importlib.import_module(
        "efficientfan"
    )  # as a user does; this file is not imported as part of the package
    moments.append(time.perf_counter())
    predictor = efficientfan.load(model, **options)
    moments.append(time.perf_counter())
    image = efficientfan.read_rgb(photo)
    predictor.detector.detect(image)
    predictor(image, [box])
    moments.append(time.perf_counter())
    names = ("import_s", "load_s", "first_face_s")
    steps = [end - start for start, end in itertools.pairwise(moments)]
    seconds = dict(zip(names, steps, strict=True))
    print(json.dumps({**seconds, "peak_mib": _peak_mib()}))


def _peak_mib() -> float | None:
    """Peak resident memory of this process in MiB; None where the system does not report it."""
    try:  # not ru_maxrss: on Linux a child inherits its parent's
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
