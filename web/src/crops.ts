/** Where a face is cut from: a box and the roll of the face. The same rules as `efficientfan/predict/crops.py`. */

import { CropTransform, iou, type Box, type Points } from "./geometry";

/** A face that is rolled by less, in degrees, is cut upright. */
const UPRIGHT = 15;

/** A second crop whose box overlaps the first one's by that, at a roll that differs by less, would show the same. */
const SAME_CROP_IOU = 0.8;
const SAME_CROP_ROLL = 12;

/** Below this IoU with the box that was searched, landmarks are not taken for the face's. */
const LOST_IOU = 0.2;

export interface FaceRegion {
  /** As wide and high as the face would be if it was upright. */
  readonly box: Box;
  /** Degrees by which the face is turned counter-clockwise on the screen; the crop undoes it. */
  readonly roll: number;
}

export function cropOf(region: FaceRegion, size: number, margin: number): CropTransform {
  return CropTransform.fromBox(region.box, size, margin, -region.roll);
}

/** Degrees of roll of five points (eye centers, nose tip, mouth corners): from between the eyes to the mouth. */
export function rollOf(five: Points): number {
  const x = (five[6]! + five[8]!) / 2 - (five[0]! + five[2]!) / 2;
  const y = (five[7]! + five[9]!) / 2 - (five[1]! + five[3]!) / 2;
  return (Math.atan2(x, y) * 180) / Math.PI;
}

function cutRoll(roll: number): number {
  return Math.abs(roll) > UPRIGHT ? roll : 0;
}

/** Five points as the means of groups of landmarks. */
export function fivePoints(points: Points, groups: readonly (readonly number[])[]): number[] {
  return groups.flatMap((group) =>
    [0, 1].map((axis) => group.reduce((sum, index) => sum + points[2 * index + axis]!, 0) / group.length),
  );
}

/** From a detector's box and its five points, if there are any. */
export function regionOfProposal(box: Box, five: Points | null): FaceRegion {
  const roll = five === null ? 0 : cutRoll(rollOf(five));
  if (roll === 0) return { box, roll };
  // The box of a turned face says little of its own width and height: its mean side, squared.
  const half = (box[2] - box[0] + box[3] - box[1]) / 4;
  const x = (box[0] + box[2]) / 2;
  const y = (box[1] + box[3]) / 2;
  return { box: [x - half, y - half, x + half, y + half], roll };
}

/** From landmarks, or `searched` itself where they have left it. `groups`: of `fivePoints`; null keeps the roll. */
export function regionOfLandmarks(
  points: Points,
  groups: readonly (readonly number[])[] | null,
  searched: FaceRegion,
): FaceRegion {
  const roll = groups === null ? searched.roll : cutRoll(rollOf(fivePoints(points, groups)));
  const angle = (roll * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < points.length; i += 2) {
    const across = cos * points[i]! - sin * points[i + 1]!;
    const along = sin * points[i]! + cos * points[i + 1]!;
    left = Math.min(left, across);
    right = Math.max(right, across);
    top = Math.min(top, along);
    bottom = Math.max(bottom, along);
  }
  const x = ((left + right) / 2) * cos + ((top + bottom) / 2) * sin;
  const y = (-(left + right) / 2) * sin + ((top + bottom) / 2) * cos;
  const [width, height] = [(right - left) / 2, (bottom - top) / 2];
  const box: Box = [x - width, y - height, x + width, y + height];
  return width > 0 && height > 0 && iou(box, searched.box) >= LOST_IOU ? { box, roll } : searched;
}

/** Whether a crop of the second would show what the first has shown. */
export function agree(first: FaceRegion, second: FaceRegion): boolean {
  const apart = Math.abs(((((first.roll - second.roll + 180) % 360) + 360) % 360) - 180);
  return apart <= SAME_CROP_ROLL && iou(first.box, second.box) >= SAME_CROP_IOU;
}
