/** Head pose from landmarks that move little, as `efficientfan/pose/head_pose.py`: yaw, pitch and roll in degrees. */

import { isUnseen, type Face } from "./landmarks";
import type { SchemaEntry } from "./models";

/** Interocular distances from which a face is taken to be photographed. */
const CAMERA_DISTANCE = 10;

/** Landmarks that score below this share of the face's median score are left out. */
const UNSURE = 0.5;

const STEPS = 30;

export interface Pose {
  /** Where the nose points: + to the right of the image. */
  readonly yaw: number;
  /** Where the nose points: + up. */
  readonly pitch: number;
  /** + counter-clockwise on the screen. */
  readonly roll: number;
  /** Root of the mean squared distance between the landmarks and those of the turned head, in pixels. */
  readonly error: number;
}

type Vector = readonly [number, number, number];

/** Three rows. */
type Matrix = readonly [Vector, Vector, Vector];

/** A landmark on the head, in interocular distances, and in the photo, in pixels from the landmarks' middle. */
interface Pair {
  readonly head: Vector;
  readonly x: number;
  readonly y: number;
}

/** The pose, or null where fewer than five landmarks are visible and sure. */
export function headPose(face: Face, schema: SchemaEntry): Pose | null {
  const sorted = Float32Array.from(face.scores).sort();
  const half = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
  const used = schema.head.flatMap((head, index) => {
    if (head === null || face.scores[index]! < UNSURE * median || isUnseen(face, index)) return [];
    return [{ head, x: face.points[2 * index]!, y: face.points[2 * index + 1]! }];
  });
  if (used.length < 5) return null;
  const mean = (value: (pair: Pair) => number) => used.reduce((sum, pair) => sum + value(pair), 0) / used.length;
  const middle = { x: mean((pair) => pair.x), y: mean((pair) => pair.y) };
  const pairs = used.map(({ head, x, y }) => ({ head, x: x - middle.x, y: y - middle.y }));
  const center: Vector = [mean((p) => p.head[0]), mean((p) => p.head[1]), mean((p) => p.head[2])];
  const seen = pairs.reduce((sum, pair) => sum + pair.x ** 2 + pair.y ** 2, 0);
  const known = pairs.reduce(
    (sum, { head }) => sum + (head[0] - center[0]) ** 2 + (head[1] - center[1]) ** 2,
    0,
  );
  const size = Math.sqrt(seen / known);
  if (!(size > 1e-6)) return null;
  return solve(pairs, CAMERA_DISTANCE * size, center, size);
}

/** Levenberg-Marquardt on the distances in the photo, from a head that is turned as an affine fit says. */
function solve(pairs: readonly Pair[], focal: number, center: Vector, size: number): Pose | null {
  let rotation = firstRotation(pairs, center);
  if (rotation === null) return null;
  const turned = multiply(rotation, center);
  let place: Vector = [-turned[0], -turned[1], focal / size - turned[2]];
  let cost = costOf(pairs, rotation, place, focal);
  let damping = 1e-3;
  for (let step = 0; step < STEPS && damping < 1e9; step++) {
    const move = newtonStep(pairs, rotation, place, focal, damping);
    if (move === null) return null;
    const nextRotation = product(turn([move[0]!, move[1]!, move[2]!]), rotation);
    const nextPlace: Vector = [place[0] + move[3]!, place[1] + move[4]!, place[2] + move[5]!];
    const next = costOf(pairs, nextRotation, nextPlace, focal);
    if (!(next < cost)) {
      damping *= 10;
      continue;
    }
    const done = cost - next < 1e-12 * cost;
    [rotation, place, cost, damping] = [nextRotation, nextPlace, next, damping / 10];
    if (done) break;
  }
  const degrees = (radians: number) => (radians * 180) / Math.PI;
  return {
    yaw: degrees(Math.atan2(-rotation[0][2], rotation[2][2])),
    pitch: degrees(Math.asin(Math.max(-1, Math.min(1, rotation[1][2])))),
    roll: degrees(Math.atan2(-rotation[1][0], rotation[1][1])),
    error: Math.sqrt(cost / pairs.length),
  };
}

