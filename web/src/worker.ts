/** The networks run here, beside the page, which stays responsive. */

import { FaceFinder } from "./detector";
import { Engine, hasWebGpu } from "./engine";
import { PhotoPyramid, type Photo } from "./imaging";
import { Landmarks, type Face } from "./landmarks";
import { fetchCatalog } from "./models";
import { headPose } from "./pose";
import type { Answer, Look, Looked, Open, Opened, Question } from "./protocol";
import { FaceTracker } from "./tracker";

interface Models {
  readonly finder: FaceFinder;
  readonly landmarks: Landmarks;
  readonly tracker: FaceTracker;
}

let models: Models | null = null;
let canvas: OffscreenCanvas | null = null;

async function load(engine: Engine, question: Open): Promise<Models> {
  const catalog = await fetchCatalog(question.base);
  const model = catalog.models.find((each) => each.name === question.model);
  if (model === undefined) throw new Error(`There is no model ${question.model}.`);
  const address = (file: string) => new URL(file, question.base).href;
  const finder = new FaceFinder(await engine.open(address(catalog.detector.file)), catalog.detector);
  const landmarks = new Landmarks(await engine.open(address(model.file)), model, catalog.schemas[model.schema]!);
  const loaded = { finder, landmarks, tracker: new FaceTracker(finder, landmarks) };
  // A first run, so that the first photo does not wait for what the engine does once.
  const side = 64;
  const blank = new PhotoPyramid({ data: new Uint8ClampedArray(side * side * 4), width: side, height: side });
  await finder.detect(blank.photo);
  await landmarks.locate(blank, [{ box: [0, 0, side, side], roll: 0 }]);
  return loaded;
}

async function open(question: Open): Promise<Opened> {
  const webgpu = await hasWebGpu();
  let fallback: string | null = null;
  models = null;
  if (question.engine === "webgpu") {
    try {
      if (!webgpu) throw new Error("this browser has no WebGPU");
      const engine = await Engine.load("webgpu");
      models = await load(engine, question);
      return { engine: "webgpu", threads: engine.threads, webgpu, fallback };
    } catch (error) {
      fallback = error instanceof Error ? error.message : String(error);
    }
  }
  const engine = await Engine.load("wasm");
  models = await load(engine, question);
  return { engine: "wasm", threads: engine.threads, webgpu, fallback };
}

/** The pixels of a bitmap, on black where it is transparent. */
function pixelsOf(bitmap: ImageBitmap): Photo {
  const { width, height } = bitmap;
  if (canvas === null || canvas.width !== width || canvas.height !== height) {
    canvas = new OffscreenCanvas(width, height);
  }
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  if (context === null) throw new Error("This browser gives the page no canvas to read pixels from.");
  context.fillStyle = "black";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, width, height);
}

async function look(question: Look): Promise<Looked> {
  if (models === null) throw new Error("The models are not loaded.");
  const { finder, landmarks, tracker } = models;
  const start = performance.now();
  const photo = pixelsOf(question.bitmap);
  let faces: Face[];
  if (question.kind === "frame") {
    faces = await tracker.update(photo);
  } else {
    faces = await landmarks.refine(new PhotoPyramid(photo), await finder.detect(photo));
  }
  const posed = faces.map((face) => ({ ...face, pose: headPose(face, landmarks.schema) }));
  const milliseconds = performance.now() - start;
  return { faces: posed, width: photo.width, height: photo.height, milliseconds, bitmap: question.bitmap };
}

// One question after the other: the engine runs one network at a time.
let turn: Promise<void> = Promise.resolve();

self.addEventListener("message", ({ data }: MessageEvent<Question>) => {
  turn = turn.then(async () => {
    let answer: Answer;
    try {
      answer = { id: data.id, result: data.kind === "open" ? await open(data) : await look(data) };
    } catch (error) {
      answer = { id: data.id, error: error instanceof Error ? error.message : String(error) };
    }
    const handed = data.kind === "open" || "error" in answer ? [] : [data.bitmap];
    self.postMessage(answer, { transfer: handed });
  });
});
