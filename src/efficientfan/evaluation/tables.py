"""Results as text tables for people. All errors, rates and areas are printed as percent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from efficientfan.evaluation.reliability import Reliability
from efficientfan.evaluation.results import GroupScore, Results
from efficientfan.metrics import Estimate

__all__ = ["comparison_note", "format_table", "percent", "results_table"]


def percent(estimate: Estimate | None, *, interval: bool = False) -> str:
    """An estimate as text: "3.71" or "3.71 [3.55, 3.90]"; a dash where there is none.

    >>> percent(Estimate(0.0371, 0.0355, 0.039), interval=True)
    '3.71 [3.55, 3.90]'
    """
    if estimate is None:
        return "-"
    text = f"{100 * estimate.value:.2f}"
    return f"{text} [{100 * estimate.low:.2f}, {100 * estimate.high:.2f}]" if interval else text


def format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns in line, the first to the left and the others to the right.

    >>> print(format_table(["set", "n"], [["a", "10"], ["bcd", "2"]]))
    set   n
    a    10
    bcd   2
    """
    table = [list(header), *map(list, rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = (
        "  ".join(
            cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    )
    return "\n".join(line.rstrip() for line in lines)


def results_table(results: Results) -> str:
    """The data set's own table of one run, with the settings that its numbers depend on."""
    data, settings = results.dataset, results.settings
    metrics = list(dict.fromkeys(name for score in results.groups.values() for name in score.metrics))
    rows = _rows(results.groups, metrics)
    rows += [[f"{row[0]}, mean shape", *row[1:]] for row in _rows(results.baseline, metrics)]
    lines = [
        f"{results.label} on {data['name']} {data['split']}, boxes: {_boxes(settings)}",
        f"percent [95 % interval]; fr and auc by {settings['normaliser']}; missed faces fail, NMEs lack them",
        "",
        format_table(["subset", "faces", "missed", *metrics], rows),
    ]
    if results.occlusion:
        share, seen, covered = (
            100 * results.occlusion[key] for key in ("share", "nme_visible", "nme_occluded")
        )
        lines += [
            "",
            f"occluded landmarks: {share:.1f} %; error of visible ones {seen:.2f}, of occluded {covered:.2f}",
        ]
    if results.reliability is not None:
        lines += ["", _reliability(results.reliability, settings["normaliser"])]
    note = comparison_note(data)
    return "\n".join([*lines, "", note] if note else lines)


def comparison_note(data: Mapping[str, object]) -> str:
    """A warning where the faces are not all of the official split; empty otherwise."""
    official, faces = data.get("official"), data["faces"]
    if official is None or official == faces:
        return ""
    return f"NOT the complete split: {faces} of {official} faces; not comparable with published numbers"


def _reliability(found: Reliability, normaliser: str) -> str:
    limit = f"nme_{normaliser} > {100 * found.threshold:g} %"
    if (tenth := found.worst_tenth) is None:
        where = f"no failures ({limit})"
    else:
        where = f"the worst tenth holds {tenth.caught:g} of {tenth.failures} failures ({limit})"
    correlation = "-" if found.rank_correlation is None else f"{found.rank_correlation:.2f}"
    return f"sorted by score: {where}; rank correlation of score and error: {correlation}"


def _rows(groups: Mapping[str, GroupScore], metrics: Sequence[str]) -> list[list[str]]:
    return [
        [name, str(score.faces), str(score.missed)]
        + [percent(score.metrics.get(metric), interval=i == 0) for i, metric in enumerate(metrics)]
        for name, score in groups.items()
    ]


def _boxes(settings: Mapping[str, object]) -> str:
    parts = [str(settings.get("box", "as in the file"))]
    if settings.get("detector"):
        parts.append(f"({settings['detector']})")
    if settings.get("box_jitter"):
        parts.append(f"jittered by {settings['box_jitter']:g}")
    if settings.get("flip_test"):
        parts.append("+ flip test")
    return " ".join(parts)
