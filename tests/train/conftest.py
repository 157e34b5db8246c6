from pathlib import Path

import pytest
from drawn_faces import write_drawn_300w


@pytest.fixture(scope="session")
def drawn_300w(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 training faces and 2 test faces in 300-W's layout."""
    return write_drawn_300w(tmp_path_factory.mktemp("drawn"), train=30)
