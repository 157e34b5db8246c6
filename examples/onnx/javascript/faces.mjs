// Faces of a photo, from the two exported files alone. jpeg-js reads the photo, which has to be upright.
//
// node faces.mjs DETECTOR.onnx MODEL.onnx PHOTO.jpg    prints box, score and points of each face as JSON, the largest first
//
// An image is {width, height, data}, three bytes per pixel: red, green, blue. Boxes are [x0, y0, x1, y1]. Pixels are
// counted from 0, and the center of a pixel lies at whole numbers.

import { readFileSync } from "node:fs";
import jpeg from "jpeg-js";
import * as ort from "onnxruntime-web"; // onnxruntime-node has the same calls

ort.env.wasm.numThreads = 1;

const sum = (values) => values.reduce((total, each) => total + each, 0);
const mean = (values) => sum(values) / values.length;
const meanPoint = (points) => [mean(points.map((p) => p[0])), mean(points.map((p) => p[1]))];
const clip = (value, low, high) => Math.min(Math.max(value, low), high);
const range = (from, to) => Array.from({ length: to - from }, (_, index) => from + index);

/** An exported file: its session, and the spec that stands in its metadata. */
async function open(path) {
  const bytes = readFileSync(path);
  let place = bytes.indexOf("efficientfan.spec") + "efficientfan.spec".length + 1;
  let length = 0; // a protobuf string: its length, seven bits a byte, then its characters
  for (let shift = 0, more = true; more; shift += 7, place++) {
    length += (bytes[place] & 127) << shift;
    more = bytes[place] > 127;
  }
  const spec = JSON.parse(bytes.subarray(place, place + length).toString("utf8"));
  return { spec, session: await ort.InferenceSession.create(bytes) };
}

async function run(session, name, dims, bytes) {
  return session.run({ [name]: new ort.Tensor("uint8", bytes, dims) });
}

/** Boxes, and five points each or null, of the possible faces, in pixels of the photo. */
async function findBoxes({ spec, session }, photo) {
  const longest = Math.max(photo.width, photo.height);
  const sides = [...new Set(spec.long_sides.map((side) => Math.min(side, longest)))].sort((a, b) => b - a);
  const found = [];
  let image = photo;
  for (const side of sides) {
    image = reduce(image, side); // each copy is made from the one before
    const padded = pad(image, spec.multiple);
    const { boxes, scores, points } = await run(
      session, "images", [1, padded.height, padded.width, 3], padded.data,
    );
    const inPhoto = (values) => Array.from(values, (value) => ((value + 0.5) * longest) / side - 0.5);
    scores.data.forEach((score, cell) => {
      if (score < spec.score_threshold) return;
      const box = inPhoto(boxes.data.subarray(4 * cell, 4 * cell + 4));
      const five = points && inPhoto(points.data.subarray(10 * cell, 10 * cell + 10));
      found.push({ box, score, five: five ? range(0, 5).map((i) => [five[2 * i], five[2 * i + 1]]) : null });
    });
  }
  const plausible = found.filter(
    ({ box: [x0, y0, x1, y1] }) =>
      x1 - x0 >= 1 && y1 - y0 >= 1 && x0 < photo.width && y0 < photo.height && x1 > 0 && y1 > 0,
  );
  return strongest(plausible, (each) => each.box, 0.4);
}

/** The faces: box, score, and points in pixels of the photo. */
async function findFaces(detector, model, photo) {
  const faces = [];
  for (const { box: proposed, five } of await findBoxes(detector, photo)) {
    let region = { box: proposed, roll: five ? rollOf(five) : 0 };
    if (region.roll) region.box = squareOf(proposed); // the box of a turned face says little of its sides
    let found = await findLandmarks(model, photo, region);
    const better = regionOf(found.points);
    const turn = Math.abs(((region.roll - better.roll + 540) % 360) - 180);
    const overlap = overlaps(region.box, better.box).iou;
    if (overlap >= 0.2 && (overlap < 0.8 || turn > 12)) { // below 0.2 the points have left the face
      region = better;
      found = await findLandmarks(model, photo, region);
    }
    const score = mean(found.scores);
    if (score >= model.spec.score_threshold) faces.push({ box: region.box, score, points: found.points });
  }
  const kept = strongest(faces, (face) => tightBox(face.points), 0.5, 0.7);
  return kept.sort((a, b) => area(tightBox(b.points)) - area(tightBox(a.points)));
}

