import { expect, test } from "vitest";

import { agree, cropOf, fivePoints, regionOfLandmarks, regionOfProposal, rollOf, type FaceRegion } from "../src/crops";
import type { Box } from "../src/geometry";

const UPRIGHT = [0, 0, 10, 0, 5, 5, 2, 10, 8, 10];
const FIVE = [[0], [1], [2], [3], [4]];

test("roll is counter-clockwise on the screen", () => {
  expect(rollOf(UPRIGHT)).toBe(0);
  expect(rollOf([0, 10, 0, 0, 5, 5, 10, 8, 10, 2])).toBe(90);
});

test("a detector's box is cut as it is, or turned and square", () => {
  const box: Box = [10, 20, 50, 80];
  expect(regionOfProposal(box, null)).toEqual({ box, roll: 0 });
  expect(regionOfProposal(box, UPRIGHT)).toEqual({ box, roll: 0 });
  const turned = regionOfProposal(box, [20, 50, 20, 30, 35, 40, 45, 48, 45, 32]);
  expect(turned.roll).toBeCloseTo(90, 10);
  expect(turned.box).toEqual([5, 25, 55, 75]);
});

test("the region of turned landmarks shows them upright", () => {
  const searched: FaceRegion = { box: [-6, -1, 10, 15], roll: 0 };
  const angle = Math.PI / 6; // 30 degrees clockwise on the screen: roll -30
  const turned = UPRIGHT.map((_, index) => {
    const [x, y] = [UPRIGHT[index - (index % 2)]!, UPRIGHT[index - (index % 2) + 1]!];
    return index % 2 === 0 ? x * Math.cos(angle) - y * Math.sin(angle) : x * Math.sin(angle) + y * Math.cos(angle);
  });
  const region = regionOfLandmarks(turned, FIVE, searched);
  expect(region.roll).toBeCloseTo(-30, 8);
  expect(region.box[2] - region.box[0]).toBeCloseTo(10, 8);
  expect(region.box[3] - region.box[1]).toBeCloseTo(10, 8);
  const crop = cropOf(region, 64, 0);
  // The crop's upper left corner is the first landmark, as in the upright face.
  const [x, y] = crop.inverse([-0.5, -0.5]);
  expect(x).toBeCloseTo(turned[0]!, 5);
  expect(y).toBeCloseTo(turned[1]!, 5);
});

test("landmarks that have left their region keep it", () => {
  const searched: FaceRegion = { box: [100, 100, 120, 120], roll: 20 };
  expect(regionOfLandmarks(UPRIGHT, FIVE, searched)).toBe(searched);
});

test("landmarks without eyes and mouth keep the roll", () => {
  expect(regionOfLandmarks(UPRIGHT, null, { box: [0, 0, 10, 10], roll: 0 }).box).toEqual([0, 0, 10, 10]);
  expect(regionOfLandmarks(UPRIGHT, null, { box: [0, 0, 10, 10], roll: 40 }).roll).toBe(40);
});

test("five points are means of groups", () => {
  expect(fivePoints([0, 0, 2, 4, 10, 10], [[0, 1], [2]])).toEqual([1, 2, 10, 10]);
});

test("regions agree by box and by roll, across 180 degrees too", () => {
  const box: Box = [0, 0, 10, 10];
  expect(agree({ box, roll: 0 }, { box: [0, 0, 10, 9], roll: 0 })).toBe(true);
  expect(agree({ box, roll: 0 }, { box: [5, 0, 15, 10], roll: 0 })).toBe(false);
  expect(agree({ box, roll: 0 }, { box, roll: 16 })).toBe(false);
  expect(agree({ box, roll: 175 }, { box, roll: -177 })).toBe(true);
  expect(agree({ box, roll: -177 }, { box, roll: 175 })).toBe(true);
});
