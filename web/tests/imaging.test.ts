import { expect, test } from "vitest";

import { CropTransform } from "../src/geometry";
import { PhotoPyramid, roundHalfEven, shrinkTo, warp, type Photo } from "../src/imaging";

/** A photo whose red, green and blue are values of a formula, by the index of an RGB array. */
function drawn(width: number, height: number, value: (index: number) => number): Photo {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < 3; channel++) data[4 * pixel + channel] = value(3 * pixel + channel);
  }
  return { data, width, height };
}

const reds = ({ data }: Photo) => Array.from({ length: data.length / 4 }, (_, pixel) => data[4 * pixel]);
const multiples = drawn(7, 5, (index) => (index * 37) % 256);
const squares = drawn(9, 6, (index) => index ** 2 % 251);

/** Largest difference of bilinear crops: OpenCV's coordinates are multiples of 1/32 pixel, 255 / 64 of the range. */
const STEP = 4;

function expectNear(found: readonly (number | undefined)[], expected: readonly number[], within: number): void {
  expect(found.length).toBe(expected.length);
  expected.forEach((value, index) => expect(Math.abs(found[index]! - value)).toBeLessThanOrEqual(within));
}

test("halves are rounded to the even number", () => {
  expect([0.5, 1.5, 2.5, 2.4, 2.6, -0.2].map(roundHalfEven)).toEqual([0, 2, 2, 2, 3, -0]);
});

test("a smaller photo is the one that OpenCV makes", () => {
  const small = shrinkTo(multiples, 3);
  expect([small.width, small.height]).toEqual([3, 2]);
  expectNear(reds(small), [86, 157, 118, 93, 150, 140], 0);
  const other = shrinkTo(squares, 4);
  expect([other.width, other.height]).toEqual([4, 3]);
  expectNear(reds(other), [92, 65, 84, 94, 108, 104, 146, 123, 128, 118, 86, 141], 1); // 127.5 is among them
});

test("halving rounds ties up, as OpenCV does", () => {
  const gray = (values: number[]) => values.flatMap((value) => [value, value, value, 255]);
  const photo = { data: new Uint8ClampedArray(gray([0, 0, 1, 1, 0, 2, 1, 3])), width: 4, height: 2 };
  expect(reds(shrinkTo(photo, 2))).toEqual([1, 2]); // means 0.5 and 1.5
  expect(reds(new PhotoPyramid(photo).level(2))).toEqual([1, 2]);
});

test("a photo that is small enough is left alone", () => {
  expect(shrinkTo(multiples, 7)).toBe(multiples);
});

function redsOfCrop(photo: Photo, transform: CropTransform): number[] {
  const out = new Uint8Array(3 * transform.size ** 2 + 3);
  warp(new PhotoPyramid(photo), transform, out, 3);
  expect([...out.subarray(0, 3)]).toEqual([0, 0, 0]);
  return Array.from({ length: transform.size ** 2 }, (_, pixel) => out[3 + 3 * pixel]!);
}

test("a crop is the one that OpenCV cuts", () => {
  const crop = redsOfCrop(squares, CropTransform.fromBox([1, 1, 5, 4], 4, 0.25, 20));
  expectNear(crop, [38, 61, 23, 86, 134, 128, 110, 204, 143, 52, 96, 100, 50, 153, 143, 45], STEP);
});

test("a crop that shrinks the photo is cut from its mean, black outside", () => {
  const crop = redsOfCrop(squares, CropTransform.fromBox([-1, -1, 9, 7], 3, 0.25));
  expectNear(crop, [19, 35, 38, 65, 109, 124, 49, 72, 86], STEP);
});
