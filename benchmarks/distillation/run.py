"""Does distillation help? Trains each student alone, with each term and with both, on several seeds, and measures them.

    python benchmarks/distillation/run.py --data DATA --teacher runs/ablation/teacher/model.safetensors

Every run is one of the recipes `ablation/*`, at equal budget, input and data, and a row of `results.csv`. Runs go on
where they were stopped, and measured ones are left alone, so several calls can share the work (`--family`, `--seed`).
`python benchmarks/pages.py` makes the page.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from pathlib import Path

from efficientfan.files import read_json, sha256_of
from efficientfan.models import load_checkpoint
from efficientfan.recipes import load_recipe

VARIANTS = {
    "mobilefan": ("mobilefan", "mobilefan_fa", "mobilefan_fs", "mobilefan_fa_fs", "mobilefan_cwd"),
    "efficientfan": (
        "efficientfan",
        "efficientfan_fa",
        "efficientfan_ps",
        "efficientfan_fa_ps",
        "efficientfan_cwd",
    ),
}
RESULTS = Path(__file__).parent / "results.csv"
COLUMNS = ("recipe", "seed", "scale", "teacher", "val_nme", "common_nme")
"""A row per run: NMEs as fractions; `teacher` is the start of its file's SHA-256. The teacher's own row has no seed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with 300w/")
    parser.add_argument(
        "--teacher", type=Path, required=True, help="its .safetensors, trained by ablation/teacher"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"), help="where the runs are left")
    parser.add_argument("--family", choices=VARIANTS, help="only this student")
    every = [name for names in VARIANTS.values() for name in names]
    parser.add_argument(
        "--variant", action="append", choices=every, help="only these recipes, of any student"
    )
    parser.add_argument("--seed", type=int, action="append", help="default: 0 1 2")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="factor of the recipe's distillation weights"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    families = [chosen.family] if chosen.family else list(VARIANTS)
    names = chosen.variant or [name for family in families for name in VARIANTS[family]]
    if chosen.scale != 1:
        names = [name for name in names if name not in VARIANTS]  # a student alone has no such weights
    for seed in chosen.seed or (0, 1, 2):
        for name in names:
            measure(name, seed, chosen.scale, chosen)
    evaluate_teacher(chosen)


def measure(name: str, seed: int, scale: float, chosen: argparse.Namespace) -> None:
    """Train and evaluate one run, unless its result is there."""
    label = f"{name}_x{scale:g}_seed{seed}"
    if is_measured(chosen.out, name, seed, scale):
        return
    folder = chosen.runs / label
    settings = [f"data.root={chosen.data}", f"train.seed={seed}"]
    recipe = load_recipe(f"ablation/{name}")
    terms = recipe.distill.terms if recipe.distill else ()
    if terms:
        settings.append(f"distill.teacher={chosen.teacher}")
    settings += [f"distill.terms.{i}.weight={scale * term.weight:g}" for i, term in enumerate(terms)]
    sets = [part for setting in settings for part in ("--set", setting)]
    resume = ["--resume"] if (folder / "checkpoints" / "last.ckpt").is_file() else []
    efficientfan("train", f"ablation/{name}", "--out", str(folder), *sets, *resume)
    teacher = digest(chosen.teacher) if terms else ""
    add(chosen.out, name, seed, scale, teacher, **scores(folder / "model.safetensors", chosen.data))


def evaluate_teacher(chosen: argparse.Namespace) -> None:
    """The teacher's own figures, beside its students'."""
    if not is_measured(chosen.out, "teacher"):
        add(chosen.out, "teacher", "", "", digest(chosen.teacher), **scores(chosen.teacher, chosen.data))


def is_measured(path: Path, *run: object) -> bool:
    """Whether the file has a row of this recipe, seed and scale."""
    if not path.is_file():
        return False
    with path.open(newline="") as file:
        rows = [[row[name] for name in COLUMNS[: len(run)]] for row in csv.DictReader(file)]
    return [cell(value) for value in run] in rows


def add(path: Path, *facts: object, **scores: float) -> None:
    """Append a row, in one write: several calls may share the file."""
    new = not path.is_file()
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        rows = [COLUMNS] if new else []
        writer.writerows([*rows, [cell(each) for each in (*facts, scores["val_nme"], scores["common_nme"])]])


def cell(value: object) -> str:
    """Six significant digits of a number."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def digest(path: Path) -> str:
    """The start of a file's SHA-256."""
    return sha256_of(path)[:12]


def scores(model: Path, data: Path) -> dict[str, float]:
    """A checkpoint's NME on validation, and on 300-W common, as fractions."""
    out = model.parent / "common"
    where = ["--dataset", "300w", "--root", str(data / "300w"), "--split", "common"]
    efficientfan("evaluate", "--model", str(model), *where, "--out", str(out))
    common = read_json(out / "results.json")["groups"]["common"]["metrics"]["nme_interocular"]["value"]
    return {"val_nme": load_checkpoint(model)[1].metrics["val_nme"], "common_nme": common}


def efficientfan(*arguments: str) -> None:
    """The command line, as a user would call it."""
    print("efficientfan", *arguments, file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "efficientfan.cli.main", *arguments], check=True)


if __name__ == "__main__":
    main()
