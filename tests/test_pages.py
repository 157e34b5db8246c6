"""Pages that are generated from result files are those of the files in the repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("script", ["accuracy/table.py", "distillation/table.py"])
def test_page_is_up_to_date(script: str) -> None:
    result = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), "--check"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
