"""`efficientfan models`: list and show models and networks, and fetch a detector."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from efficientfan.cli.terms import terms_in_short
from efficientfan.errors import InputError, MissingDependencyError, install_command, printable

if TYPE_CHECKING:
    from efficientfan.spec import DetectorSpec, ModelSpec

__all__ = ["models_app"]

models_app = typer.Typer(
    help="Packaged models, your own model files, and named networks.", no_args_is_help=True
)

_KEY_WIDTH = 15

NAMED_NETWORKS = (
    "mobilefan",
    "mobilefan_050",
    "tinyfan",
    "efficientfan_b0",
    "efficientfan_lite0",
    "teacher_resnet50",
    "teacher_efficientnet_b7",
    "teacher_lite2",
)
"""As `efficientfan.models.list_networks()`, which needs torch."""


@models_app.command("list")
def list_command() -> None:
    """List the packaged models with their terms, and the networks that can be trained.

    Example: efficientfan models list
    """
    from efficientfan.predict.backends.onnx import read_graph_spec
    from efficientfan.weights import aliases, find_detector, find_model, list_detectors, list_models

    names = list_models()
    if names:
        typer.echo("packaged models, trained:")
    for name in names:
        spec = read_graph_spec(find_model(name))
        also = "".join(f" ({alias})" for alias, target in aliases().items() if target == name)
        typer.echo(f"  {name}{also}: {_in_short(spec)}; license: {terms_in_short(spec.license)}")
    for name in list_detectors():
        spec = read_graph_spec(find_detector(name))
        typer.echo(f"  {name}: {_in_short(spec)}; license: {terms_in_short(spec.license)}")
    typer.echo("terms and training data of a model: efficientfan models show NAME")
    if not names:
        typer.echo(
            "no packaged models: train one and export it (efficientfan train, efficientfan export)", err=True
        )
    typer.echo("networks to train (their size and cost: efficientfan models show NAME):")
    typer.echo(f"  {', '.join(NAMED_NETWORKS)}, timm/ENCODER")


@models_app.command("show")
def show_command(
    name: Annotated[
        str, typer.Argument(help="A packaged model, an exported .onnx file, or a named network.")
    ],
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print the whole spec of a model as JSON, with schema, recipe and metrics."
        ),
    ] = False,
) -> None:
    """Show the spec of a model file, or the size and cost of a named network (needs the train extra).

    `efficientfan models list` names both.

    Examples:

        efficientfan models show default

        efficientfan models show mobilefan
    """
    from efficientfan.predict.backends.onnx import read_graph_spec
    from efficientfan.weights import find_detector, find_model, list_detectors

    try:
        path = find_detector(name) if name in list_detectors() else find_model(name)
    except InputError as error:
        _show_network(name, error)
        return
    spec = read_graph_spec(path)
    if as_json:
        typer.echo(json.dumps(json.loads(spec.to_json()), indent=1))
    else:
        _show_spec(spec, path)


@models_app.command("fetch")
def fetch_command(
    name: Annotated[str, typer.Argument(help="What to fetch: yunet, another face detector (232 KB).")],
    file: Annotated[Path | None, typer.Option(help="Use this copy instead of downloading.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for the download.")] = 30.0,
) -> None:
    """Fetch a published file once, check its SHA-256, and keep it in the cache folder ($EFFICIENTFAN_CACHE).

    Example: efficientfan models fetch yunet
    """
    from efficientfan.predict.fetch import FETCHABLE, fetch

    path = fetch(name, file, timeout=timeout)
    typer.echo(path)
    typer.echo(f"{name}: checked; license {FETCHABLE[name].license}; use it with --detector {name}", err=True)


def _in_short(spec: ModelSpec | DetectorSpec) -> str:
    if spec.task == "detection":
        return "finds faces"
    return f"{spec.schema.name}, {spec.input_size} px"


def _purpose(spec: ModelSpec | DetectorSpec) -> dict[str, str]:
    if spec.task == "detection":
        sides = ", ".join(map(str, spec.long_sides))
        return {"finds": "faces", "photo": f"searched reduced to {sides} px, stride {spec.stride}"}
    return {
        "landmarks": f"{spec.schema.n_landmarks}, {spec.schema.name}",
        "crop": f"{spec.input_size} px, margin {spec.crop_margin:g}, stride {spec.stride}",
        "decoder": _named(spec.decoder),
    }


def _show_spec(spec: ModelSpec | DetectorSpec, path: Path) -> None:
    size = f"{path.stat().st_size / 1e6:.1f} MB"
    rows = {
        "name": spec.name,
        "file": f"{path} ({size})",
        "network": _named(spec.network),
        **_purpose(spec),
        "min score": f"{spec.score_threshold:g}",
        "license": spec.license or "not stated",
        "training data": spec.training_data or "not stated",
        "metrics": _metrics(spec),
        "provenance": _pairs(spec.provenance) or "not stated",
        "written by": f"efficientfan {spec.code_version or '(unknown)'}",
    }
    for key, value in rows.items():
        typer.echo(f"{key:<{_KEY_WIDTH}}{printable(value)}")


def _show_network(name: str, not_a_file: InputError) -> None:
    """Parameters and multiply-accumulates as in the papers' tables: 256 x 256, 68 landmarks."""
    try:
        from efficientfan.models import build_network, list_networks, summarize
        from efficientfan.models.zoo import network_config
    except ImportError as error:
        raise MissingDependencyError(
            f"{not_a_file}; to show a named network: {install_command('train')}"
        ) from error
    if name not in list_networks() and not name.startswith("timm/"):
        raise InputError(f"{not_a_file}; named networks are {', '.join(list_networks())}") from not_a_file
    summary = summarize(build_network(name, 68))
    typer.echo(f"{'network':<{_KEY_WIDTH}}{name}")
    typer.echo(f"{'about':<{_KEY_WIDTH}}{network_config(name).about}")
    typer.echo(f"{'parameters':<{_KEY_WIDTH}}{summary.parameters / 1e6:.2f} M ({summary.parameters})")
    typer.echo(
        f"{'MACs':<{_KEY_WIDTH}}{summary.macs / 1e9:.3f} G ({summary.macs}), 256 x 256 pixels, 68 landmarks"
    )
    typer.echo("a network without weights; `efficientfan models list` names the trained models", err=True)


def _metrics(spec: ModelSpec | DetectorSpec) -> str:
    """Of an int8 model whose are the float model's: measuring it needs a test set."""
    of_float = " (of the float model, before it became int8)" if "quantization" in spec.provenance else ""
    return f"{_pairs(spec.metrics)}{of_float}" if spec.metrics else "none"


def _named(table: Mapping[str, Any]) -> str:
    """The name first, then the other entries."""
    others = {key: value for key, value in table.items() if key != "name"}
    return ", ".join([str(table.get("name", "")), *filter(None, [_pairs(others)])])


def _pairs(table: Mapping[str, Any]) -> str:
    """One line; of a table within, such as a recipe, the name only (--json shows all)."""
    shown = {k: v.get("name", "...") if isinstance(v, Mapping) else v for k, v in table.items()}
    return ", ".join(f"{key} {value}" for key, value in shown.items())
