"""Start-up time and memory of each subject, in fresh processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from efficientfan.benchmark import fresh_process
from efficientfan.benchmark.photos import FacePhoto
from efficientfan.benchmark.subjects import Subject
from efficientfan.benchmark.timing import Track, silent
from efficientfan.errors import InputError

__all__ = ["StartUp", "measure_startup"]


@dataclass(frozen=True)
class StartUp:
    """Medians over fresh processes.

    Attributes:
        name: of the subject.
        import_s: of `import efficientfan`.
        load_s: of `efficientfan.load`.
        first_face_s: reading a photo, finding its face and the landmarks.
        total_s: all three; the interpreter's own start is not in it.
        peak_mib: the most memory that the process held (peak resident set); None where not reported.
    """

    name: str
    import_s: float
    load_s: float
    first_face_s: float
    total_s: float
    peak_mib: float | None


def measure_startup(
    subjects: Sequence[Subject],
    photo: FacePhoto,
    *,
    threads: int,
    detector: str,
    rounds: int,
    track: Track = silent,
) -> list[StartUp]:
    """Start each subject `rounds` times, alternating between subjects.

    Raises:
        InputError: a process failed; the message has its last line.
    """
    found: dict[str, list[Mapping[str, Any]]] = {subject.name: [] for subject in subjects}
    for _ in track("fresh processes", range(rounds)):
        for subject in subjects:
            found[subject.name].append(_start(subject, photo, threads, detector))
    return [_summary(name, tables) for name, tables in found.items()]


def _start(subject: Subject, photo: FacePhoto, threads: int, detector: str) -> Mapping[str, Any]:
    options = {
        "backend": subject.engine,
        "precision": subject.precision,
        "device": subject.device,
        "threads": threads,
        "detector": detector,
    }
    arguments = json.dumps([str(photo.path), str(subject.path), options, photo.boxes[0].tolist()])
    source = Path(fresh_process.__file__).read_text(encoding="utf-8")
    run = subprocess.run([sys.executable, "-c", source, arguments], capture_output=True, text=True)
    if run.returncode:
        said = run.stderr.strip().splitlines() or ["no message"]
        raise InputError(f"{subject.name}: does not start in a fresh process ({said[-1][:300]})")
    table: Mapping[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return table


def _summary(name: str, tables: Sequence[Mapping[str, Any]]) -> StartUp:
    def middle(key: str) -> float:
        return float(median(table[key] for table in tables))

    peaks = [table["peak_mib"] for table in tables if table["peak_mib"] is not None]
    return StartUp(
        name,
        import_s=middle("import_s"),
        load_s=middle("load_s"),
        first_face_s=middle("first_face_s"),
        total_s=float(
            median(table["import_s"] + table["load_s"] + table["first_face_s"] for table in tables)
        ),
        peak_mib=float(median(peaks)) if peaks else None,
    )
