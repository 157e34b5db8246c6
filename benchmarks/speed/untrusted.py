"""What decoding in a child process costs: `python benchmarks/speed/untrusted.py [--rounds 20]`.

Reads the NASA portrait at several sizes in this process and through `GuardedReader`, in turns, so that a busy machine
affects both alike, and prints the median time of each, and whether the pixels are the same. Needs scikit-image.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from skimage.data import astronaut

from efficientfan.imaging import read_rgb
from efficientfan.imaging.guarded import GuardedReader


def seconds(read: Callable[[bytes], Any], content: bytes) -> float:
    start = time.perf_counter()
    read(content)
    return time.perf_counter() - start


def read_here(content: bytes) -> Any:
    return read_rgb(io.BytesIO(content))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    photo = Image.fromarray(astronaut())
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("| photo | here, ms | in a child, ms | more, ms | same pixels |\n|---|---|---|---|---|")
    with GuardedReader() as guarded:
        first = io.BytesIO()
        photo.save(first, "JPEG")
        start = seconds(guarded, first.getvalue())
        for kind, width, height in (
            ("JPEG", 640, 480),
            ("JPEG", 1600, 1200),
            ("JPEG", 4000, 3000),
            ("PNG", 1600, 1200),
        ):
            file = io.BytesIO()
            photo.resize((width, height)).save(file, kind)
            content = file.getvalue()
            same = np.array_equal(guarded(content), read_here(content))
            times = [(seconds(read_here, content), seconds(guarded, content)) for _ in range(rounds)]
            here, child = np.median(times, axis=0) * 1e3
            more = np.median([child - here for here, child in times]) * 1e3
            print(
                f"| {kind} {width} x {height} | {here:.1f} | {child:.1f} | {more:.1f} | {'yes' if same else 'NO'} |"
            )
    print(f"the first photo, with the start of the child: {start:.2f} s")


if __name__ == "__main__":
    main()
