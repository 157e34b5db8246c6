import { expect, test } from "vitest";

import { CropTransform, iou, nesting, suppress } from "../src/geometry";

test("a crop is the one that Python makes", () => {
  const crop = CropTransform.fromBox([10, 20, 50, 80], 128, 0.25, 30); // CropTransform.from_box(..., rotation=30)
  const expected = [
    1.4780166891254423, 0.8533333333333333, -23.50716734042993, -0.8533333333333333, 1.4780166891254423, 15.199165543727894,
  ];
  crop.matrix.forEach((value, index) => expect(value).toBeCloseTo(expected[index]!, 10));
  const back = crop.inverse([0, 0, 127, 3]);
  [16.381281363098523, -0.8257498869014726, 79.94684363690148, 37.903591643188356].forEach((value, index) =>
    expect(back[index]).toBeCloseTo(value, 4),
  );
});

test("without margin and turn, the box's edges are the crop's", () => {
  const crop = CropTransform.fromBox([-0.5, -0.5, 63.5, 63.5], 64, 0);
  expect([...crop.inverse([-0.5, -0.5, 0, 0, 63.5, 63.5])]).toEqual([-0.5, -0.5, 0, 0, 63.5, 63.5]);
  expect(crop.scale).toBeCloseTo(1, 12);
});

test("overlaps", () => {
  expect(iou([0, 0, 2, 2], [1, 0, 3, 2])).toBeCloseTo(1 / 3, 12);
  expect(iou([0, 0, 2, 2], [5, 5, 6, 6])).toBe(0);
  expect(nesting([0, 0, 4, 4], [1, 1, 2, 2])).toBe(1);
  expect(nesting([0, 0, 4, 4], [3, 0, 5, 4])).toBe(0.5);
});

test("of two that are the same, the surer is kept; ties by their order", () => {
  const near = (a: number, b: number) => Math.abs(a - b) <= 1;
  expect(suppress([0.1, 0.9, 0.5, 0.9], near)).toEqual([1, 3]);
  expect(suppress([0.5, 0.5], near)).toEqual([0]);
  expect(suppress([], near)).toEqual([]);
});
