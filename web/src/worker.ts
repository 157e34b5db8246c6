/** The networks run here, beside the page, which stays responsive. */

import { FaceFinder } from "./detector";
import { Engine, type EngineName } from "./engine";
import { PhotoPyramid, type Photo } from "./imaging";
import { Landmarks, type Face } from "./landmarks";
import { fetchCatalog, fetchModel } from "./models";
import { headPose } from "./pose";
import type { Answer, Look, Looked, Open, Opened, Question } from "./protocol";
import { FaceTracker } from "./tracker";
import { hasWebGpu } from "./webgpu";

interface Models {
  readonly finder: FaceFinder;
  readonly landmarks: Landmarks;
  readonly tracker: FaceTracker;
}

let models: Models | null = null;
let canvas: OffscreenCanvas | null = null;

async function load(name: EngineName, question: Open): Promise<Opened> {
  const catalog = await fetchCatalog(question.base);
  const model = catalog.models.find((each) => each.name === question.model);
  if (model === undefined) throw new Error(`There is no model ${question.model}.`);
  // The engine starts with the small file, while the large one is on its way.
  const [detectorFile, modelFile] = [catalog.detector.file, model.file].map((file) => fetchModel(question.base, file));
  modelFile!.catch(() => undefined); // what went wrong is said below
  const engine = await Engine.load(name);
  const finder = new FaceFinder(await engine.open(await detectorFile!), catalog.detector);
  const landmarks = new Landmarks(await engine.open(await modelFile!), model, catalog.schemas[model.schema]!);
  // A first run, so that the first photo does not wait for what the engine does once.
  const side = 64;
  const blank = new PhotoPyramid({ data: new Uint8ClampedArray(side * side * 4), width: side, height: side });
  await finder.detect(blank.photo);
  await landmarks.locate(blank, [{ box: [0, 0, side, side], roll: 0 }]);
  models = { finder, landmarks, tracker: new FaceTracker(finder, landmarks) };
  return { engine: engine.name, threads: engine.threads, fallback: null };
}

/** Load the models; where WebGPU does not run them, WebAssembly does. Without them the former ones stay. */
async function open(question: Open): Promise<Opened> {
  if (question.engine === "wasm") return load("wasm", question);
  try {
    if (!(await hasWebGpu())) throw new Error("this browser has no WebGPU");
    return await load("webgpu", question);
  } catch (error) {
    return { ...(await load("wasm", question)), fallback: error instanceof Error ? error.message : String(error) };
  }
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