/** Points and scores of the face in a region: a box, and the degrees by which the face is turned counter-clockwise. */
async function findLandmarks({ spec, session }, photo, { box: [x0, y0, x1, y1], roll }) {
  const size = spec.input_size;
  const step = (Math.max(x1 - x0, y1 - y0) * (1 + spec.crop_margin)) / size; // photo pixels per crop pixel
  const cos = step * Math.cos((roll * Math.PI) / 180);
  const sin = step * Math.sin((roll * Math.PI) / 180);
  const middle = (size - 1) / 2;
  const toPhoto = (x, y) => [
    cos * (x - middle) + sin * (y - middle) + (x0 + x1) / 2,
    cos * (y - middle) - sin * (x - middle) + (y0 + y1) / 2,
  ];
  const { points, scores } = await run(session, "crops", [1, size, size, 3], sample(photo, size, toPhoto, step));
  const count = points.dims[1];
  return {
    points: range(0, count).map((i) => toPhoto(points.data[2 * i], points.data[2 * i + 1])),
    scores: Array.from(scores.data),
  };
}

/** The photo's colors at the places of `size` x `size` crop pixels, `step` apart: bilinear, black outside. */
function sample(photo, size, toPhoto, step) {
  const most = Math.min(photo.width, photo.height);
  const shrink = 2 ** Math.floor(Math.log2(clip(step * (1 + 1e-9), 1, most)));
  const { width, height, data } = blocks(photo, shrink); // so that nothing aliases
  const color = (x, y, channel) =>
    x < 0 || y < 0 || x >= width || y >= height ? 0 : data[3 * (y * width + x) + channel];
  const crop = new Uint8Array(3 * size * size);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const [x, y] = toPhoto(column, row).map((value) => (value + 0.5) / shrink - 0.5);
      const left = Math.floor(x), top = Math.floor(y);
      const right = x - left, down = y - top;
      for (let channel = 0; channel < 3; channel++) {
        const upper = color(left, top, channel) * (1 - right) + color(left + 1, top, channel) * right;
        const lower = color(left, top + 1, channel) * (1 - right) + color(left + 1, top + 1, channel) * right;
        crop[3 * (row * size + column) + channel] = Math.round(upper * (1 - down) + lower * down);
      }
    }
  }
  return crop;
}

/** The means of blocks of `shrink` x `shrink` pixels; at the right and the bottom the last pixels are repeated. */
function blocks(photo, shrink) {
  if (shrink === 1) return photo;
  const width = Math.ceil(photo.width / shrink), height = Math.ceil(photo.height / shrink);
  const data = new Float32Array(3 * width * height);
  for (let y = 0; y < height * shrink; y++) {
    for (let x = 0; x < width * shrink; x++) {
      const from = 3 * (Math.min(y, photo.height - 1) * photo.width + Math.min(x, photo.width - 1));
      const to = 3 * (Math.floor(y / shrink) * width + Math.floor(x / shrink));
      for (let channel = 0; channel < 3; channel++) data[to + channel] += photo.data[from + channel] / shrink ** 2;
    }
  }
  return { width, height, data: rounded(data, shrink === 2) };
}

/** Bytes of means, as OpenCV rounds them: ties go to the even number, but up where an image is halved. */
function rounded(means, halved) {
  return Uint8ClampedArray.from(means, halved ? (mean) => Math.floor(mean + 0.5) : (mean) => mean);
}

