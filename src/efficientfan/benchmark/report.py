"""The results of a benchmark, as its JSON file holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from efficientfan.benchmark.machine import Machine
from efficientfan.benchmark.peak import GemmPeak
from efficientfan.benchmark.profile import OperatorShare
from efficientfan.benchmark.stages import PhotoTimes
from efficientfan.benchmark.startup import StartUp
from efficientfan.benchmark.timing import Timing
from efficientfan.files import write_json

__all__ = ["FORMAT", "Candidate", "Report", "candidate"]

FORMAT = "efficientfan-benchmark-1"


@dataclass(frozen=True)
class Candidate:
    """A model on an engine, or a peer, at a number of threads.

    Attributes:
        name: without the threads.
        kind: "model" or "peer".
        threads: processor threads; None where the peer decides itself.
        engine, device, precision: as the engine reports them; "" where a peer does not.
        file_bytes: size of the model file; None for a peer.
        best_ms, median_ms, p95_ms: of one face, the network with its decoding.
        ratio: times slower than the first candidate of these threads, round by round.
        peer_ratios: peer -> times slower than it, round by round; peers run beside the smallest number of threads.
        round_ms: median of each round.
        faces_per_second: batch size -> faces per second.
        macs: multiply-accumulates of one face; None where unknown.
        gops: 10^9 operations per second at the median.
        peak_share: of the machine's peak at these threads, int8 for a quantized file.
        nme: as a fraction; None where it was not measured.
    """

    name: str
    kind: str
    threads: int | None
    engine: str
    device: str
    precision: str
    file_bytes: int | None
    best_ms: float
    median_ms: float
    p95_ms: float
    ratio: float
    round_ms: Sequence[float]
    faces_per_second: Mapping[int, float]
    macs: int | None = None
    gops: float | None = None
    peak_share: float | None = None
    nme: float | None = None
    peer_ratios: Mapping[str, float] = field(default_factory=dict)

    @property
    def arithmetic(self) -> str:
        """Arithmetic of most operations: "f32", "bf16" or "int8"."""
        return self.precision.partition("+")[0]

    @property
    def best_batch(self) -> int:
        """The batch size of most faces per second."""
        return max(self.faces_per_second, key=lambda batch: self.faces_per_second[batch])

    @property
    def label(self) -> str:
        """Name and threads."""
        if self.threads is None:
            return self.name
        return f"{self.name}, {self.threads} thread{'' if self.threads == 1 else 's'}"


def candidate(
    timing: Timing,
    reference: Timing,
    batches: Mapping[int, Timing],
    *,
    peers: Mapping[str, Timing] = MappingProxyType({}),
    peak_gops: float | None = None,
    macs: int | None = None,
    **what: Any,
) -> Candidate:
    """A candidate from its timings.

    Args:
        timing: of one face.
        reference: of the first candidate, in the same rounds.
        batches: batch size -> timing of one batch.
        peers: peer -> timing, in the same rounds.
        peak_gops: the machine's peak at this precision and number of threads.
        macs: of one face.
        what: the remaining fields.
    """
    gops = None if macs is None else 2 * macs / timing.median_ms / 1e6
    return Candidate(
        best_ms=timing.best_ms,
        median_ms=timing.median_ms,
        p95_ms=timing.p95_ms,
        ratio=timing.ratio_to(reference),
        peer_ratios={name: timing.ratio_to(peer) for name, peer in peers.items()},
        round_ms=[Timing((each,)).median_ms for each in timing.rounds],
        faces_per_second={
            1: timing.faces_per_second,
            **{batch: each.faces_per_second for batch, each in batches.items()},
        },
        macs=macs,
        gops=gops,
        peak_share=None if gops is None or not peak_gops else gops / peak_gops,
        **what,
    )


@dataclass(frozen=True)
class Report:
    """One run of `efficientfan benchmark`.

    Attributes:
        machine: where.
        settings: the plan.
        peaks: every engine's matrix product.
        candidates: thread count by thread count, in the order of the command line, peers last.
        startup: fresh processes.
        photos: from the file to the drawn faces; by the first subject, in an end-to-end run by each.
        accuracy: what `nme` is.
        notes: remarks, such as missed faces and measurements left out.
        profiles: candidate on ONNX Runtime -> where its time goes.
    """

    machine: Machine
    settings: Mapping[str, Any]
    peaks: Sequence[GemmPeak] = ()
    candidates: Sequence[Candidate] = ()
    startup: Sequence[StartUp] = ()
    photos: Sequence[PhotoTimes] = ()
    accuracy: str = ""
    notes: Sequence[str] = ()
    profiles: Mapping[str, Sequence[OperatorShare]] = field(default_factory=dict)

    def save(self, path: str | Path) -> None:
        """Write as JSON, atomically."""
        write_json(path, {"format": FORMAT, **asdict(self)})
