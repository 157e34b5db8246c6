/** The packaged face detector, as `efficientfan/predict/detectors/facefinder.py` runs it. */

import { iou, suppress, type Box } from "./geometry";
import { shrinkTo, type Photo } from "./imaging";
import type { DetectorEntry, Graph } from "./models";

/** Of two detections that overlap by more, the surer is kept. */
const OVERLAP = 0.4;

const GRAY = 128;

export interface Detection {
  readonly box: Box;
  readonly score: number;
  /** x and y of eye centers, nose tip and mouth corners; null of a detector without points. */
  readonly five: readonly number[] | null;
}

export class FaceFinder {
  constructor(
    private readonly graph: Graph,
    private readonly entry: DetectorEntry,
  ) {}

  /** The faces of a photo, possibly none, the surest first. */
  async detect(photo: Photo): Promise<Detection[]> {
    const whole = Math.max(photo.width, photo.height);
    const sides = [...new Set(this.entry.long_sides.map((side) => Math.min(side, whole)))].sort((a, b) => b - a);
    const found: Detection[] = [];
    let copy = photo;
    for (const side of sides) {
      copy = shrinkTo(copy, side); // each from the one before
      found.push(...(await this.search(copy, side / whole)));
    }
    const faces = found.filter(({ box }) => plausible(box, photo));
    const scores = faces.map((face) => face.score);
    return suppress(scores, (a, b) => iou(faces[a]!.box, faces[b]!.box) > OVERLAP).map((index) => faces[index]!);
  }

  /** What is found in a copy, in pixels of the photo that was reduced by `factor`. */
  private async search(copy: Photo, factor: number): Promise<Detection[]> {
    const { input, shape } = padded(copy, this.entry.multiple);
    const { boxes, scores, points } = await this.graph(input, shape);
    if (boxes === undefined || scores === undefined) throw new Error("the detector's file gives no boxes and scores");
    // A pixel's center in the copy lies at (x + 0.5) / factor - 0.5 of the photo.
    const pixels = (array: Float32Array, start: number, count: number) =>
      Array.from(array.subarray(start, start + count), (value) => (value + 0.5) / factor - 0.5);
    const found: Detection[] = [];
    scores.forEach((score, cell) => {
      if (score < this.entry.score_threshold) return;
      const box = pixels(boxes, 4 * cell, 4) as unknown as Box;
      found.push({ box, score, five: points === undefined ? null : pixels(points, 10 * cell, 10) });
    });
    return found;
  }
}

/** RGB, padded with gray at the right and the bottom to multiples of `multiple`. */
function padded(photo: Photo, multiple: number): { input: Uint8Array; shape: number[] } {
  const width = Math.ceil(photo.width / multiple) * multiple;
  const height = Math.ceil(photo.height / multiple) * multiple;
  const input = new Uint8Array(width * height * 3).fill(GRAY);
  for (let y = 0; y < photo.height; y++) {
    let source = y * photo.width * 4;
    let target = y * width * 3;
    for (let x = 0; x < photo.width; x++, source += 4, target += 3) {
      input[target] = photo.data[source]!;
      input[target + 1] = photo.data[source + 1]!;
      input[target + 2] = photo.data[source + 2]!;
    }
  }
  return { input, shape: [1, height, width, 3] };
}

/** Whether a box is at least a pixel wide and high and overlaps the photo. */
function plausible(box: Box, photo: Photo): boolean {
  const big = box[2] - box[0] >= 1 && box[3] - box[1] >= 1;
  return big && box[0] < photo.width && box[1] < photo.height && box[2] > 0 && box[3] > 0;
}
