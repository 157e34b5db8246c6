"""Fuzzing, the soak, and training runs that are killed, as Markdown."""

from __future__ import annotations

from pathlib import Path

from tables import measured, read_rows

__all__ = ["fuzzed", "soaked", "training_kills"]

HERE = Path(__file__).parent


def fuzzed() -> list[str]:
    """A row for each kind, with the inputs of all seeds."""
    kinds: dict[str, list[dict[str, str]]] = {}
    for row in read_rows(HERE / "fuzz.csv"):
        kinds.setdefault(row["kind"], []).append(row)
    totals = ("inputs", "accepted", "refused", "wrong")
    return measured(
        ["kind", *totals, "slowest", "most memory"],
        [
            [
                kind,
                *(f"{sum(int(row[column]) for row in rows):,}" for column in totals),
                f"{max(float(row['slowest_s']) for row in rows):.2f} s",
                f"{max(int(row['most_mb']) for row in rows)} MB",
            ]
            for kind, rows in kinds.items()
        ],
    )


def soaked() -> list[str]:
    """A row for each process."""
    header = ["process", "minutes", "results", "lost", "doubled", "wrong", "memory", "slope, MB/hour"]
    return measured(
        [*header, "descriptors", "faults"],
        [
            [
                row["process"],
                row["minutes"],
                f"{int(row['results']):,}",
                row["lost"],
                row["doubled"],
                row["wrong"],
                f"{row['memory_mb']} MB",
                f"{float(row['slope_mb_per_hour']):+.1f} ± {float(row['slope_half_width']):.1f}",
                f"{row['fewest_descriptors']} to {row['most_descriptors']}",
                row["faults"],
            ]
            for row in read_rows(HERE / "soak.csv")
        ],
    )


def training_kills() -> list[str]:
    """A row for each file system."""
    return measured(
        ["file system", "runs", "kills", "steps at the kills", "bit-equal"],
        [
            [
                row["file_system"],
                row["runs"],
                row["kills"],
                f"{row['first_step']} to {row['last_step']}, {row['different_steps']} different",
                f"{row['bit_equal']} of {row['runs']}",
            ]
            for row in read_rows(HERE / "training" / "kills.csv")
        ],
    )
