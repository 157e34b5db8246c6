/** From regions of a photo to landmarks: one pass of the network, and the two passes of a photo (`predict/predictor.py`). */

import { agree, cropOf, regionOfLandmarks, regionOfProposal, type FaceRegion } from "./crops";
import type { Detection } from "./detector";
import { boxOfPoints, iou, nesting, suppress, type Box } from "./geometry";
import { warp, type PhotoPyramid } from "./imaging";
import type { Graph, ModelEntry, SchemaEntry } from "./models";

/** Two faces whose landmark boxes overlap by more are the same face. */
const SAME_FACE_IOU = 0.5;
const SAME_FACE_NESTING = 0.7;

/** Most crops that go through the network at once. */
const BATCH = 16;

export interface Face {
  /** Where the landmarks were looked for. */
  readonly region: FaceRegion;
  /** x and y of K landmarks, image pixels. */
  readonly points: Float32Array;
  /** K numbers in [0, 1]. */
  readonly scores: Float32Array;
  /** K times the probabilities of visible, covered and turned away; null of models without them. */
  readonly visibility: Float32Array | null;
  /** What the detector said; null for a face that was followed from the frame before. */
  readonly detected: Detection | null;
}

export function scoreOf(face: Face): number {
  return face.scores.reduce((sum, score) => sum + score, 0) / face.scores.length;
}

/** Whether a landmark is more probably covered or turned away than visible. */
export function isUnseen(face: Face, landmark: number): boolean {
  if (face.visibility === null) return false;
  const [visible, covered, away] = face.visibility.subarray(3 * landmark, 3 * landmark + 3);
  return Math.max(covered!, away!) > visible!;
}

export function sameFace(a: Box, b: Box, overlap = SAME_FACE_IOU): boolean {
  return iou(a, b) > overlap || nesting(a, b) > SAME_FACE_NESTING;
}

export class Landmarks {
  constructor(
    private readonly graph: Graph,
    readonly model: ModelEntry,
    readonly schema: SchemaEntry,
  ) {}

  /** One pass: a face per region, in their order, none dropped. */
  async locate(pyramid: PhotoPyramid, regions: readonly FaceRegion[]): Promise<Face[]> {
    const size = this.model.input_size;
    const faces: Face[] = [];
    for (let start = 0; start < regions.length; start += BATCH) {
      const batch = regions.slice(start, start + BATCH);
      const crops = new Uint8Array(batch.length * size * size * 3);
      const cuts = batch.map((region) => cropOf(region, size, this.model.crop_margin));
      cuts.forEach((cut, index) => warp(pyramid, cut, crops, index * size * size * 3));
      const { points, scores, visibility } = await this.graph(crops, [batch.length, size, size, 3]);
      if (points === undefined || scores === undefined) throw new Error("the model's file gives no points and scores");
      batch.forEach((region, index) => {
        const own = (array: Float32Array) => {
          const count = array.length / batch.length;
          return array.slice(index * count, (index + 1) * count);
        };
        faces.push({
          region,
          points: cuts[index]!.inverse(own(points)),
          scores: own(scores),
          visibility: visibility === undefined ? null : own(visibility),
          detected: null,
        });
      });
    }
    return faces;
  }

  /** The faces of what a detector found: a second pass where it would show something else, and none twice. */
  async refine(pyramid: PhotoPyramid, detections: readonly Detection[]): Promise<Face[]> {
    const regions = detections.map(({ box, five }) => regionOfProposal(box, five));
    const faces = await this.locate(pyramid, regions);
    const again: number[] = [];
    const better: FaceRegion[] = [];
    faces.forEach((face, index) => {
      const region = this.next(face);
      if (agree(regions[index]!, region)) return;
      again.push(index);
      better.push(region);
    });
    (await this.locate(pyramid, better)).forEach((face, index) => (faces[again[index]!] = face));
    return this.select(faces.map((face, index) => ({ ...face, detected: detections[index]! })));
  }

  /** Where a face is to be cut from next, by its landmarks. */
  next(face: Face): FaceRegion {
    return regionOfLandmarks(face.points, this.schema.five, face.region);
  }

  /** Without what is no face or found twice; the largest first. */
  private select(faces: readonly Face[]): Face[] {
    const sure = faces.filter((face) => scoreOf(face) >= this.model.score_threshold);
    const boxes = sure.map((face) => boxOfPoints(face.points));
    const kept = suppress(sure.map(scoreOf), (a, b) => sameFace(boxes[a]!, boxes[b]!));
    const size = (index: number) => (boxes[index]![2] - boxes[index]![0]) * (boxes[index]![3] - boxes[index]![1]);
    return kept.sort((a, b) => size(b) - size(a)).map((index) => sure[index]!);
  }
}
