"""Runs a benchmark from its plan to its report."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from efficientfan.benchmark.accuracy import Accuracies, read_accuracies
from efficientfan.benchmark.dlib_peer import dlib_job
from efficientfan.benchmark.machine import describe_machine
from efficientfan.benchmark.mediapipe_peer import MediaPipe, open_mediapipe
from efficientfan.benchmark.peak import GemmPeak, best_peaks, gemm_jobs, gemm_peaks
from efficientfan.benchmark.photos import FacePhoto, cut_crops, made_photos, photos_with_faces
from efficientfan.benchmark.profile import OperatorShare, node_times, operator_shares
from efficientfan.benchmark.report import Candidate, Report, candidate
from efficientfan.benchmark.stages import PhotoRuns, PhotoTimes
from efficientfan.benchmark.startup import measure_startup
from efficientfan.benchmark.subjects import Subject, crop_job, macs_of
from efficientfan.benchmark.timing import Clock, TimedJob, Timing, Track, measure, silent
from efficientfan.errors import InputError
from efficientfan.imaging import process_settings
from efficientfan.predict.backends import Backend, engine_note
from efficientfan.predict.detectors import FaceDetector, open_detector
from efficientfan.predict.predictor import LandmarkPredictor
from efficientfan.predict.timing import StageTimes

__all__ = ["PEERS", "Plan", "run_benchmark"]

PEERS = ("dlib", "mediapipe")

_PEER_MARGIN, _PEER_SIZE = 0.6, 256
"""MediaPipe finds the face itself, so it gets the same faces with a wider margin."""


@dataclass(frozen=True)
class Plan:
    """How much is measured, and on what.

    Attributes:
        threads: processor threads; one block of rounds for each. Peers run in the first.
        rounds, repeats: of single faces; batches and photos get a fifth and a third of the rounds (photos all of
            them where they alone are measured), photos as many repeats as it takes to time each.
        batches: sizes tried for throughput.
        starts: fresh processes of each subject.
        seed: of the order within rounds, and of drawn photos.
        detector: by name.
        photos: a folder; None makes some.
        faces: in each photo that is made.
        end_to_end: only photos from the file to the drawn faces, by every subject and number of threads; else by the
            first of each.
        processor_time: count processor time, of all threads together, in place of wall-clock time; not for fresh
            processes.
        against: of `PEERS`.
        mediapipe_python: of the environment that has it.
        results: files of `efficientfan evaluate`.
    """

    threads: Sequence[int]
    rounds: int = 30
    repeats: int = 5
    batches: Sequence[int] = (2, 4, 8, 16, 32, 64)
    starts: int = 3
    seed: int = 0
    detector: str = "auto"
    photos: Path | None = None
    faces: Sequence[int] = (1, 5, 50)
    end_to_end: bool = False
    processor_time: bool = False
    against: Sequence[str] = ()
    mediapipe_python: Path | None = None
    results: Sequence[Path] = ()

    def __post_init__(self) -> None:
        if not self.threads or min(self.threads) < 1 or min(self.batches, default=1) < 1:
            raise InputError("threads and batch sizes must be at least 1")
        for name in self.against:
            if name not in PEERS:
                raise InputError(f"unknown peer {name!r}; known are {', '.join(PEERS)}")
        if not self.faces or min(self.faces) < 1:
            raise InputError("a photo needs at least one face")
        if self.end_to_end and (self.against or self.results):
            raise InputError("peers and errors stand beside the networks, which an end-to-end run leaves out")
        if self.processor_time and "mediapipe" in self.against:
            raise InputError("mediapipe runs in another process, whose processor time is not counted")

    @property
    def clock(self) -> Clock:
        """What times the rounds."""
        return time.process_time if self.processor_time else time.perf_counter

    def to_dict(self) -> dict[str, Any]:
        """As the report holds it: paths as text."""
        table = asdict(self)
        for key in ("photos", "mediapipe_python"):
            table[key] = table[key] and table[key].name
        return table | {"results": [path.name for path in self.results]}


def run_benchmark(subjects: Sequence[Subject], plan: Plan, *, track: Track = silent) -> Report:
    """Measure subjects; the first is the reference of the ratios.

    Raises:
        InputError: an unusable model, photo or results file.
        MissingDependencyError: an engine or a peer that was asked for is not installed.
    """
    machine = describe_machine()
    detector = open_detector(plan.detector, plan.threads[0])
    settings = plan.to_dict() | {"detector": detector.name}
    with tempfile.TemporaryDirectory() as folder:
        groups = _load_photos(plan, detector, folder)
        if plan.end_to_end:
            times = _photo_times(groups, subjects, plan.threads, plan, plan.rounds, track)
            return Report(machine, settings, photos=times, notes=_engine_notes(subjects, plan.threads[0]))
        measured = _measure_networks(subjects, groups, plan, track)
        rounds = max(2, plan.rounds // 3)
        times = _photo_times(groups, subjects[:1], plan.threads[:1], plan, rounds, track)
    return replace(measured, machine=machine, settings=settings, photos=times)


def _measure_networks(
    subjects: Sequence[Subject], groups: Mapping[str, Sequence[FacePhoto]], plan: Plan, track: Track
) -> Report:
    """All of a report but the photos."""
    accuracies = read_accuracies(plan.results)
    first = subjects[0].open(plan.threads[0])
    photos = [photo for group in groups.values() for photo in group]
    peaks: list[GemmPeak] = []
    candidates: list[Candidate] = []
    with ExitStack() as stack:
        stack.enter_context(process_settings(1, plan.threads[0]))
        peers, mediapipe = _peers(plan, photos, first, stack)
        for threads in dict.fromkeys(plan.threads):
            block = _Block(subjects, photos, plan, threads, peers if threads == plan.threads[0] else [])
            peaks += block.measure(track)
            candidates += block.candidates(peaks, accuracies)
        startup = measure_startup(
            subjects,
            photos[0],
            threads=plan.threads[0],
            detector=plan.detector,
            rounds=plan.starts,
            track=track,
        )
    notes = [] if mediapipe is None else [f"mediapipe saw a face in {mediapipe.found} of {mediapipe.asked}"]
    notes += _engine_notes(subjects, plan.threads[0])
    if all(each.macs is None for each in candidates):
        notes.append("operations are not counted: pip install onnx")
    return Report(
        describe_machine(),
        plan.to_dict(),
        peaks,
        candidates,
        startup,
        accuracy=accuracies.label,
        notes=notes,
        profiles=_profiles(subjects, plan),
    )


def _engine_notes(subjects: Sequence[Subject], threads: int) -> list[str]:
    notes = (engine_note(subject.open(threads)) for subject in subjects)
    return [note for note in dict.fromkeys(notes) if note]


class _Block:
    """All candidates at one number of threads, in the same rounds."""

    def __init__(
        self,
        subjects: Sequence[Subject],
        photos: Sequence[FacePhoto],
        plan: Plan,
        threads: int,
        peers: Sequence[TimedJob],
    ) -> None:
        self.plan, self.threads, self.peers, self.subjects = plan, threads, peers, subjects
        self.backends = {subject.name: subject.open(threads) for subject in subjects}
        self.crops = {
            name: cut_crops(photos, backend.spec.input_size, backend.spec.crop_margin)
            for name, backend in self.backends.items()
        }
        self.single: Mapping[str, Timing] = {}
        self.batched: Mapping[str, Timing] = {}

    def measure(self, track: Track) -> list[GemmPeak]:
        """Time single faces, peers and matrix products together, then batches."""
        plan = self.plan
        jobs = [crop_job(name, backend.run, self.crops[name], 1) for name, backend in self.backends.items()]
        self.single = measure(
            [*jobs, *self.peers, *gemm_jobs(self.threads)],
            rounds=plan.rounds,
            repeats=plan.repeats,
            seed=plan.seed,
            clock=plan.clock,
            track=track,
            what=f"single faces, {self.threads} threads",
        )
        self.batched = measure(
            [
                crop_job(f"{name}/{batch}", backend.run, self.crops[name], batch)
                for name, backend in self.backends.items()
                for batch in plan.batches
            ],
            rounds=max(2, plan.rounds // 5),
            repeats=1,
            seed=plan.seed,
            clock=plan.clock,
            track=track,
            what=f"batches, {self.threads} threads",
        )
        return gemm_peaks(self.single, self.threads)

    def candidates(self, peaks: list[GemmPeak], accuracies: Accuracies) -> list[Candidate]:
        """The measured candidates, subjects first."""
        reference = self.single[self.subjects[0].name]
        best = best_peaks(peaks)
        beside = {job.key: self.single[job.key] for job in self.peers}
        found = []
        for subject in self.subjects:
            backend = self.backends[subject.name]
            peak = best.get((backend.precision.partition("+")[0], self.threads))
            found.append(
                candidate(
                    self.single[subject.name],
                    reference,
                    {batch: self.batched[f"{subject.name}/{batch}"] for batch in self.plan.batches},
                    peers=beside,
                    peak_gops=None if peak is None or backend.device != "cpu" else peak.gops,
                    macs=macs_of(subject.path, backend.spec.input_size),
                    name=subject.name,
                    kind="model",
                    threads=self.threads,
                    engine=backend.name,
                    device=backend.device,
                    precision=backend.precision,
                    file_bytes=subject.file_bytes,
                    nme=accuracies.of_model(subject.path, backend.spec),
                )
            )
        peers = [
            candidate(
                self.single[job.key],
                reference,
                {},
                peers=beside,
                name=job.key,
                kind="peer",
                threads=1 if job.key == "dlib" else None,
                engine="",
                device="cpu",
                precision="",
                file_bytes=None,
                nme=accuracies.of_peer(job.key),
            )
            for job in self.peers
        ]
        return found + peers


def _profiles(subjects: Sequence[Subject], plan: Plan) -> dict[str, list[OperatorShare]]:
    """Operators of each subject on ONNX Runtime, on a gray crop: what is in it does not change the time."""
    threads = plan.threads[0]
    found = {}
    for subject in subjects:
        if subject.engine == "onnxruntime" and subject.device == "cpu":
            side = subject.open(threads).spec.input_size
            gray = np.full((1, side, side, 3), 127, np.uint8)
            found[subject.name] = operator_shares(node_times(subject.path, gray, threads=threads))
    return found


def _load_photos(plan: Plan, detector: FaceDetector, folder: str) -> dict[str, list[FacePhoto]]:
    if plan.photos is not None:
        return {plan.photos.name: photos_with_faces(plan.photos, detector)}
    return {name: [photo] for name, photo in made_photos(folder, plan.faces, plan.seed).items()}


def _peers(
    plan: Plan, photos: Sequence[FacePhoto], first: Backend, stack: ExitStack
) -> tuple[list[TimedJob], MediaPipe | None]:
    jobs, mediapipe = [], None
    if "dlib" in plan.against:
        margin = first.spec.crop_margin
        jobs.append(dlib_job("dlib", cut_crops(photos, first.spec.input_size, margin), margin))
    if "mediapipe" in plan.against:
        crops = cut_crops(photos, _PEER_SIZE, _PEER_MARGIN)
        mediapipe = stack.enter_context(open_mediapipe(plan.mediapipe_python, crops))
        jobs.append(mediapipe.job("mediapipe"))
    return jobs, mediapipe


def _photo_times(
    groups: Mapping[str, Sequence[FacePhoto]],
    subjects: Sequence[Subject],
    threads: Sequence[int],
    plan: Plan,
    rounds: int,
    track: Track,
) -> list[PhotoTimes]:
    runs = []
    for subject in subjects:
        for count in dict.fromkeys(threads):
            predictor = LandmarkPredictor(
                subject.open(count), open_detector(plan.detector, count), times=StageTimes(plan.clock)
            )
            runs += [
                PhotoRuns(subject.name, count, scene, photos, predictor) for scene, photos in groups.items()
            ]
    most = max(len(photos) for photos in groups.values())
    timings = measure(
        [run.job for run in runs],
        rounds=rounds,
        repeats=-(-most // rounds),  # every photo is timed
        seed=plan.seed,
        clock=plan.clock,
        track=track,
        what="photos",
    )
    return [run.times(timings) for run in runs]
