"""The command line as a whole: its version, and help that shows every word that was written for it."""

import signal
import sys

import pytest
from typer.main import get_group

import efficientfan
from efficientfan.cli.main import COMMANDS as NAMES
from efficientfan.cli.main import command_line, main
from efficientfan.errors import Interrupted


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["efficientfan", *arguments])
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code or 0, capsys.readouterr().out


def commands(group, path=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


WHOLE = get_group(command_line())
COMMANDS = dict(commands(WHOLE))


def test_version(monkeypatch, capsys):
    assert run(monkeypatch, capsys, "--version") == (0, f"efficientfan {efficientfan.__version__}\n")


@pytest.mark.parametrize(("kind", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_requested_stop_is_no_error(monkeypatch, capsys, kind, code):
    def stop():
        raise Interrupted("stopped after step 3; go on with --resume", kind)

    monkeypatch.setattr("efficientfan.cli.main.command_line", lambda only: stop)
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == code
    assert capsys.readouterr().err == "stopped after step 3; go on with --resume\n"


@pytest.mark.parametrize("name", NAMES)
def test_one_command_alone_is_the_same(name):
    one, whole = get_group(command_line(name)).commands, WHOLE.commands
    assert list(one) == [name]
    assert [each.name for each in one[name].params] == [each.name for each in whole[name].params]


def test_a_misspelled_command_is_compared_with_all(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["efficientfan", "evaluate-vidoe"])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    assert "evaluate-video" in capsys.readouterr().err


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_teaches(monkeypatch, capsys, path):
    code, out = run(monkeypatch, capsys, *path, "--help")
    assert code == 0
    assert f"efficientfan {' '.join(path)} " in out.partition("Example")[2] + " "


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_no_help_text_is_taken_for_markup(path):
    """Typer hands help to rich, which swallows words in square brackets."""
    helps = [parameter.help or "" for parameter in COMMANDS[path].params]
    assert [text for text in helps if "[" in text] == []
