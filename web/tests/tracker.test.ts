import { expect, test } from "vitest";

import { FaceFinder } from "../src/detector";
import { boxOfPoints, type Box } from "../src/geometry";
import type { Photo } from "../src/imaging";
import { Landmarks } from "../src/landmarks";
import type { Graph, ModelEntry, SchemaEntry } from "../src/models";
import { FaceTracker } from "../src/tracker";

const SIZE = 32;
const FRAME: Photo = { data: new Uint8ClampedArray(64 * 64 * 4), width: 64, height: 64 };

const MODEL: ModelEntry = {
  name: "drawn", alias: "drawn", file: "", bytes: 0, schema: "drawn",
  input_size: SIZE, crop_margin: 0, score_threshold: 0.5,
}; // prettier-ignore

const SCHEMA: SchemaEntry = { landmarks: ["a", "b"], edges: [], colors: [], five: null, head: [null, null] };

/** A scene of faces; the network sees landmarks in the corners of every crop, with a score. */
class Scene {
  faces: Box[] = [];
  score = 1;
  searches = 0;
  readonly tracker: FaceTracker;

  constructor() {
    const detector: Graph = async () => {
      this.searches++;
      return {
        boxes: Float32Array.from(this.faces.flat()),
        scores: new Float32Array(this.faces.length).fill(0.9),
      };
    };
    const network: Graph = async (_, [count]) => ({
      points: Float32Array.from({ length: count! * 4 }, (_, index) => (index % 4 < 2 ? -0.5 : SIZE - 0.5)),
      scores: new Float32Array(count! * 2).fill(this.score),
    });
    const entry = { name: "", file: "", bytes: 0, multiple: 32, long_sides: [64], score_threshold: 0.5 };
    this.tracker = new FaceTracker(new FaceFinder(detector, entry), new Landmarks(network, MODEL, SCHEMA));
  }

  async boxes(): Promise<Box[]> {
    return (await this.tracker.update(FRAME)).map((face) => boxOfPoints(face.points));
  }
}

test("a face is followed, and the detector looks at every tenth frame", async () => {
  const scene = new Scene();
  scene.faces = [[10, 10, 30, 30]];
  expect(await scene.boxes()).toEqual([[10, 10, 30, 30]]);
  for (let frame = 0; frame < 9; frame++) await scene.boxes();
  expect(scene.searches).toBe(1);
  expect(await scene.boxes()).toEqual([[10, 10, 30, 30]]);
  expect(scene.searches).toBe(2);
});

test("without a face the detector looks at every frame", async () => {
  const scene = new Scene();
  for (let frame = 0; frame < 3; frame++) expect(await scene.boxes()).toEqual([]);
  expect(scene.searches).toBe(3);
});

test("a face that scores too low is looked for at once", async () => {
  const scene = new Scene();
  scene.faces = [[10, 10, 30, 30]];
  await scene.boxes();
  scene.score = 0.1;
  scene.faces = [];
  expect(await scene.boxes()).toEqual([]);
  expect(scene.searches).toBe(2);
});

test("a new face joins, and one that the detector no longer sees is given up after three searches", async () => {
  const scene = new Scene();
  scene.faces = [[10, 10, 30, 30]];
  await scene.boxes();
  scene.faces = [[40, 40, 60, 60]];
  const counts = [];
  for (let frame = 0; frame < 30; frame++) counts.push((await scene.boxes()).length);
  expect(counts[8]).toBe(1);
  expect(counts.slice(9, 29)).toEqual(new Array(20).fill(2));
  expect(counts[29]).toBe(1);
});
