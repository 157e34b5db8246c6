"""Dockerfile, .dockerignore and compose.yaml say what the command line and the package understand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
import yaml

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from efficientfan.cli.main import command_line
from efficientfan.cli.serve import TOKEN_VARIABLE
from efficientfan.serve import ServiceSettings, create_app

ROOT = Path(__file__).parents[1]
LINES = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
STEPS = [(line.split()[0], line.split(None, 1)[1]) for line in LINES if line and not line.startswith("#")]
LAST_STAGE = STEPS[max(index for index, (word, _) in enumerate(STEPS) if word == "FROM") :]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["efficientfan"]


def only(word: str) -> str:
    (text,) = [text for own, text in LAST_STAGE if own == word]
    return text


def options_of(words: list[str]) -> dict[str, object]:
    """What `efficientfan WORDS...` would run with.

    Raises:
        click.UsageError: it is no command, or has no such option.
    """
    program, name, *arguments = words
    assert program == "efficientfan"
    command = typer.main.get_group(command_line()).commands[name]
    return command.make_context(name, arguments).params


def seconds(text: str) -> float:
    return float(re.fullmatch(r"(\d+)s", text)[1])


ENTRYPOINT = json.loads(only("ENTRYPOINT"))


def test_the_command_has_these_options():
    image, composed = options_of(ENTRYPOINT), options_of([*ENTRYPOINT, *COMPOSE["command"]])
    assert image["host"] == composed["host"] == "0.0.0.0"
    assert ENTRYPOINT[1] == "serve"
    with pytest.raises(Exception, match="No such option"):
        options_of([*ENTRYPOINT, "--prot", "1"])


def test_ports_agree():
    port = str(options_of(ENTRYPOINT)["port"])
    assert only("EXPOSE") == port
    assert COMPOSE["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_the_health_check_asks_a_route_that_there_is(model_file):
    _, _, words = only("HEALTHCHECK").partition("CMD ")
    python, flag, code = json.loads(words)
    assert (python, flag) == ("python", "-c")
    (url,) = re.findall(r"'(http://[^']+)'", code)
    address, _, path = url.removeprefix("http://").partition("/")
    assert address == f"127.0.0.1:{options_of(ENTRYPOINT)['port']}"
    service = create_app(ServiceSettings(models=(str(model_file),), threads=1))
    service.state.service.close()
    assert f"/{path}" in service.openapi()["paths"]


def test_it_is_not_root_and_may_write_nothing():
    user = only("USER")
    assert int(user) > 0
    assert f"--uid {user} " in only("RUN")
    assert COMPOSE["read_only"] is True
    assert COMPOSE["cap_drop"] == ["ALL"]


def test_what_is_copied_is_there_and_not_ignored():
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sources = [
        name for word, text in STEPS if word == "COPY" and "--from" not in text for name in text.split()[:-1]
    ]
    assert set(sources) >= {"pyproject.toml", "src", "LICENSES"}
    for name in sources:
        assert (ROOT / name).exists()
        assert f"!{name}" in kept


def test_the_extra_and_the_python_are_the_packages_own():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (install,) = [text for word, text in STEPS if word == "RUN" and "pip install" in text]
    (extra,) = re.findall(r'"\.\[(\w+)\]"', install)
    assert re.search(rf"^{extra} = \[", project, re.MULTILINE)
    images = {text.split()[0] for word, text in STEPS if word == "FROM"}
    (version,) = {re.fullmatch(r"python:(3\.\d+)-slim", image)[1] for image in images}
    assert f"Python :: {version}" in project


def test_there_is_time_to_finish():
    settings = ServiceSettings()
    needed = settings.drain_seconds + settings.upload_seconds + settings.answer_seconds
    assert needed < seconds(COMPOSE["stop_grace_period"]) < 2 * needed


def test_the_token_is_passed_on_not_written():
    assert COMPOSE["environment"] == [TOKEN_VARIABLE]