/** The image with a longer side of at most `side`: each pixel is the mean of the area that it covers. */
function reduce(image, side) {
  const factor = side / Math.max(image.width, image.height);
  if (factor >= 1) return image;
  const width = Math.max(1, Math.round(image.width * factor));
  const height = Math.max(1, Math.round(image.height * factor));
  const across = shares(image.width, width), along = shares(image.height, height);
  const narrow = new Float32Array(3 * image.height * width);
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < width; x++) {
      for (const [old, share] of across[x]) {
        for (let channel = 0; channel < 3; channel++) {
          narrow[3 * (y * width + x) + channel] += share * image.data[3 * (y * image.width + old) + channel];
        }
      }
    }
  }
  const data = new Float32Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    for (let place = 0; place < 3 * width; place++) {
      data[3 * width * y + place] = sum(along[y].map(([old, share]) => share * narrow[3 * width * old + place]));
    }
  }
  return { width, height, data: rounded(data, image.width === 2 * width && image.height === 2 * height) };
}

/** For each of `next` new pixels: the old ones that it covers, and the share of each. */
function shares(length, next) {
  const step = length / next;
  return range(0, next).map((index) => {
    const from = index * step, to = (index + 1) * step;
    return range(Math.floor(from), Math.min(Math.ceil(to), length)).map((old) => [
      old, (Math.min(to, old + 1) - Math.max(from, old)) / step,
    ]);
  });
}

/** The image with gray at the right and the bottom, up to multiples of `multiple`. */
function pad(image, multiple) {
  const width = Math.ceil(image.width / multiple) * multiple;
  const height = Math.ceil(image.height / multiple) * multiple;
  const data = new Uint8Array(3 * width * height).fill(128);
  for (let y = 0; y < image.height; y++) {
    data.set(image.data.subarray(3 * image.width * y, 3 * image.width * (y + 1)), 3 * width * y);
  }
  return { width, height, data };
}

/** The box around landmarks as it would be if the face was upright, and the roll. */
function regionOf(points) {
  const part = (from, to) => meanPoint(points.slice(from, to)); // of the 68 iBUG landmarks
  const roll = rollOf([part(36, 42), part(42, 48), points[30], points[48], points[54]]);
  const cos = Math.cos((roll * Math.PI) / 180), sin = Math.sin((roll * Math.PI) / 180);
  const [x0, y0, x1, y1] = tightBox(points.map(([x, y]) => [cos * x - sin * y, sin * x + cos * y]));
  const center = [(cos * (x0 + x1) + sin * (y0 + y1)) / 2, (cos * (y0 + y1) - sin * (x0 + x1)) / 2];
  return { box: boxAround(center, (x1 - x0) / 2, (y1 - y0) / 2), roll };
}

/** Degrees by which a face is turned counter-clockwise; 0 up to 15, which a network reads as it is. */
function rollOf(five) {
  const eyes = meanPoint(five.slice(0, 2)), mouth = meanPoint(five.slice(3));
  const roll = (Math.atan2(mouth[0] - eyes[0], mouth[1] - eyes[1]) * 180) / Math.PI;
  return Math.abs(roll) > 15 ? roll : 0;
}

function boxAround([x, y], halfWidth, halfHeight) {
  return [x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight];
}

function squareOf([x0, y0, x1, y1]) {
  const half = (x1 - x0 + y1 - y0) / 4;
  return boxAround([(x0 + x1) / 2, (y0 + y1) / 2], half, half);
}

function tightBox(points) {
  const [xs, ys] = [points.map((p) => p[0]), points.map((p) => p[1])];
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

function area([x0, y0, x1, y1]) {
  return Math.max(x1 - x0, 0) * Math.max(y1 - y0, 0);
}

/** Intersection over union, and over the smaller box. */
function overlaps(a, b) {
  const common = area([
    Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3]),
  ]);
  return { iou: common / (area(a) + area(b) - common), nesting: common / Math.min(area(a), area(b)) };
}

/** Those that no better one overlaps by more, the best first. */
function strongest(found, boxOf, iou, nesting = Infinity) {
  const kept = [];
  for (const each of [...found].sort((a, b) => b.score - a.score)) {
    const pairs = kept.map((other) => overlaps(boxOf(each), boxOf(other)));
    if (pairs.every((pair) => pair.iou <= iou && pair.nesting <= nesting)) kept.push(each);
  }
  return kept;
}

const [detector, model, photo] = process.argv.slice(2);
const image = jpeg.decode(readFileSync(photo), { useTArray: true, formatAsRGBA: false });
console.log(JSON.stringify(await findFaces(await open(detector), await open(model), image)));
