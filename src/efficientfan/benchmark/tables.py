"""The text tables and plots of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from efficientfan.benchmark.peak import best_peaks
from efficientfan.benchmark.report import Candidate, Report
from efficientfan.benchmark.stages import PARTS
from efficientfan.evaluation.tables import format_table
from efficientfan.plots import plot_bars, plot_front

__all__ = [
    "front",
    "plot_error_against_time",
    "plot_latencies",
    "report_text",
]


_PART_NAMES = {part: "choose" if part == "faces" else part for part in PARTS}
"""As columns, where "faces" is a number."""

_MOST_OPERATORS = 6
"""Of each profile; the rest of a network takes a few percent."""


def report_text(report: Report) -> str:
    """All tables, each under a line that describes it."""
    machine, settings = report.machine, report.settings
    load = "" if machine.load is None else f", load {machine.load:.1f} before the start"
    parts = [
        f"{machine.processor}, {machine.cores} cores{load}; {machine.system}\n"
        f"{settings['rounds']} interleaved rounds of {settings['repeats']} repeats, seed {settings['seed']}"
        + ("; milliseconds of processor time" if settings["processor_time"] else "")
    ]
    if report.peaks:
        parts.append("Matrix products of " + _peaks(report))
    if report.candidates:
        parts.append(
            "One face (network with decoding; ms), and the best batch\n" + _candidates(report.candidates)
        )
    if any(each.nme is not None for each in report.candidates):
        parts.append(f"nme is {report.accuracy}, in percent")
    if report.startup:
        parts.append(
            "Fresh processes: import, load, first face of a photo (s); peak memory\n" + _startup(report)
        )
    if report.photos:
        parts.append(
            "A photo from its file to its drawn faces (ms, medians; of the whole the quartiles too, and the processor "
            f"time of all threads); detector: {settings['detector']}\n" + _photos(report)
        )
    if report.profiles:
        parts.append(
            "Where the time goes in ONNX Runtime, by its own clock: nodes, ms, share\n" + _profiles(report)
        )
    return "\n\n".join([*parts, *report.notes])


def _peaks(report: Report) -> str:
    return "; ".join(
        f"{peak.precision}, {_threads(peak.threads)}: {peak.gops:.0f} GOP/s ({peak.engine}, best {peak.best_gops:.0f})"
        for _, peak in sorted(best_peaks(list(report.peaks)).items())
    )


def _candidates(candidates: Sequence[Candidate]) -> str:
    peers = list(dict.fromkeys(peer for each in candidates for peer in each.peer_ratios))
    header = [
        "candidate",
        "best",
        "median",
        "p95",
        "ratio",
        *(f"x {peer}" for peer in peers),
        "faces/s",
        "batch",
        "MMAC",
        "GOP/s",
        "of peak",
        "nme",
        "MB",
    ]
    rows = [
        [
            each.label,
            f"{each.best_ms:.2f}",
            f"{each.median_ms:.2f}",
            f"{each.p95_ms:.2f}",
            f"{each.ratio:.2f}",
            *(_or_dash(each.peer_ratios.get(peer), 1, ".2f") for peer in peers),
            f"{each.faces_per_second[each.best_batch]:.0f}",
            str(each.best_batch),
            _or_dash(each.macs, 1e-6, ".0f"),
            _or_dash(each.gops, 1, ".0f"),
            "-" if each.peak_share is None else f"{100 * each.peak_share:.0f} % {each.arithmetic}",
            _or_dash(each.nme, 100, ".2f"),
            _or_dash(each.file_bytes, 1e-6, ".2f"),
        ]
        for each in candidates
    ]
    return format_table(header, rows)


def _startup(report: Report) -> str:
    header = ["candidate", "import", "load", "first face", "total", "MiB"]
    rows = [
        [
            each.name,
            *(f"{value:.2f}" for value in (each.import_s, each.load_s, each.first_face_s, each.total_s)),
            _or_dash(each.peak_mib, 1, ".0f"),
        ]
        for each in report.startup
    ]
    return format_table(header, rows)


def _photos(report: Report) -> str:
    header = [
        "candidate",
        "photo",
        "faces",
        "found",
        *_PART_NAMES.values(),
        "whole",
        "quartiles",
        "processor",
    ]
    rows = [
        [
            f"{each.name}, {_threads(each.threads)}",
            each.scene,
            f"{each.faces:.3g}",
            f"{each.found:.3g}",
            *(f"{each.parts[part]:.1f}" for part in _PART_NAMES),
            f"{each.total_ms:.1f}",
            "{:.1f} to {:.1f}".format(*each.quartiles_ms),
            f"{each.processor_ms:.1f}",
        ]
        for each in report.photos
    ]
    return format_table(header, rows)


def _profiles(report: Report) -> str:
    rows = [
        [name, each.kind, str(each.nodes), f"{each.ms:.3f}", f"{100 * each.share:.0f} %"]
        for name, shares in report.profiles.items()
        for each in shares[:_MOST_OPERATORS]
    ]
    return format_table(["candidate", "operator", "nodes", "ms", "share"], rows)


def _or_dash(value: float | None, factor: float, form: str) -> str:
    return "-" if value is None else format(value * factor, form)


def _threads(count: int) -> str:
    return f"{count} thread{'' if count == 1 else 's'}"


def front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Names of the points (x, y) that no other point beats in both coordinates, by rising x.

    >>> front({"slow": (3.0, 1.0), "fast": (1.0, 2.0), "beaten": (3.5, 1.5)})
    ['fast', 'slow']
    """
    kept: list[str] = []
    for name, (_, y) in sorted(points.items(), key=lambda item: item[1]):
        if not kept or y < points[kept[-1]][1]:
            kept.append(name)
    return kept


def plot_latencies(path: str | Path, report: Report) -> None:
    """Median time of one face by candidate, with a mark at the 95th percentile.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    plot_bars(
        path,
        {each.label: each.median_ms for each in report.candidates},
        marks={each.label: each.p95_ms for each in report.candidates},
        x_label="ms per face, batch 1: median | 95th percentile",
        title=report.machine.processor,
    )


def plot_error_against_time(path: str | Path, report: Report) -> bool:
    """Error against time of one face at the smallest number of threads, peers included; the front is joined.

    Returns:
        Whether anything was drawn: candidates without a known error are left out.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    fewest = min((each.threads for each in report.candidates if each.threads), default=None)
    points = {
        each.label: (each.median_ms, 100 * each.nme)
        for each in report.candidates
        if each.nme is not None and each.threads in (fewest, None)
    }
    if not points:
        return False
    plot_front(
        path,
        points,
        front(points),
        x_label="ms per face, batch 1, median",
        y_label=f"{report.accuracy} (%)",
        title=report.machine.processor,
    )
    return True
