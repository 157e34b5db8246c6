/** Landmarks over a photo, in the colors of `efficientfan/draw.py`. */

import { boxOfPoints } from "./geometry";
import { isUnseen, type Face } from "./landmarks";
import type { SchemaEntry } from "./models";

const NEUTRAL = "#c8cdd2";
const BOX = "#f5f5f5";
const DARK = "#181c22";

export interface Looks {
  readonly lines: boolean;
  readonly boxes: boolean;
}

/** Draw faces on a canvas that shows a photo of `width` pixels. */
export function drawFaces(
  canvas: HTMLCanvasElement,
  faces: readonly Face[],
  schema: SchemaEntry,
  width: number,
  looks: Looks,
): void {
  const context = canvas.getContext("2d")!;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  // Pixel centers are at integers: the photo's left edge, x = -0.5, is the canvas's 0.
  const scale = canvas.width / width;
  context.setTransform(scale, 0, 0, scale, scale / 2, scale / 2);
  context.lineCap = "round";
  for (const face of faces) {
    const [x0, y0, x1, y1] = boxOfPoints(face.points);
    const size = Math.max(x1 - x0, y1 - y0);
    if (looks.boxes) drawBox(context, face, Math.max(size / 150, 1 / scale));
    if (looks.lines) drawLines(context, face, schema, Math.max(size / 250, 1 / scale));
    drawDots(context, face, schema, Math.max(size / 110, 0.9 / scale));
  }
}

/** The searched box, turned as the face is. */
function drawBox(context: CanvasRenderingContext2D, face: Face, line: number): void {
  const [x0, y0, x1, y1] = face.region.box;
  context.save();
  context.translate((x0 + x1) / 2, (y0 + y1) / 2);
  context.rotate((-face.region.roll * Math.PI) / 180);
  for (const [color, width] of [[DARK, 2.2 * line], [BOX, line]] as const) {
    context.strokeStyle = color;
    context.lineWidth = width;
    context.strokeRect((x0 - x1) / 2, (y0 - y1) / 2, x1 - x0, y1 - y0);
  }
  context.restore();
}

function drawLines(context: CanvasRenderingContext2D, face: Face, schema: SchemaEntry, width: number): void {
  const { points } = face;
  const stroke = (a: number, b: number, color: string, lineWidth: number) => {
    context.strokeStyle = color;
    context.lineWidth = lineWidth;
    context.beginPath();
    context.moveTo(points[2 * a]!, points[2 * a + 1]!);
    context.lineTo(points[2 * b]!, points[2 * b + 1]!);
    context.stroke();
  };
  for (const [a, b] of schema.edges) stroke(a, b, DARK, 2 * width);
  for (const [a, b] of schema.edges) {
    stroke(a, b, schema.colors[a] === schema.colors[b] ? schema.colors[a]! : NEUTRAL, width);
  }
}

/** Discs; rings for landmarks that are not visible. */
function drawDots(context: CanvasRenderingContext2D, face: Face, schema: SchemaEntry, radius: number): void {
  schema.colors.forEach((color, index) => {
    const unseen = isUnseen(face, index);
    context.beginPath();
    context.arc(face.points[2 * index]!, face.points[2 * index + 1]!, unseen ? 1.3 * radius : radius, 0, 2 * Math.PI);
    context.lineWidth = unseen ? radius / 2 : radius;
    context.strokeStyle = unseen ? color : DARK;
    context.stroke();
    if (unseen) return;
    context.fillStyle = color;
    context.fill();
  });
}
