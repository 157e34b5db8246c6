/** The page's side of the worker: questions with one answer each. */

import type { EngineName } from "./engine";
import type { Answer, Look, Looked, Open, Opened } from "./protocol";

export class Client {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  private nextId = 0;

  constructor() {
    this.worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    this.worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
      const waiting = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if ("error" in data) waiting?.reject(new Error(data.error));
      else waiting?.resolve(data.result);
    });
    this.worker.addEventListener("error", (event) => {
      const error = new Error(event.message || "The part of the page that runs the models could not start.");
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    });
  }

  open(model: string, engine: EngineName): Promise<Opened> {
    return this.ask({ kind: "open", model, engine, base: document.baseURI }, []) as Promise<Opened>;
  }

  /** The bitmap is handed over, and comes back with the answer. */
  look(kind: Look["kind"], bitmap: ImageBitmap): Promise<Looked> {
    return this.ask({ kind, bitmap }, [bitmap]) as Promise<Looked>;
  }

  private ask(question: Open | Look, transfer: Transferable[]): Promise<unknown> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, ...question }, transfer);
    });
  }
}
