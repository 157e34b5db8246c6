"""What a run over many photos says while it runs."""

import io

from rich.console import Console

from efficientfan.cli.progress import PhotoProgress


def said(seconds_per_photo, n_photos, *, failed=(), terminal=False):
    """What is printed for photos that take so many seconds each."""
    now = iter(seconds_per_photo * step for step in range(n_photos + 1))
    stream = io.StringIO()
    console = Console(file=stream, width=120, force_terminal=terminal, color_system=None)
    progress = PhotoProgress(console, n_photos, clock=lambda: next(now))
    assert list(progress.follow(range(n_photos), failed=lambda n: n in failed)) == list(range(n_photos))
    assert (progress.n_done, progress.n_failed) == (n_photos, len(failed))
    return stream.getvalue()


def test_a_line_every_ten_seconds():
    assert said(4, 8, failed=(1, 5)).splitlines() == [
        "3 of 8 photos, 0.2 per second, 1 failed, 0:20 left",
        "6 of 8 photos, 0.2 per second, 2 failed, 0:08 left",
    ]


def test_a_short_run_says_nothing():
    assert said(0.5, 19) == ""


def test_hours_are_told():
    assert said(20, 1001).splitlines()[0] == "1 of 1,001 photos, 0.1 per second, 0 failed, 5:33:20 left"


def test_a_terminal_has_a_bar():
    assert "per second, 1 failed" in said(20, 3, failed=(0,), terminal=True)
