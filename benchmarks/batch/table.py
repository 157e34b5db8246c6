"""Runs in shards: kills, a million photos and Ray, as Markdown."""

from __future__ import annotations

from pathlib import Path

from tables import measured, read_rows

__all__ = ["batch_kills", "batch_rates", "million"]

HERE = Path(__file__).parent
STEPS = {
    "list_us": "read the list",
    "plan_us": "plan",
    "write_us": "write",
    "plan_again_us": "plan of a resumed run",
    "read_us": "read",
}


def batch_kills() -> list[str]:
    """A row for each number of photos and options."""
    header = [
        "photos",
        "options",
        "time",
        "writer and journal",
        "most memory, middle and last third",
        "kills",
        "each photo once",
        "rows equal",
        "files equal",
    ]
    return measured(
        header,
        [
            [
                f"{int(row['photos']):,}",
                f"`{row['options']}`",
                f"{row['seconds']} s",
                f"{row['writer_percent']} %",
                f"{row['memory_middle_mb']}, {row['memory_end_mb']} MB",
                row["kills"],
                row["photos_once"] or "no",
                row["rows_equal"] or "no",
                f"{row['files_equal']} of {row['files']}",
            ]
            for row in read_rows(HERE / "kills.csv")
        ],
    )


def million() -> list[str]:
    """Microseconds of processor time per photo of each step: a row for each format and number of photos."""
    return measured(
        ["format", "photos", *(f"{name}, us" for name in STEPS.values()), "memory", "bytes per photo"],
        [
            [
                row["format"],
                f"{int(row['photos']):,}",
                *(row[step] for step in STEPS),
                f"{row['memory_mb']} MB",
                row["bytes_per_photo"],
            ]
            for row in read_rows(HERE / "million.csv")
        ],
    )


def batch_rates() -> list[str]:
    """Photos per second of both commands."""
    header = [
        "photos",
        "cores",
        "model",
        "`predict`, photos/s",
        "`batch`, photos/s",
        "share",
        "whole commands",
    ]
    return measured(
        header,
        [
            [
                f"{int(row['photos']):,}",
                row["cores"],
                row["model"],
                row["predict_per_second"],
                row["batch_per_second"],
                f"{float(row['ratio']):.0%} (least of {row['rounds']} rounds: {float(row['least_ratio']):.0%})",
                f"{row['predict_s']}, {row['batch_s']} s",
            ]
            for row in read_rows(HERE / "rates.csv")
        ],
    )
