from pathlib import Path

import pytest
from tiny_model import write_model


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test looks into, or writes to, the cache of whoever runs it."""
    monkeypatch.setenv("EFFICIENTFAN_CACHE", str(tmp_path / "cache"))
