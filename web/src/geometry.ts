/**
 * Where a pixel is, and the transforms between a photo and its crops: the same as `efficientfan/geometry.py`.
 *
 * Coordinates are (x, y), 0-based, with pixel centers at integers: an image of width W covers [-0.5, W - 0.5].
 */

/** x0, y0, x1, y1 in image pixels. */
export type Box = readonly [number, number, number, number];

/** x and y of K points in turn: 2 K numbers. */
export type Points = ArrayLike<number>;

/** A similarity from image pixels to the pixels of a square crop. */
export class CropTransform {
  constructor(
    /** (x, y) -> (a x + b y + c, d x + e y + f). */
    readonly matrix: readonly [number, number, number, number, number, number],
    readonly size: number,
  ) {}

  /** The crop around a box: side `longer side * (1 + margin)`, its content turned by `rotation` degrees counter-clockwise. */
  static fromBox(box: Box, size: number, margin: number, rotation = 0): CropTransform {
    const [x0, y0, x1, y1] = box;
    const factor = size / (Math.max(x1 - x0, y1 - y0) * (1 + margin));
    const angle = (rotation * Math.PI) / 180;
    const cos = factor * Math.cos(angle);
    const sin = factor * Math.sin(angle);
    const x = (x0 + x1) / 2;
    const y = (y0 + y1) / 2;
    const middle = (size - 1) / 2;
    return new CropTransform([cos, sin, middle - cos * x - sin * y, -sin, cos, middle + sin * x - cos * y], size);
  }

  /** Crop pixels per image pixel. */
  get scale(): number {
    const [a, b, , d, e] = this.matrix;
    return Math.sqrt(Math.abs(a * e - b * d));
  }

  /** Crop pixels to image pixels. */
  inverse(points: Points): Float32Array {
    const [a, b, c, d, e, f] = this.matrix;
    const determinant = a * e - b * d;
    const result = new Float32Array(points.length);
    for (let i = 0; i < points.length; i += 2) {
      const x = points[i]! - c;
      const y = points[i + 1]! - f;
      result[i] = (e * x - b * y) / determinant;
      result[i + 1] = (a * y - d * x) / determinant;
    }
    return result;
  }
}

/** The smallest box around points. */
export function boxOfPoints(points: Points): Box {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i += 2) {
    x0 = Math.min(x0, points[i]!);
    x1 = Math.max(x1, points[i]!);
    y0 = Math.min(y0, points[i + 1]!);
    y1 = Math.max(y1, points[i + 1]!);
  }
  return [x0, y0, x1, y1];
}

function area(box: Box): number {
  return (box[2] - box[0]) * (box[3] - box[1]);
}

function common(a: Box, b: Box): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  return Math.max(0, width) * Math.max(0, height);
}

/** Intersection over union of two boxes. */
export function iou(a: Box, b: Box): number {
  const shared = common(a, b);
  return shared / Math.max(area(a) + area(b) - shared, 1e-12);
}

/** Share of the smaller box that lies in the other. */
export function nesting(a: Box, b: Box): number {
  return common(a, b) / Math.max(Math.min(area(a), area(b)), 1e-12);
}

/** Greedy non-maximum suppression: indices to keep, by falling score; of two that are the `same`, the surer. */
export function suppress(scores: ArrayLike<number>, same: (a: number, b: number) => boolean): number[] {
  const order = Array.from(scores, (_, index) => index).sort((a, b) => scores[b]! - scores[a]! || a - b);
  const kept: number[] = [];
  for (const index of order) if (!kept.some((other) => same(index, other))) kept.push(index);
  return kept;
}
