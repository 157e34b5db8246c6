"""The commands of docs/guides/train_cluster.md, as they stand there, with two processes that are two machines."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_training import RECIPE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/guides/train_cluster.md").read_text(encoding="utf-8")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def torchrun_command(port: int) -> list[str]:
    (line,) = re.findall(r"^torchrun .*$", PAGE, re.MULTILINE)
    words = shlex.split(line.replace("first:29500", f"127.0.0.1:{port}"))
    return [sys.executable, "-m", "torch.distributed.run", *words[1:]]


def slurm_command() -> list[str]:
    (line,) = re.findall(r"^srun efficientfan (.*) \$resume$", PAGE, re.MULTILINE)
    return [sys.executable, "-m", "efficientfan.cli.main", *shlex.split(line)]


def slurm_environment(process: int, port: int) -> dict[str, str]:
    """What srun sets for one task on each of two nodes."""
    values = {"JOB_ID": port, "JOB_NAME": "faces", "NTASKS": 2, "NTASKS_PER_NODE": 1, "NNODES": 2}
    values |= {"PROCID": process, "NODEID": process, "LOCALID": 0, "NODELIST": "127.0.0.1"}
    return {**{f"SLURM_{name}": str(value) for name, value in values.items()}, "MASTER_PORT": str(port)}


@pytest.mark.parametrize("launcher", ["torchrun", "slurm"])
def test_two_machines_train_one_model(drawn_300w: Path, tmp_path: Path, launcher: str) -> None:
    port = free_port()
    (tmp_path / "my.yaml").write_text(RECIPE.read_text())
    more = ["--set", f"data.root={drawn_300w}", "train.epochs=1", "train.workers=0"]
    processes = []
    for process in range(2):
        command = torchrun_command(port) if launcher == "torchrun" else slurm_command()
        set_by_launcher = {} if launcher == "torchrun" else slurm_environment(process, port)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", **set_by_launcher}
        processes.append(
            subprocess.Popen(
                [*command, *more],
                cwd=tmp_path,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    ended = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ended
    assert "".join(out for out, _ in ended) == "runs/mine/model.safetensors\n"
    said = [line for _, err in ended for line in err.splitlines()]
    assert (
        len([line for line in said if "27 training samples an epoch, 3 for validation, on 2 x cpu" in line])
        == 1
    )
    assert (tmp_path / "runs/mine/model.safetensors").is_file()
