import { expect, test } from "vitest";

import { FaceFinder } from "../src/detector";
import type { Photo } from "../src/imaging";
import type { DetectorEntry, Graph } from "../src/models";

const ENTRY: DetectorEntry = {
  name: "drawn",
  file: "",
  bytes: 0,
  multiple: 32,
  long_sides: [64, 32],
  score_threshold: 0.5,
};

const PHOTO: Photo = { data: new Uint8ClampedArray(100 * 50 * 4).fill(9), width: 100, height: 50 };

/** A network that finds faces only in copies that are 32 pixels high, and keeps what it was given. */
function drawnGraph(seen: { input: Uint8Array; shape: readonly number[] }[], points: boolean): Graph {
  return async (input, shape) => {
    seen.push({ input, shape });
    const found = shape[2] === 64;
    return {
      boxes: Float32Array.from([9.5, 4.5, 29.5, 19.5, 10, 5, 30, 20, 40, 5, 60, 25]),
      scores: Float32Array.from(found ? [0.7, 0.8, 0.4] : [0, 0, 0]),
      ...(points && { points: new Float32Array(30).map((_, index) => index) }),
    };
  };
}

test.each([false, true])("faces are found in pixels of the photo; with points: %s", async (points) => {
  const seen: { input: Uint8Array; shape: readonly number[] }[] = [];
  const faces = await new FaceFinder(drawnGraph(seen, points), ENTRY).detect(PHOTO);
  expect(faces.map((face) => face.score)).toEqual([Math.fround(0.8)]); // the other is the same face, or unsure
  const factor = 64 / 100;
  [10, 5, 30, 20].forEach((value, index) => expect(faces[0]!.box[index]).toBeCloseTo((value + 0.5) / factor - 0.5, 4));
  expect(faces[0]!.five === null).toBe(!points);
  faces[0]!.five?.forEach((value, index) => expect(value).toBeCloseTo((10 + index + 0.5) / factor - 0.5, 4));
});

test("copies are padded with gray to the multiple, the largest first", async () => {
  const seen: { input: Uint8Array; shape: readonly number[] }[] = [];
  await new FaceFinder(drawnGraph(seen, false), ENTRY).detect(PHOTO);
  expect(seen.map(({ shape }) => shape)).toEqual([
    [1, 32, 64, 3],
    [1, 32, 32, 3],
  ]);
  // 100 x 50 pixels become 32 x 16.
  const { input } = seen[1]!;
  expect(input.subarray(0, 15 * 96).every((value) => value === 9)).toBe(true);
  expect(input.subarray(16 * 96).every((value) => value === 128)).toBe(true);
});

test("a photo smaller than all copies is searched once", async () => {
  const seen: { input: Uint8Array; shape: readonly number[] }[] = [];
  const small: Photo = { data: new Uint8ClampedArray(20 * 20 * 4), width: 20, height: 20 };
  await new FaceFinder(drawnGraph(seen, false), ENTRY).detect(small);
  expect(seen.length).toBe(1);
});
