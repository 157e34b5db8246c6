/** What was found, in tables that a screen reader can read, and as the JSON that `efficientfan predict --pose` writes. */

import { isUnseen, scoreOf } from "./landmarks";
import type { ModelEntry, SchemaEntry } from "./models";
import type { Pose } from "./pose";
import type { PosedFace } from "./protocol";

export interface Result {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly model: ModelEntry;
  readonly schema: SchemaEntry;
  readonly faces: readonly PosedFace[];
}

function cell(kind: "td" | "th", text: string): HTMLTableCellElement {
  const made = document.createElement(kind);
  made.textContent = text;
  if (kind === "th") made.scope = "row";
  return made;
}

function degrees(pose: Pose | null, angle: "yaw" | "pitch" | "roll"): string {
  if (pose === null) return "unknown";
  const rounded = Math.round(pose[angle]);
  return rounded > 0 ? `+${rounded}°` : `${Math.abs(rounded) && rounded}°`.replace("-", "\u2212");
}

function unseenOf(face: PosedFace): number[] {
  return Array.from(face.scores.keys()).filter((index) => isUnseen(face, index));
}

/** Rows of the table of faces. */
export function showFaces(body: HTMLTableSectionElement, faces: readonly PosedFace[]): void {
  body.replaceChildren(
    ...faces.map((face, index) => {
      const row = document.createElement("tr");
      row.append(
        cell("th", String(index + 1)),
        cell("td", scoreOf(face).toFixed(2)),
        cell("td", degrees(face.pose, "yaw")),
        cell("td", degrees(face.pose, "pitch")),
        cell("td", degrees(face.pose, "roll")),
        cell("td", face.visibility === null ? "unknown" : `${unseenOf(face).length} of ${face.scores.length}`),
      );
      return row;
    }),
  );
}

/** A table of landmarks per face, filled when it is opened. */
export function showLandmarks(place: HTMLElement, { faces, schema }: Result): void {
  place.replaceChildren(
    ...faces.map((face, number) => {
      const details = document.createElement("details");
      const summary = document.createElement("summary");
      summary.textContent = `Landmarks of face ${number + 1}`;
      details.append(summary);
      details.addEventListener("toggle", () => details.append(landmarkTable(face, schema)), { once: true });
      return details;
    }),
  );
}

function landmarkTable(face: PosedFace, schema: SchemaEntry): HTMLTableElement {
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const title of ["Landmark", "x", "y", "Score", "Visible"]) {
    const column = cell("th", title);
    column.scope = "col";
    head.append(column);
  }
  const body = table.createTBody();
  schema.landmarks.forEach((name, index) => {
    const visible = face.visibility?.[3 * index];
    body.insertRow().append(
      cell("th", `${index} ${name.replaceAll("_", " ")}`),
      cell("td", face.points[2 * index]!.toFixed(1)),
      cell("td", face.points[2 * index + 1]!.toFixed(1)),
      cell("td", face.scores[index]!.toFixed(2)),
      cell("td", visible === undefined ? "unknown" : `${Math.round(100 * visible)} %`),
    );
  });
  return table;
}

function rounded(values: ArrayLike<number>, digits: number): number[] {
  return Array.from(values, (value) => Number(value.toFixed(digits)));
}

function inRows(values: readonly number[], columns: number): number[][] {
  return Array.from({ length: values.length / columns }, (_, row) => values.slice(row * columns, (row + 1) * columns));
}

/** Plain values, with the keys of `efficientfan predict --pose`. */
export function toRecord({ name, width, height, model, faces }: Result): object {
  return {
    image: name,
    width,
    height,
    model: model.name,
    schema: model.schema,
    faces: faces.map((face) => ({
      box: rounded(face.region.box, 3),
      roll: Number(face.region.roll.toFixed(2)),
      score: Number(scoreOf(face).toFixed(4)),
      points: inRows(rounded(face.points, 3), 2),
      scores: rounded(face.scores, 4),
      ...(face.detected && {
        detector_box: rounded(face.detected.box, 3),
        detector_score: Number(face.detected.score.toFixed(4)),
      }),
      ...(face.visibility && { visibility: inRows(rounded(face.visibility, 4), 3) }),
      pose: face.pose && {
        yaw: Number(face.pose.yaw.toFixed(2)),
        pitch: Number(face.pose.pitch.toFixed(2)),
        roll: Number(face.pose.roll.toFixed(2)),
        error: Number(face.pose.error.toFixed(3)),
      },
    })),
  };
}

/** Hand a file to the user, as a download. */
export function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
