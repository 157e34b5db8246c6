"""American spelling in names and prose: no word of the British list comes back."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BRITISH = re.compile(
    r"\w*(?:labell|colour|centre|grey|licence|neighbour|behaviour|favour|millimetre|catalogue|modell|artefact|analys(?:e|ing)"
    r"|(?:normal|optim|quant|initial|minim|maxim|recogn|organ|summar|serial|visual|general|special|equal|local|random)"
    r"is(?:e|ed|es|er|ers|ing|ation|ations)(?![a-z]))\w*",
    re.IGNORECASE,
)
FORMER = {
    "src/efficientfan/cli/evaluate.py": {"normaliser"},
    "src/efficientfan/evaluation/landmarks/results.py": {"normaliser", "normaliser_box"},
    "src/efficientfan/recipes/former_keys.py": {"optimiser", "colour", "grey", "centre"},
    "src/efficientfan/schema/landmark_schema.py": {"normalisers"},
    "src/efficientfan/spec.py": {"licence", "quantisation"},
}
"""Names of earlier versions, which are still read."""


def test_names_and_prose_are_in_american_spelling() -> None:
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    files += [path for kind in ("*.py", "*.yaml", "*.json") for path in (ROOT / "src").rglob(kind)]
    files += [*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "examples").glob("*/*.py")]
    found = {
        (path.relative_to(ROOT).as_posix(), word)
        for path in files
        for word in BRITISH.findall(path.read_text(encoding="utf-8"))
    }
    expected = {(path, word) for path, words in FORMER.items() for word in words}
    assert sorted(found) == sorted(expected)
