import { expect, test } from "vitest";

import type { Face } from "../src/landmarks";
import type { SchemaEntry } from "../src/models";
import { headPose } from "../src/pose";

/** Corners of eyes and mouth, tip and root of the nose, and one landmark that moves. */
const HEAD = [
  [-0.5, 0, 0], [0.5, 0, 0], [-0.2, 0.02, -0.09], [0.2, 0.02, -0.09], [0, 0.41, -0.47], [0, -0.02, -0.22],
  [-0.29, 0.74, -0.16], [0.29, 0.74, -0.16], null,
] as const; // prettier-ignore

const SCHEMA: SchemaEntry = {
  landmarks: HEAD.map((_, index) => `landmark_${index}`),
  edges: [],
  colors: [],
  five: null,
  head: HEAD,
};

/** A face as `efficientfan.Pose.from_angles` turns it, ten interocular distances away. */
function turnedFace(yaw: number, pitch: number, roll: number): Face {
  const [a, b, c] = [yaw, pitch, roll].map((angle) => (angle * Math.PI) / 180) as [number, number, number];
  const points = HEAD.flatMap((place) => {
    const [x, y, z] = place ?? [3, 3, 3];
    const rolled = [x * Math.cos(c) + y * Math.sin(c), -x * Math.sin(c) + y * Math.cos(c), z] as const;
    const pitched = [
      rolled[0],
      rolled[1] * Math.cos(b) + rolled[2] * Math.sin(b),
      -rolled[1] * Math.sin(b) + rolled[2] * Math.cos(b),
    ] as const;
    const seen = [pitched[0] * Math.cos(a) - pitched[2] * Math.sin(a), pitched[1]] as const;
    const depth = pitched[0] * Math.sin(a) + pitched[2] * Math.cos(a) + 10;
    return [300 + (1000 * seen[0]) / depth, 200 + (1000 * seen[1]) / depth];
  });
  return {
    region: { box: [0, 0, 1, 1], roll: 0 },
    points: Float32Array.from(points),
    scores: new Float32Array(HEAD.length).fill(1),
    visibility: null,
    detected: null,
  };
}

test.each([
  [0, 0, 0],
  [30, -10, 0],
  [-45, 15, 20],
  [10, 5, 120],
  [-20, -25, -170],
])("yaw %f, pitch %f, roll %f are found again", (yaw, pitch, roll) => {
  const pose = headPose(turnedFace(yaw, pitch, roll), SCHEMA)!;
  // The camera's distance is only estimated from the turned face, hence a degree or two.
  for (const [found, expected] of [[pose.yaw, yaw], [pose.pitch, pitch], [pose.roll, roll]] as const) {
    expect(Math.abs(((found - expected + 540) % 360) - 180)).toBeLessThan(3);
  }
  expect(pose.error).toBeLessThan(1);
});

test("landmarks that are unsure or not visible are left out", () => {
  const face = turnedFace(20, 0, 0);
  const expected = headPose(face, SCHEMA)!;
  face.points[0] = 0;
  face.scores[0] = 0.1;
  expect(Math.abs(headPose(face, SCHEMA)!.yaw - expected.yaw)).toBeLessThan(2);
  const visibility = new Float32Array(3 * HEAD.length).map((_, index) => (index % 3 === 0 ? 1 : 0));
  visibility.set([0, 1, 0], 3);
  face.points[2] = 0;
  expect(Math.abs(headPose({ ...face, visibility }, SCHEMA)!.yaw - expected.yaw)).toBeLessThan(4);
});

test("four landmarks are not enough, nor landmarks in one place", () => {
  const face = turnedFace(0, 0, 0);
  expect(headPose(face, { ...SCHEMA, head: HEAD.map((place, index) => (index < 4 ? place : null)) })).toBeNull();
  expect(headPose({ ...face, points: new Float32Array(face.points.length).fill(7) }, SCHEMA)).toBeNull();
});
