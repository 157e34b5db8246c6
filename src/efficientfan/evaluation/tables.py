"""Aligned text tables, and estimates as percent: used by all evaluations and benchmarks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from efficientfan.metrics import Estimate

__all__ = ["format_table", "percent"]


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
    """An aligned table; the first column is left-aligned, the others right-aligned.

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
