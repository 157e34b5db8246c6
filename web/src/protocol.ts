/** What the page and its worker say to each other. */

import type { EngineName } from "./engine";
import type { Face } from "./landmarks";
import type { Pose } from "./pose";

export interface Open {
  readonly kind: "open";
  /** Name of a model in the catalog. */
  readonly model: string;
  readonly engine: EngineName;
  /** The page's own address, below which the models are. */
  readonly base: string;
}

export interface Look {
  readonly kind: "photo" | "frame";
  readonly bitmap: ImageBitmap;
}

export type Question = { readonly id: number } & (Open | Look);

export interface Opened {
  readonly engine: EngineName;
  readonly threads: number;
  /** Why WebGPU is not in use although it was asked for, or null. */
  readonly fallback: string | null;
}

/** A face and where its head points. */
export interface PosedFace extends Face {
  readonly pose: Pose | null;
}

export interface Looked {
  readonly faces: readonly PosedFace[];
  readonly width: number;
  readonly height: number;
  readonly milliseconds: number;
  /** The photo or frame, handed back. */
  readonly bitmap: ImageBitmap;
}

export type Answer = { readonly id: number } & (
  | { readonly error: string }
  | { readonly result: Opened | Looked }
);
