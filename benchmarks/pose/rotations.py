"""Mean error of the head pose against known angles: yaw to 60, pitch to 30 degrees, any roll.

`python benchmarks/pose/rotations.py` writes rotations.csv.

Landmarks: those of our head, with other proportions for each (each axis by a normal factor of 6 %, each landmark
moved by 1 % of the interocular distance), seen from 6 to 30 interocular distances, with noise of so many percent of the
interocular distance. Pictures: the portrait of examples/ on a head of such proportions (head.py), with landmarks of the
default model in the box of the true ones (so that no detector counts); roll to 20 degrees, for such a box is cut
upright. Openness: of eyes and mouth of turned heads, as a share of that of the same head from the front.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from head import TexturedHead
from numpy.typing import NDArray

import efficientfan
from efficientfan.geometry import box_of_points
from efficientfan.imaging import read_rgb, write_image
from efficientfan.pose import Pose, eye_openness, head_pose, head_shape, mouth_openness
from efficientfan.schema import convert_points, get_schema
from efficientfan.structures import Face

sys.path.insert(0, str(Path(__file__).parents[1]))
from tables import add_rows, cell  # of the folder above

Array = NDArray[Any]

PORTRAIT = Path(__file__).parents[2] / "examples" / "astronaut.jpg"
IBUG = get_schema("ibug68")
SIZE = 480  # of the pictures


def angles(pose: Pose) -> Array:
    """Yaw, pitch and roll in degrees."""
    return np.array([pose.yaw, pose.pitch, pose.roll])


def errors_of(found: Pose, truth: Pose) -> Array:
    """(4,) degrees: of yaw, pitch and roll, and of the turn from one to the other."""
    apart = np.abs((angles(found) - angles(truth) + 180) % 360 - 180)
    cosine = (np.trace(found.rotation @ truth.rotation.T) - 1) / 2
    return np.append(apart, np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def draw_pose(rng: np.random.Generator, roll: float) -> tuple[Pose, Array]:
    """A pose, and the proportions of a head."""
    yaw, pitch, turn = rng.uniform([-60, -30, -roll], [60, 30, roll])
    return Pose.from_angles(yaw, pitch, turn, (0, 0, rng.uniform(6, 30))), rng.normal(1, 0.06, 3)


def landmark_errors(noise: float, schema: str, count: int, seed: int) -> Array:
    """(count, 4) degrees, with noise as a share of the interocular distance."""
    rng, rows = np.random.default_rng(seed), []
    for _ in range(count):
        truth, proportions = draw_pose(rng, 180)
        places = head_shape() * proportions + rng.normal(0, 0.01, (68, 3))
        seen = places @ truth.rotation.T + truth.translation
        points = 100 * truth.translation[2] * seen[:, :2] / seen[:, 2:] + rng.normal(0, 100 * noise, (68, 2))
        face_points = convert_points(points, IBUG, schema)
        face = Face([0, 0, 1, 1], face_points, np.ones(len(face_points)), get_schema(schema))
        rows.append(errors_of(head_pose(face), truth))
    return np.array(rows)


def picture_errors(count: int, seed: int, out: Path | None) -> tuple[Array, Array]:
    """(count, 4) degrees, and the (count,) yaws of the heads without their sign."""
    portrait, predictor = read_rgb(PORTRAIT), efficientfan.load(threads=1)
    head = TexturedHead.from_portrait(portrait, predictor(portrait)[0])
    rng, rows, yaws = np.random.default_rng(seed), [], []
    for index in range(count):
        truth, proportions = draw_pose(rng, 20)
        focal = 130 * truth.translation[2]
        picture = head.render(truth, proportions, focal, SIZE)
        seen = head_shape() * proportions @ truth.rotation.T + truth.translation
        box = box_of_points(focal * seen[:, :2] / seen[:, 2:] + (SIZE - 1) / 2)
        (face,) = predictor(picture, boxes=[box])
        if out is not None:
            write_image(out / f"{index:03d}.png", efficientfan.draw_faces(picture, [face]))
        rows.append(errors_of(face.pose, truth))
        yaws.append(abs(truth.yaw))
    return np.array(rows), np.array(yaws)


def openness_errors(count: int, seed: int, low: float, high: float) -> tuple[Array, Array]:
    """(count, 3) deviation of right eye, left eye and mouth from the front's, with the turn undone, and without.

    Yaw from `low` to `high` degrees to both sides, pitch to 20.
    """
    rng, undone, raw = np.random.default_rng(seed), [], []
    for _ in range(count):
        places = head_shape()
        places[[65, 66, 67]] += [0, rng.uniform(0.1, 0.4), 0]  # an open mouth
        places[[40, 41, 46, 47]] += [0, rng.uniform(-0.04, 0.04), 0]
        turn = rng.uniform([low, -20, -30], [high, 20, 30]) * [rng.choice([-1, 1]), 1, 1]
        values = []
        for pose in (Pose.from_angles(0, 0, 0), Pose.from_angles(*turn)):
            seen = places @ pose.rotation.T + pose.translation
            face = Face([0, 0, 1, 1], 1000 * seen[:, :2] / seen[:, 2:], np.ones(68), IBUG)
            front = Pose.from_angles(0, 0, 0)
            values.append(
                [(*eye_openness(face, way), mouth_openness(face, way)) for way in (face.pose, front)]
            )
        ratio = np.abs(np.divide(values[1], values[0]) - 1)
        undone.append(ratio[0])
        raw.append(ratio[1])
    return np.array(undone), np.array(raw)


def row(kind: str, label: str, errors: Array) -> dict[str, object]:
    """A row of the results: mean errors in degrees."""
    names = ("yaw", "pitch", "roll", "turn")
    means = map(float, errors.mean(axis=0))
    return {"kind": kind, "case": label, "faces": len(errors), **dict(zip(names, means, strict=True))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--faces", type=int, default=1000, help="sets of landmarks in each row")
    parser.add_argument("--pictures", type=int, default=150, help="rendered pictures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder for the pictures, with what was found")
    arguments = parser.parse_args()
    rows = [
        row(schema, f"{noise:.2f}", landmark_errors(noise, schema, arguments.faces, arguments.seed))
        for schema in ("ibug68", "five")
        for noise in (0.0, 0.01, 0.02, 0.03)
    ]
    errors, yaws = picture_errors(arguments.pictures, arguments.seed, arguments.out)
    rows.append(row("pictures", "all", errors))
    for low, high in ((0, 20), (20, 40), (40, 60)):
        rows.append(row("pictures", f"{low}-{high}", errors[(yaws >= low) & (yaws < high)]))
    here = Path(__file__).parent
    add_rows(here / "rotations.csv", rows, ("kind", "case"))
    open_rows: list[dict[str, object]] = []
    for low, high in ((0, 15), (15, 30), (30, 45)):
        undone, raw = openness_errors(arguments.faces, arguments.seed, low, high)
        for part, columns in (("eyes", slice(0, 2)), ("mouth", slice(2, 3))):
            means = {"undone": float(undone[:, columns].mean()), "raw": float(raw[:, columns].mean())}
            open_rows.append({"part": part, "yaw": f"{low}-{high}", "faces": len(raw), **means})
    add_rows(here / "openness.csv", open_rows, ("part", "yaw"))
    for each in (*rows, *open_rows):
        print(" ".join(cell(value) for value in each.values()))


if __name__ == "__main__":
    main()
