"""`efficientfan serve`: its options and messages; tests/serve/test_run.py runs it."""

from __future__ import annotations

import dataclasses
import inspect
import socket
import sys
import threading

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from efficientfan.cli.serve import serve_command
from efficientfan.serve import ServiceSettings


def test_defaults_are_those_of_the_settings():
    options = {name: each.default for name, each in inspect.signature(serve_command).parameters.items()}
    settings = {each.name: each.default for each in dataclasses.fields(ServiceSettings)}
    shared = options.keys() & settings.keys() - {"cors"}
    assert {name: options[name] for name in shared} == {name: settings[name] for name in shared}
    assert settings.keys() - options.keys() == {"models", "token"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--queue", "4"], "max_batch is at most queue (4)"),
        (["--model", "nothing"], "no such model file"),
        (["--page", "nowhere"], "holds no built page"),
    ],
)
def test_misuse_ends_with_a_message(run_command, arguments, message):
    code, _, err = run_command("serve", "--threads", 1, *arguments)
    assert code == 2
    assert message in err
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("efficientfan")]


def test_an_empty_token_is_no_open_door(run_command, monkeypatch):
    monkeypatch.setenv("EFFICIENTFAN_TOKEN", "")
    code, _, err = run_command("serve")
    assert code == 2
    assert "EFFICIENTFAN_TOKEN" in err


def test_a_port_in_use_is_named_and_strangers_are_warned_of(run_command, model_file):
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = other.getsockname()[1]
        code, _, err = run_command(
            "serve", "--host", "0.0.0.0", "--port", port, "--model", model_file, "--threads", 1
        )
    assert code == 2
    assert f"whoever reaches 0.0.0.0:{port} can use the service; set EFFICIENTFAN_TOKEN" in err
    assert f"0.0.0.0:{port}: cannot be listened on" in err


def test_without_the_extra_its_name_is_said(run_command, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("efficientfan.serve")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    code, _, err = run_command("serve")
    assert code == 2
    assert "pip install 'efficientfan[serve]'" in err