/** The rotation nearest to the affine map from the head's landmarks to the photo's. */
function firstRotation(pairs: readonly Pair[], center: Vector): Matrix | null {
  const normal = [0, 1, 2].map(() => [0, 0, 0]);
  const [towardsX, towardsY] = [[0, 0, 0], [0, 0, 0]];
  for (const { head, x, y } of pairs) {
    const p = [head[0] - center[0], head[1] - center[1], head[2] - center[2]];
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++) normal[i]![j]! += p[i]! * p[j]!;
      towardsX[i]! += p[i]! * x;
      towardsY[i]! += p[i]! * y;
    }
  }
  const first = solveLinear(normal, towardsX);
  const second = solveLinear(normal, towardsY);
  if (first === null || second === null) return null;
  const across = unit(first as unknown as Vector);
  const along = second as unknown as Vector;
  const shared = dot(across, along);
  const down = unit([along[0] - shared * across[0], along[1] - shared * across[1], along[2] - shared * across[2]]);
  return [across, down, cross(across, down)];
}

function costOf(pairs: readonly Pair[], rotation: Matrix, place: Vector, focal: number): number {
  return pairs.reduce((sum, { head, x, y }) => {
    const turned = multiply(rotation, head);
    const depth = turned[2] + place[2];
    if (depth <= 0) return Infinity;
    const dx = (focal * (turned[0] + place[0])) / depth - x;
    const dy = (focal * (turned[1] + place[1])) / depth - y;
    return sum + dx * dx + dy * dy;
  }, 0);
}

/** A small rotation (3 radians) and a shift (3) that lower the cost. */
function newtonStep(
  pairs: readonly Pair[],
  rotation: Matrix,
  place: Vector,
  focal: number,
  damping: number,
): number[] | null {
  const normal = Array.from({ length: 6 }, () => [0, 0, 0, 0, 0, 0]);
  const towards = [0, 0, 0, 0, 0, 0];
  for (const { head, x, y } of pairs) {
    const [px, py, pz] = multiply(rotation, head);
    const [cx, cy, depth] = [px + place[0], py + place[1], pz + place[2]];
    const near = focal / depth;
    // Rows of the Jacobian: of the photo's x and y, by the turn around three axes and the shift.
    const [sx, sy] = [cx / depth, cy / depth];
    const rows: [number[], number][] = [
      [[-sx * py, pz + sx * px, -py, 1, 0, -sx], x - near * cx],
      [[-pz - sy * py, sy * px, px, 0, 1, -sy], y - near * cy],
    ];
    for (const [row, missing] of rows) {
      for (let i = 0; i < 6; i++) {
        towards[i]! += near * row[i]! * missing;
        for (let j = 0; j < 6; j++) normal[i]![j]! += near * row[i]! * near * row[j]!;
      }
    }
  }
  for (let i = 0; i < 6; i++) normal[i]![i]! *= 1 + damping;
  return solveLinear(normal, towards);
}

/** Gaussian elimination with pivots; null where there is no one solution. */
function solveLinear(matrix: readonly (readonly number[])[], right: readonly number[]): number[] | null {
  const rows = matrix.map((row, index) => [...row, right[index]!]);
  const n = rows.length;
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let row = column + 1; row < n; row++) {
      if (Math.abs(rows[row]![column]!) > Math.abs(rows[pivot]![column]!)) pivot = row;
    }
    [rows[column], rows[pivot]] = [rows[pivot]!, rows[column]!];
    if (!(Math.abs(rows[column]![column]!) > 1e-12)) return null;
    for (let row = 0; row < n; row++) {
      if (row === column) continue;
      const factor = rows[row]![column]! / rows[column]![column]!;
      for (let k = column; k <= n; k++) rows[row]![k]! -= factor * rows[column]![k]!;
    }
  }
  return rows.map((row, index) => row[n]! / row[index]!);
}

/** The rotation around an axis by its length in radians (Rodrigues). */
function turn(axis: Vector): Matrix {
  const angle = Math.hypot(...axis);
  if (angle < 1e-12) return [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  const [x, y, z] = [axis[0] / angle, axis[1] / angle, axis[2] / angle];
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const d = 1 - c;
  return [
    [c + x * x * d, x * y * d - z * s, x * z * d + y * s],
    [x * y * d + z * s, c + y * y * d, y * z * d - x * s],
    [x * z * d - y * s, y * z * d + x * s, c + z * z * d],
  ];
}

function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function cross(a: Vector, b: Vector): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function unit(a: Vector): Vector {
  const length = Math.hypot(...a);
  return [a[0] / length, a[1] / length, a[2] / length];
}

function multiply(matrix: Matrix, a: Vector): Vector {
  return [dot(matrix[0], a), dot(matrix[1], a), dot(matrix[2], a)];
}

function product(a: Matrix, b: Matrix): Matrix {
  const column = (j: 0 | 1 | 2) => multiply(a, [b[0][j], b[1][j], b[2][j]]);
  const [x, y, z] = [column(0), column(1), column(2)];
  return [[x[0], y[0], z[0]], [x[1], y[1], z[1]], [x[2], y[2], z[2]]];
}
