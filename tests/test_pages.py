"""Pages and tables that are made from result files are those of the files in the repository."""

from __future__ import annotations

import csv
import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from efficientfan.evaluation import DetectionResults, GroupScore, Results
from efficientfan.evaluation.detection.results import GroupRates, Rates
from efficientfan.imaging import read_rgb
from efficientfan.metrics import Estimate

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
LANDMARKS = Results(
    label="new",
    subject={"kind": "model", "name": "new", "file": "new.onnx", "sha256": "5" * 64},
    dataset={"name": "300w", "split": "common", "faces": 2, "official": 554, "digest": "d" * 64},
    settings={"box": "gt", "box_jitter": 0.0, "flip_test": False, "normalizer": "interocular"},
    groups={"common": GroupScore(2, 1, {"nme_interocular": Estimate(1 / 30, 0.03, 0.04)})},
    samples={"helen/testset/296814969_3.jpg": 1 / 30, "helen/testset/2968560214_1.jpg": None},
)
DETECTOR = DetectionResults(
    label="new",
    subject={"kind": "detector", "name": "new"},
    dataset={"name": "boxes", "split": "all", "digest": "d" * 64},
    settings={"min_score": None, "overlaps": ["0.4", "0.5"]},
    groups={
        "all": GroupRates(
            4, 0, dict.fromkeys(("0.4", "0.5"), Rates(0, 2, 1, None, Estimate(0.5, 0, 1), None))
        )
    },
    sizes=[],
    allowances=[],
    curves={},
    samples={},
)


def run(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(script), *map(str, arguments)], capture_output=True, text=True)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def benchmarks(tmp_path: Path) -> Path:
    """A copy whose files may be changed."""
    return Path(shutil.copytree(BENCHMARKS, tmp_path / "benchmarks"))


def test_pages_are_up_to_date() -> None:
    result = run(BENCHMARKS / "pages.py", "--check")
    assert result.returncode == 0, result.stderr


def test_a_page_that_is_not_up_to_date_is_named_and_written(tmp_path: Path, benchmarks: Path) -> None:
    shutil.copytree(BENCHMARKS.parent / "docs", tmp_path / "docs")
    readme = tmp_path / "README.md"
    shutil.copy(BENCHMARKS.parent / "README.md", readme)
    text = readme.read_text(encoding="utf-8")
    readme.write_text(re.sub(r"\d\.\d\d \[", "0.00 [", text, count=1), encoding="utf-8")
    result = run(benchmarks / "pages.py", "--check")
    assert (result.returncode, result.stderr.partition(":")[0]) == (1, "README.md")
    front = tmp_path / "docs" / "figures" / "front.png"
    front.unlink()
    assert run(benchmarks / "pages.py").returncode == 0
    assert read_rgb(front).std() > 5
    assert readme.read_text(encoding="utf-8") == text


def test_results_of_landmarks_become_a_row_and_a_newer_run_replaces_it(
    tmp_path: Path, benchmarks: Path
) -> None:
    before = rows(benchmarks / "accuracy" / "results.csv")
    for nme in (1 / 30, 0.05):
        score = replace(LANDMARKS.groups["common"], metrics={"nme_interocular": Estimate(nme, 0.03, 0.06)})
        replace(LANDMARKS, groups={"common": score}).save(tmp_path / "results.json")
        result = run(benchmarks / "collect.py", tmp_path / "results.json")
        assert result.returncode == 0, result.stderr
        after = rows(benchmarks / "accuracy" / "results.csv")
        (row,) = [row for row in after if row["label"] == "new"]
        assert [row for row in after if row["label"] != "new"] == before
        assert (row["nme"], row["missed"], row["sha256"], row["flip_test"]) == (
            f"{nme:.6g}",
            "1",
            "5" * 12,
            "",
        )
    first, second, third = rows(benchmarks / "accuracy" / "errors.csv")[:3]
    assert (first["new"], second["new"], third["new"]) == ("3.333", "", "")


def test_results_of_detectors_become_rows(tmp_path: Path, benchmarks: Path) -> None:
    DETECTOR.save(tmp_path / "results.json")
    result = run(benchmarks / "collect.py", tmp_path / "results.json")
    assert result.returncode == 0, result.stderr
    (row,) = [row for row in rows(benchmarks / "detection" / "results.csv") if row["label"] == "new"]
    assert (row["recall@0.4"], row["alarms@0.4"], row["on_no_face@0.5"]) == ("", "0.5", "0.25")


def test_runs_of_the_ablation_are_rows_that_are_not_measured_twice(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("ablation_run", BENCHMARKS / "distillation" / "run.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    path = tmp_path / "results.csv"
    assert not script.is_measured(path, "mobilefan_fa", 0, 10.0)
    script.add(path, "mobilefan_fa", 0, 10.0, "5" * 12, val_nme=0.0612345678, common_nme=0.06)
    script.add(path, "teacher", "", "", "5" * 12, val_nme=0.04, common_nme=0.03)
    assert rows(path)[0] == {
        "recipe": "mobilefan_fa",
        "seed": "0",
        "scale": "10",
        "teacher": "5" * 12,
        "val_nme": "0.0612346",
        "common_nme": "0.06",
    }
    assert script.is_measured(path, "mobilefan_fa", 0, 10.0)
    assert script.is_measured(path, "teacher")
    assert not script.is_measured(path, "mobilefan_fa", 1, 10.0)
    assert list(rows(path)[0]) == list(rows(BENCHMARKS / "distillation" / "results.csv")[0])


@pytest.mark.parametrize(
    ("folder", "name", "row", "expected"),
    [
        (
            "service",
            "load",
            {
                "load": "28 requests/s",
                "service": "",
                "seconds": "600.1",
                "answered_per_s": "27.96",
                "shed_per_s": "0",
                "other": "0",
                "p50_ms": "41.2",
                "p99_ms": "97.8",
                "cpu_ms": "38",
                "rss_mb_early": "301.2",
                "rss_mb_late": "303",
                "lost": "0",
            },
            "| 28 requests/s | 600 | 28.0 | 0.0 | 41 | 98 | 301 | 303 | 0 |",
        ),
        (
            "service",
            "mutated",
            {"answer": "422 unusable_image", "uploads": "6012"},
            "| 422 unusable_image | 6,012 |",
        ),
        (
            ".",
            "browser",
            {"model": "fast", "engine": "wasm", "first": "1.84", "frames": "21.3", "photos": "9"},
            "| fast | wasm | 1.8 | 21.3 | 9.0 |",
        ),
        (
            "video",
            "clips",
            {
                "clip": "a_clip",
                "model": "fast",
                "frames": "4800",
                "found": "0.9981",
                "ids": "1",
                "per_second": "212.6",
                "per_processor_second": "215",
                "rss_mb_early": "150.2",
                "rss_mb_late": "151",
            },
            "| a clip | fast | 4,800 | 99.8 % | 1 | 213 | 150 | 151 |",
        ),
    ],
)
def test_tables_of_long_runs(
    benchmarks: Path, folder: str, name: str, row: dict[str, str], expected: str
) -> None:
    with (benchmarks / folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)
    table = {
        "load": "service_load",
        "mutated": "damaged_uploads",
        "browser": "browser_speed",
        "clips": "clips",
    }
    script = benchmarks / "print_table.py"
    script.write_text(
        f"from pages import TABLES\nprint('\\n'.join(TABLES[{table[name]!r}]()))\n", encoding="utf-8"
    )
    done = run(script)
    assert done.stdout.splitlines()[2:] == [expected], done.stderr
