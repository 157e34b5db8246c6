/** The page: what the buttons do, and what is shown. */

import astronaut from "../../examples/astronaut.jpg?url";

import { closeCamera, openCamera } from "./camera";
import { Client } from "./client";
import { drawFaces } from "./draw";
import type { EngineName } from "./engine";
import { fetchCatalog, type Catalog, type ModelEntry } from "./models";
import { openPhoto } from "./photos";
import type { Looked, PosedFace } from "./protocol";
import { save, showFaces, showLandmarks, toRecord, type Result } from "./results";
import { hasWebGpu } from "./webgpu";

/** Longer side of the canvases, in pixels; landmarks are those of the whole photo. */
const LARGEST_VIEW = 2048;

/** Frames that the speed is measured over. */
const MEASURED = 60;

function find<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const stage = find("stage");
const photo = find<HTMLCanvasElement>("photo");
const overlay = find<HTMLCanvasElement>("overlay");
const statusLine = find("status");
const liveLine = find("live");
const busy = find<HTMLProgressElement>("busy");
const fileInput = find<HTMLInputElement>("file");
const modelSelect = find<HTMLSelectElement>("model");
const engineSelect = find<HTMLSelectElement>("engine");
const linesBox = find<HTMLInputElement>("lines");
const boxesBox = find<HTMLInputElement>("boxes");
const cameraButton = find<HTMLButtonElement>("camera");
const measureButton = find<HTMLButtonElement>("measure");
const usable = [find<HTMLButtonElement>("choose"), find<HTMLButtonElement>("sample"), cameraButton, modelSelect, engineSelect];

const client = new Client();
let catalog: Catalog;
/** The model that is loaded, and the engine that runs it, also in words: "WebAssembly, 2 threads". */
let model: ModelEntry;
let engine: EngineName = "wasm";
let engineInWords = "";
/** What is shown, with what it was found in. */
let shown: Result | null = null;
/** The photo that was opened last; it is looked at again where the model changes. */
let last: { file: Blob; name: string } | null = null;
let camera: HTMLVideoElement | null = null;

function say(text: string, error = false): void {
  statusLine.textContent = text;
  statusLine.classList.toggle("error", error);
}

