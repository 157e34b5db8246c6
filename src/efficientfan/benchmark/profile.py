"""Where a network's time goes in ONNX Runtime, operator by operator, by the engine's own clock."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime as ort
from numpy.typing import NDArray

from efficientfan.errors import InputError

__all__ = ["NodeTime", "OperatorShare", "node_times", "operator_shares"]

Array = NDArray[Any]

_SUFFIX = "_kernel_time"


@dataclass(frozen=True)
class NodeTime:
    """A node of the graph that the engine made of a file.

    Attributes:
        name: the engine's: the file's own, or a name that begins with that of the node or of its output.
        kind: operator, such as "QLinearConv".
        ms: of its fastest run.
    """

    name: str
    kind: str
    ms: float


@dataclass(frozen=True)
class OperatorShare:
    """All nodes of one kind.

    Attributes:
        kind: operator.
        nodes: how many.
        ms: of all of them.
        share: of the whole network, in [0, 1].
    """

    kind: str
    nodes: int
    ms: float
    share: float


def node_times(path: str | Path, crops: Array, *, threads: int = 1, runs: int = 20) -> list[NodeTime]:
    """The nodes in the order in which they run.

    Args:
        path: an `.onnx` file of one input `crops`.
        crops: (N, S, S, 3) uint8 RGB: what one run takes.
        threads: processor threads.
        runs: the fastest of them counts, node by node, so that a busy machine matters little.

    Raises:
        InputError: fewer runs than one.
    """
    if runs < 1:
        raise InputError(f"runs must be at least 1, not {runs}")
    with tempfile.TemporaryDirectory() as folder:
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.log_severity_level = 4
        settings.enable_profiling = True
        settings.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        for _ in range(runs):
            session.run(None, {"crops": crops})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    micros: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(_SUFFIX):
            micros[event["name"].removesuffix(_SUFFIX), event["args"]["op_name"]].append(event["dur"])
    return [NodeTime(name, kind, min(each) / 1e3) for (name, kind), each in micros.items()]


def operator_shares(nodes: Sequence[NodeTime]) -> list[OperatorShare]:
    """Nodes summed by kind, the largest first.

    >>> operator_shares([NodeTime("a", "Conv", 3.0), NodeTime("b", "Add", 1.0)])[0].share
    0.75
    """
    kinds: defaultdict[str, list[float]] = defaultdict(list)
    for node in nodes:
        kinds[node.kind].append(node.ms)
    total = sum(node.ms for node in nodes)
    shares = [
        OperatorShare(kind, len(each), sum(each), sum(each) / total if total else 0.0)
        for kind, each in kinds.items()
    ]
    return sorted(shares, key=lambda share: -share.ms)
