/** What `models.json` says: the files of the models, and what their numbers mean. Written by `efficientfan/page`. */

export interface DetectorEntry {
  readonly name: string;
  readonly file: string;
  readonly bytes: number;
  /** Sides of the searched image are multiples of it. */
  readonly multiple: number;
  /** The image is searched in copies reduced to these longer sides. */
  readonly long_sides: readonly number[];
  readonly score_threshold: number;
}

export interface ModelEntry {
  readonly name: string;
  /** Short name, such as "fast". */
  readonly alias: string;
  readonly file: string;
  readonly bytes: number;
  readonly input_size: number;
  readonly crop_margin: number;
  readonly score_threshold: number;
  readonly schema: string;
}

export interface SchemaEntry {
  readonly landmarks: readonly string[];
  /** Pairs of indices that are joined with a line. */
  readonly edges: readonly (readonly [number, number])[];
  /** CSS color of each landmark. */
  readonly colors: readonly string[];
  /** Five groups of landmarks, whose means are eye centers, nose tip and mouth corners; null without them. */
  readonly five: readonly (readonly number[])[] | null;
  /** Place of each landmark on a neutral head, in interocular distances; null where the landmark moves. */
  readonly head: readonly (readonly [number, number, number] | null)[];
}

export interface Catalog {
  readonly detector: DetectorEntry;
  readonly models: readonly ModelEntry[];
  readonly schemas: Readonly<Record<string, SchemaEntry>>;
}

/** A network that runs: an uint8 array of a shape in, named float arrays out. */
export type Graph = (input: Uint8Array, shape: readonly number[]) => Promise<Readonly<Record<string, Float32Array>>>;

export async function fetchCatalog(base: string): Promise<Catalog> {
  const response = await fetch(new URL("models.json", base));
  if (!response.ok) throw new Error(`models.json cannot be loaded (${response.status})`);
  return (await response.json()) as Catalog;
}

/** The content of a model file. */
export async function fetchModel(base: string, file: string): Promise<ArrayBuffer> {
  const response = await fetch(new URL(file, base)).catch(() => null);
  if (response === null || !response.ok) {
    const reason = response === null ? "no connection, and it was not loaded before" : `status ${response.status}`;
    throw new Error(`The model ${file.split("/").pop()} cannot be loaded: ${reason}.`);
  }
  return await response.arrayBuffer();
}