function fail(error: unknown): void {
  say(error instanceof Error ? error.message : String(error), true);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function countInWords(faces: readonly PosedFace[]): string {
  return faces.length === 0 ? "No face found" : faces.length === 1 ? "1 face" : `${faces.length} faces`;
}

/** Run a task with the controls switched off; what goes wrong is said. */
async function working(task: () => Promise<void>): Promise<void> {
  busy.hidden = false;
  for (const each of usable) each.disabled = true;
  measureButton.disabled = true;
  try {
    await task();
  } catch (error) {
    fail(error);
  } finally {
    busy.hidden = true;
    for (const each of usable) each.disabled = false;
    measureButton.disabled = last === null;
  }
}

/** Load what is chosen; where that fails, what was chosen before stays. */
async function openModels(): Promise<void> {
  const chosen = catalog.models.find((each) => each.name === modelSelect.value)!;
  say(`Loading the model ${chosen.alias} (${megabytes(chosen.bytes + catalog.detector.bytes)}).`);
  const opened = await client.open(chosen.name, engineSelect.value as EngineName).catch((error: unknown) => {
    if (model !== undefined) [modelSelect.value, engineSelect.value] = [model.name, engine];
    throw error;
  });
  [model, engine] = [chosen, opened.engine];
  const threads = opened.threads === 1 ? "1 thread" : `${opened.threads} threads`;
  engineInWords = engine === "webgpu" ? "WebGPU" : `WebAssembly, ${threads}`;
  engineSelect.value = engine;
  find("machine").textContent = self.crossOriginIsolated
    ? ""
    : "WebAssembly runs on one thread: the server does not send the headers that isolate this page. Loading the page a " +
      "second time may help.";
  say(
    opened.fallback === null
      ? `Ready: ${engineInWords}. Choose a photo, or start the camera.`
      : `WebGPU does not run this model (${opened.fallback}); WebAssembly does.`,
  );
}

/** Size the canvases for a picture, and draw it. */
function showPicture(bitmap: ImageBitmap): void {
  const factor = Math.min(1, LARGEST_VIEW / Math.max(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * factor));
  const height = Math.max(1, Math.round(bitmap.height * factor));
  for (const canvas of [photo, overlay]) {
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
  }
  photo.getContext("2d")!.drawImage(bitmap, 0, 0, width, height);
  stage.classList.remove("empty");
}

function redraw(): void {
  if (shown === null) return;
  const looks = { lines: linesBox.checked, boxes: boxesBox.checked };
  drawFaces(overlay, shown.faces, shown.schema, shown.width, looks);
}

/** Show the faces of a picture; `scale` is from pixels of the bitmap to pixels of the photo. */
function showResult(name: string, looked: Looked, scale = 1): Result {
  const pixels = (values: ArrayLike<number>) => Float32Array.from(values, (value) => (value + 0.5) * scale - 0.5);
  const box = (values: ArrayLike<number>) => [...pixels(values)] as unknown as PosedFace["region"]["box"];
  const faces = looked.faces.map((face) =>
    scale === 1
      ? face
      : {
          ...face,
          points: pixels(face.points),
          region: { ...face.region, box: box(face.region.box) },
          detected: face.detected && { ...face.detected, box: box(face.detected.box) },
          pose: face.pose && { ...face.pose, error: face.pose.error * scale },
        },
  );
  const result = {
    name,
    width: Math.round(looked.width * scale),
    height: Math.round(looked.height * scale),
    model,
    schema: catalog.schemas[model.schema]!,
    faces,
  };
  shown = result;
  redraw();
  showFaces(find("faces") as unknown as HTMLTableSectionElement, faces);
  find("results").hidden = faces.length === 0;
  const label = `${countInWords(faces)} in ${name}`;
  if (overlay.getAttribute("aria-label") !== label) overlay.setAttribute("aria-label", label);
  return result;
}

async function lookAt(file: Blob, name: string): Promise<void> {
  stopCamera();
  await working(async () => {
    const opened = await openPhoto(file, name);
    last = { file, name };
    shown = null;
    overlay.getContext("2d")!.clearRect(0, 0, overlay.width, overlay.height);
    showPicture(opened.bitmap);
    const scale = opened.width / opened.bitmap.width;
    const looked = await client.look("photo", opened.bitmap);
    looked.bitmap.close();
    const result = { ...showResult(name, looked, scale), width: opened.width, height: opened.height };
    shown = result;
    showLandmarks(find("details"), result);
    say(`${countInWords(result.faces)} in ${Math.round(looked.milliseconds)} ms (${engineInWords}).`);
  });
}

async function lookAtSample(): Promise<void> {
  const response = await fetch(astronaut);
  await lookAt(await response.blob(), "astronaut.jpg");
}

async function startCamera(): Promise<void> {
  await working(async () => {
    say("Waiting for the camera.");
    camera = await openCamera();
    last = null;
    find("details").replaceChildren();
    cameraButton.textContent = "Stop camera";
    stage.classList.add("mirrored");
    liveLine.hidden = false;
    void follow(camera);
  });
}

function stopCamera(): void {
  if (camera === null) return;
  closeCamera(camera);
  camera = null;
  cameraButton.textContent = "Start camera";
  stage.classList.remove("mirrored");
  liveLine.hidden = true;
}

/** Frame after frame, for as long as this camera is the one in use. */
async function follow(video: HTMLVideoElement): Promise<void> {
  let said = "";
  let rate = 0;
  let before = performance.now();
  try {
    while (camera === video) {
      const looked = await client.look("frame", await createImageBitmap(video));
      if (camera === video) {
        showPicture(looked.bitmap);
        showResult("camera", looked);
        const now = performance.now();
        const seconds = (now - before) / 1000;
        before = now;
        rate = rate === 0 ? 1 / seconds : 0.9 * rate + 0.1 / seconds;
        liveLine.textContent = `${rate.toFixed(0)} frames/s, ${looked.milliseconds.toFixed(0)} ms per frame`;
        const text = `${countInWords(looked.faces)} (${engineInWords}).`;
        if (text !== said) say((said = text)); // not each frame: it is read out
      }
      looked.bitmap.close();
      await new Promise(requestAnimationFrame);
    }
  } catch (error) {
    if (camera === video) stopCamera();
    fail(error);
  }
}

/** How many frames and photos a second, on the photo that is shown. */
async function measure(): Promise<void> {
  if (last === null) return;
  let { bitmap } = await openPhoto(last.file, last.name);
  await working(async () => {
    say("Measuring.");
    const rates: number[] = [];
    for (const kind of ["frame", "photo"] as const) {
      for (let count = 0; count < 5; count++) ({ bitmap } = await client.look(kind, bitmap));
      const start = performance.now();
      for (let count = 0; count < MEASURED; count++) ({ bitmap } = await client.look(kind, bitmap));
      rates.push((1000 * MEASURED) / (performance.now() - start));
    }
    const [frames, photos] = rates.map((rate) => rate.toFixed(1));
    say(`${frames} frames/s as a video, ${photos} photos/s (${engineInWords}).`);
  });
  bitmap.close();
}

/** The first file that was dropped or pasted, unless something is going on. */
function takeFrom(transfer: DataTransfer | null): void {
  const file = transfer?.files[0];
  if (file && busy.hidden) void lookAt(file, file.name);
}

function listen(): void {
  find("choose").addEventListener("click", () => fileInput.click());
  fileInput.addEventListener("change", () => {
    const file = fileInput.files?.[0];
    fileInput.value = ""; // so that the same file can be chosen again
    if (file) void lookAt(file, file.name);
  });
  find("sample").addEventListener("click", () => void lookAtSample().catch(fail));
  cameraButton.addEventListener("click", () => {
    if (camera === null) return void startCamera();
    stopCamera();
    say("The camera is off.");
  });
  measureButton.addEventListener("click", () => void measure().catch(fail));
  for (const select of [modelSelect, engineSelect]) {
    select.addEventListener("change", async () => {
      const again = last;
      stopCamera();
      await working(openModels);
      if (again !== null && !statusLine.classList.contains("error")) await lookAt(again.file, again.name);
    });
  }
  for (const box of [linesBox, boxesBox]) box.addEventListener("change", redraw);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    stage.classList.add("over");
  });
  document.addEventListener("dragleave", () => stage.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    stage.classList.remove("over");
    takeFrom(event.dataTransfer);
  });
  document.addEventListener("paste", (event) => takeFrom(event.clipboardData));
  find("save-json").addEventListener("click", () => {
    if (shown === null) return;
    const text = JSON.stringify([toRecord(shown)], null, 1);
    save(new Blob([text], { type: "application/json" }), "faces.json");
  });
  find("save-picture").addEventListener("click", () => {
    const both = document.createElement("canvas");
    [both.width, both.height] = [photo.width, photo.height];
    const context = both.getContext("2d")!;
    context.drawImage(photo, 0, 0);
    context.drawImage(overlay, 0, 0);
    both.toBlob((blob) => blob && save(blob, "faces.png"), "image/png");
  });
}

async function start(): Promise<void> {
  listen();
  const asked = new URLSearchParams(location.search);
  await working(async () => {
    catalog = await fetchCatalog(document.baseURI);
    for (const { name, alias, bytes, input_size: size } of catalog.models) {
      modelSelect.add(new Option(`${alias}: ${size} pixels, ${megabytes(bytes)}`, name));
    }
    const named = catalog.models.find(({ name, alias }) => [name, alias].includes(asked.get("model") ?? ""));
    modelSelect.value = (named ?? catalog.models[0]!).name;
    if (asked.get("engine") === "webgpu") {
      engineSelect.add(new Option("WebGPU", "webgpu"));
      engineSelect.value = "webgpu";
    }
    await openModels();
  });
  if (asked.has("sample")) await lookAtSample().catch(fail);
  // Not in the way of the first photo: it stores what is loaded already.
  void navigator.serviceWorker?.register("service-worker.js").catch(() => undefined);
  if (engineSelect.options.length === 1 && (await hasWebGpu())) engineSelect.add(new Option("WebGPU", "webgpu"));
}

void start();
