/** ONNX Runtime in this thread: WebAssembly, or the graphics processor by WebGPU where the browser has it. */

import type { InferenceSession } from "onnxruntime-web/wasm";
import asyncifyGlue from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url";
import asyncifyWasm from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url";
import plainGlue from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import plainWasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

import type { Graph } from "./models";

export type EngineName = "wasm" | "webgpu";

type Runtime = typeof import("onnxruntime-web/wasm");

/** More threads than that do not make networks of this size faster. */
const MOST_THREADS = 4;

/** Threads that WebAssembly may use: one where the page is not isolated from other sites (no SharedArrayBuffer). */
export function wasmThreads(): number {
  return self.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1) : 1;
}

export class Engine {
  private constructor(
    private readonly runtime: Runtime,
    readonly name: EngineName,
    readonly threads: number,
  ) {}

  /** Load the runtime; each engine has its own file. */
  static async load(name: EngineName): Promise<Engine> {
    if (typeof WebAssembly === "undefined") {
      throw new Error("This browser has no WebAssembly, or it is switched off; the models cannot run.");
    }
    const gpu = name === "webgpu";
    const runtime: Runtime = gpu ? await import("onnxruntime-web/webgpu") : await import("onnxruntime-web/wasm");
    const threads = wasmThreads();
    const whole = (url: string) => new URL(url, self.location.href).href;
    runtime.env.wasm.numThreads = threads;
    runtime.env.wasm.wasmPaths = {
      mjs: whole(gpu ? asyncifyGlue : plainGlue),
      wasm: whole(gpu ? asyncifyWasm : plainWasm),
    };
    return new Engine(runtime, name, threads);
  }

  /** A model file's content as a graph. */
  async open(model: ArrayBuffer): Promise<Graph> {
    const session: InferenceSession = await this.runtime.InferenceSession.create(model, {
      executionProviders: [this.name],
      graphOptimizationLevel: "all",
      logSeverityLevel: 3,
    });
    const input = session.inputNames[0]!;
    return async (data, shape) => {
      const tensor = new this.runtime.Tensor("uint8", data, shape);
      const found = await session.run({ [input]: tensor });
      const entries = Object.entries(found).map(([name, each]) => [name, each.data as Float32Array] as const);
      return Object.fromEntries(entries);
    };
  }
}
