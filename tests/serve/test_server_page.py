"""docs/guides/server.md says what the service does."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from efficientfan.cli.main import command_line
from efficientfan.serve import REFUSALS
from efficientfan.serve.options import FaceOptions

PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "server.md").read_text(encoding="utf-8")


def test_it_lists_every_error():
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \| (.+) \|$", PAGE, re.MULTILINE)
    assert {code: (int(status), meaning) for code, status, meaning in rows} == REFUSALS


def test_it_lists_every_route(client):
    rows = re.findall(r"^\| `(GET|POST) (\S+)` \|", PAGE, re.MULTILINE)
    routes = {
        (method.upper(), path)
        for path, operations in client.get("/openapi.json").json()["paths"].items()
        for method in operations
    }
    assert set(rows) == routes | {("GET", "/openapi.json"), ("GET", "/")}


def test_it_lists_every_option_of_a_request():
    section = PAGE.partition("| option | |")[2].partition("\n\n")[0]
    listed = [name for row in section.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(listed) == sorted(FaceOptions.model_fields)


def test_its_options_are_the_commands():
    command = typer.main.get_group(command_line()).commands["serve"]
    known = {
        option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]
    } | {"--help"}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", PAGE)) - {"--data-binary", "--rm"}
    assert named <= known
    listed = dict(re.findall(r"\| `(--[a-z-]+)`(?:, `--[a-z-]+`)? \| (\d+)", PAGE))
    defaults = {parameter.opts[0]: parameter.default for parameter in command.params}
    units = {"--max-bytes": 2**20, "--max-held-bytes": 2**20, "--max-pixels": 1_000_000}
    assert len(listed) == 11
    for name, text in listed.items():
        assert defaults[name] == int(text) * units.get(name, 1), name
