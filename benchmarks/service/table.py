"""The service under load and among damaged uploads, and its page in the browser, as Markdown."""

from __future__ import annotations

from pathlib import Path

from tables import measured, read_rows

__all__ = ["browser_speed", "damaged_uploads", "service_load"]

HERE = Path(__file__).parent


def service_load() -> list[str]:
    """Rates, latencies and memory, a row for each load."""
    return measured(
        [
            "load",
            "seconds",
            "answered/s",
            "503/s",
            "p50, ms",
            "p99, ms",
            "memory, MB: first tenth",
            "last tenth",
            "lost",
        ],
        [
            [
                f"{row['load']} {row['service']}".strip(),
                f"{float(row['seconds']):.0f}",
                *(f"{float(row[name]):.1f}" for name in ("answered_per_s", "shed_per_s")),
                *(f"{float(row[name]):.0f}" for name in ("p50_ms", "p99_ms", "rss_mb_early", "rss_mb_late")),
                row["lost"],
            ]
            for row in read_rows(HERE / "load.csv")
        ],
    )


def damaged_uploads() -> list[str]:
    """How many damaged uploads got which answer."""
    rows = [[row["answer"], f"{int(row['uploads']):,}"] for row in read_rows(HERE / "mutated.csv")]
    return measured(["answer", "uploads"], rows)


def browser_speed() -> list[str]:
    """Seconds to the first face and rates of the page, a row for each model and engine."""
    return measured(
        ["model", "runs on", "first face, s", "frames/s", "photos/s"],
        [
            [row["model"], row["engine"], *(f"{float(row[name]):.1f}" for name in list(row)[2:])]
            for row in read_rows(HERE.parent / "browser.csv")
        ],
    )
