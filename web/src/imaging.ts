/**
 * Photos made smaller, and crops cut from them: the same pixels as `efficientfan/imaging.py` cuts with OpenCV, but for
 * the last rounding.
 */

import type { CropTransform } from "./geometry";

/** RGBA, row by row, as a canvas gives it; the alpha is not read. */
export interface Photo {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** To the nearest whole number, halves to the even one: what Python and OpenCV do. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Of one axis: how much of source pixel `from[i]` goes into target pixel `to[i]`. */
interface Shares {
  from: number[];
  to: number[];
  share: number[];
}

/** The shares by which each target pixel is the mean of the source that it covers (OpenCV's INTER_AREA). */
function areaShares(source: number, target: number): Shares {
  const shares: Shares = { from: [], to: [], share: [] };
  const add = (from: number, to: number, share: number) => {
    shares.from.push(from);
    shares.to.push(to);
    shares.share.push(share);
  };
  const scale = source / target;
  for (let to = 0; to < target; to++) {
    const start = to * scale;
    const end = start + scale;
    const width = Math.min(scale, source - start);
    const last = Math.min(Math.floor(end), source - 1);
    const first = Math.min(Math.ceil(start), last);
    if (first - start > 1e-3) add(first - 1, to, (first - start) / width);
    for (let from = first; from < last; from++) add(from, to, 1 / width);
    if (end - last > 1e-3) add(last, to, Math.min(end - last, 1, width) / width);
  }
  return shares;
}

/** Of means, as OpenCV rounds them: where it halves a photo, ties go up; else to the even number, as in clamped arrays. */
function rounding(halves: boolean): (mean: number) => number {
  return halves ? (mean) => Math.floor(mean + 0.5) : (mean) => mean;
}

/** A smaller photo, each pixel the mean of what it covers. */
export function resizeArea(photo: Photo, width: number, height: number): Photo {
  const across = areaShares(photo.width, width);
  const along = areaShares(photo.height, height);
  const sums = new Float32Array(height * width * 3);
  const row = new Float32Array(width * 3);
  let done = -1;
  for (let j = 0; j < along.from.length; j++) {
    const y = along.from[j]!;
    if (y !== done) {
      row.fill(0);
      const start = y * photo.width * 4;
      for (let i = 0; i < across.from.length; i++) {
        const source = start + across.from[i]! * 4;
        const target = across.to[i]! * 3;
        const share = across.share[i]!;
        row[target]! += photo.data[source]! * share;
        row[target + 1]! += photo.data[source + 1]! * share;
        row[target + 2]! += photo.data[source + 2]! * share;
      }
      done = y;
    }
    const target = along.to[j]! * width * 3;
    const share = along.share[j]!;
    for (let i = 0; i < row.length; i++) sums[target + i]! += row[i]! * share;
  }
  const data = new Uint8ClampedArray(height * width * 4);
  const rounded = rounding(photo.width === 2 * width && photo.height === 2 * height);
  for (let i = 0, j = 0; i < data.length; i += 4, j += 3) {
    data[i] = rounded(sums[j]!);
    data[i + 1] = rounded(sums[j + 1]!);
    data[i + 2] = rounded(sums[j + 2]!);
    data[i + 3] = 255;
  }
  return { data, width, height };
}

/** A copy whose longer side is at most `longSide`, or the photo itself. */
export function shrinkTo(photo: Photo, longSide: number): Photo {
  const factor = Math.min(1, longSide / Math.max(photo.width, photo.height));
  if (factor === 1) return photo;
  const side = (length: number) => Math.max(1, roundHalfEven(length * factor));
  return resizeArea(photo, side(photo.width), side(photo.height));
}

/** The photo averaged over whole blocks of `factor` x `factor` pixels; the last ones repeat the photo's edge. */
function shrinkBlocks(photo: Photo, factor: number): Photo {
  const width = Math.ceil(photo.width / factor);
  const height = Math.ceil(photo.height / factor);
  const data = new Uint8ClampedArray(width * height * 4);
  const share = 1 / (factor * factor);
  const rounded = rounding(factor === 2);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let [red, green, blue] = [0, 0, 0];
      for (let v = y * factor; v < (y + 1) * factor; v++) {
        const row = Math.min(v, photo.height - 1) * photo.width;
        for (let u = x * factor; u < (x + 1) * factor; u++) {
          const source = (row + Math.min(u, photo.width - 1)) * 4;
          red += photo.data[source]!;
          green += photo.data[source + 1]!;
          blue += photo.data[source + 2]!;
        }
      }
      const target = (y * width + x) * 4;
      data[target] = rounded(red * share);
      data[target + 1] = rounded(green * share);
      data[target + 2] = rounded(blue * share);
      data[target + 3] = 255;
    }
  }
  return { data, width, height };
}

/** A photo and its reductions, each made when it is first asked for. */
export class PhotoPyramid {
  private readonly levels = new Map<number, Photo>();

  constructor(readonly photo: Photo) {
    this.levels.set(1, photo);
  }

  level(shrink: number): Photo {
    let level = this.levels.get(shrink);
    if (level === undefined) {
      level = shrinkBlocks(this.photo, shrink);
      this.levels.set(shrink, level);
    }
    return level;
  }
}

/**
 * Cut a crop, RGB, into `out` from `offset` on. Bilinear, black outside the photo; where the crop shrinks the photo by
 * more than two, the photo is averaged down first.
 */
export function warp(pyramid: PhotoPyramid, transform: CropTransform, out: Uint8Array, offset = 0): void {
  const { size, scale } = transform;
  const shorter = Math.min(pyramid.photo.width, pyramid.photo.height);
  const levels = Math.min(Math.log2(Math.max(1, 1 / scale)) + 1e-9, Math.log2(shorter));
  const shrink = 2 ** Math.floor(levels);
  const { data, width, height } = pyramid.level(shrink);
  const [a, b, c, d, e, f] = transform.matrix;
  const determinant = a * e - b * d;
  // From crop pixels to pixels of the reduced photo, whose pixel x has its center at (x + 0.5) shrink - 0.5.
  const xx = e / determinant / shrink;
  const xy = -b / determinant / shrink;
  const yx = -d / determinant / shrink;
  const yy = a / determinant / shrink;
  const x0 = ((b * f - e * c) / determinant + 0.5) / shrink - 0.5;
  const y0 = ((d * c - a * f) / determinant + 0.5) / shrink - 0.5;
  let target = offset;
  for (let v = 0; v < size; v++) {
    for (let u = 0; u < size; u++, target += 3) {
      const x = xx * u + xy * v + x0;
      const y = yx * u + yy * v + y0;
      const left = Math.floor(x);
      const top = Math.floor(y);
      if (left < -1 || top < -1 || left >= width || top >= height) {
        out[target] = out[target + 1] = out[target + 2] = 0;
        continue;
      }
      const right = x - left;
      const down = y - top;
      // Weights of the four neighbors; those outside the photo are black.
      const west = left >= 0;
      const east = left + 1 < width;
      const north = top >= 0;
      const south = top + 1 < height;
      const nw = west && north ? (1 - right) * (1 - down) : 0;
      const ne = east && north ? right * (1 - down) : 0;
      const sw = west && south ? (1 - right) * down : 0;
      const se = east && south ? right * down : 0;
      const first = (top * width + left) * 4;
      const second = first + width * 4;
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0.5;
        if (nw) sum += nw * data[first + channel]!;
        if (ne) sum += ne * data[first + 4 + channel]!;
        if (sw) sum += sw * data[second + channel]!;
        if (se) sum += se * data[second + 4 + channel]!;
        out[target + channel] = sum;
      }
    }
  }
}
