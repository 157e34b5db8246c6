"""Bars are drawn where somebody watches, and a block of plots ends where matplotlib is missing."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from efficientfan.cli import options
from efficientfan.cli.options import bars, counted, message_console, plots_where_possible, progress_bar
from efficientfan.errors import InputError, MissingDependencyError


@pytest.mark.parametrize("watched", [True, False])
def test_a_bar_is_drawn_where_somebody_watches(monkeypatch, watched):
    screen = io.StringIO()
    monkeypatch.setattr(
        options, "message_console", lambda: Console(file=screen, force_terminal=watched, width=80)
    )
    with progress_bar("faces", 8) as advance:
        advance(2)
        advance(4)
    text = screen.getvalue()
    assert ("faces" in text, "75%" in text) == (watched, watched)


def test_steps_come_through_a_bar_that_nobody_sees(capsys):
    with bars() as progress:
        assert list(progress.track(iter("abc"), total=3, description="photos")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_messages_go_to_standard_error_as_they_are(capsys):
    text = "photo[red]/:smile: " + "long " * 40
    message_console().print(text)
    assert capsys.readouterr() == ("", f"{text}\n")


def test_plots_end_where_matplotlib_is_missing(capsys):
    drawn = []
    with plots_where_possible():
        drawn.append("first")
        raise MissingDependencyError("plots need matplotlib")
    assert capsys.readouterr() == ("", "no plots: plots need matplotlib\n")
    with pytest.raises(InputError), plots_where_possible():
        raise InputError("another trouble")
    assert drawn == ["first"]


def test_one_is_not_many():
    assert [counted(n, "face") for n in (0, 1, 2)] == ["0 faces", "1 face", "2 faces"]
