"""Write the pages, tables and figures that are made from result files.

    python benchmarks/pages.py            # writes
    python benchmarks/pages.py --check    # exit code 1 if a page is not up to date

Whole pages are docs/results.md and docs/distillation.md. In README.md and all pages of docs/, whatever stands between
`<!-- table: NAME ... -->` and `<!-- end of table -->` is a table of `TABLES`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from accuracy.table import boxes, draw_ced, poses, reliability, results_page, visibility
from batch.table import batch_kills, batch_rates, million
from detection.table import detectors, predicted
from distillation.table import distillation_page, draw_distillation
from long_runs import fuzzed, soaked, training_kills
from pose.table import alignment, head_pose, openness
from service.table import browser_speed, damaged_uploads, service_load
from speed.table import draw_front, speed, speed_short
from tables import fill
from video.table import clips, steadiness, tracking

from efficientfan.files import read_text, write_text

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {DOCS / "results.md": results_page, DOCS / "distillation.md": distillation_page}
TABLES = {
    "alignment": alignment,
    "batch_kills": batch_kills,
    "batch_rates": batch_rates,
    "boxes": boxes,
    "fuzzed": fuzzed,
    "browser_speed": browser_speed,
    "clips": clips,
    "damaged_uploads": damaged_uploads,
    "poses": poses,
    "reliability": reliability,
    "detectors": detectors,
    "head_pose": head_pose,
    "openness": openness,
    "million": million,
    "predicted": predicted,
    "soaked": soaked,
    "service_load": service_load,
    "speed": speed,
    "speed_short": speed_short,
    "steadiness": steadiness,
    "tracking": tracking,
    "training_kills": training_kills,
    "visibility": visibility,
}
FIGURES = {
    DOCS / "figures" / "ced.png": draw_ced,
    DOCS / "figures" / "distillation.png": draw_distillation,
    DOCS / "figures" / "front.png": draw_front,
}


def pages() -> dict[Path, str]:
    """Every page with a result in it, as it should read."""
    texts = {path: write() for path, write in PAGES.items()}
    for path in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]:
        if path not in texts:
            texts[path] = fill(read_text(path), TABLES)
    return texts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args().check
    changed = {path: text for path, text in pages().items() if not path.is_file() or read_text(path) != text}
    if check:
        names = ", ".join(str(path.relative_to(ROOT)) for path in changed)
        sys.exit(f"{names}: not up to date; run: python benchmarks/pages.py" if changed else 0)
    for path, text in changed.items():
        write_text(path, text)
    for path, draw in FIGURES.items():
        draw(path)


if __name__ == "__main__":
    main()
