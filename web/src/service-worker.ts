/**
 * Keeps the page on the device, so that it works without a connection; and isolates it from other sites where its server
 * does not, so that WebAssembly may use threads from the second visit on.
 */

/// <reference lib="webworker" />

/** Files of the page that are kept at once; written in by the build. Others are kept when they are first used. */
declare const SHELL: readonly string[];
/** Changes with the files. */
declare const VERSION: string;

const worker = self as unknown as ServiceWorkerGlobalScope;
const CACHE = `efficientfan-${VERSION}`;

/** Names with a hash never change what they hold. */
const HASHED = /-[\w-]{8,}\.\w+$/;

async function install(): Promise<void> {
  const cache = await caches.open(CACHE);
  const catalog = (await (await fetch("models.json")).json()) as {
    detector: { file: string };
    models: { file: string }[];
  };
  await cache.addAll([...SHELL, "./", "models.json", catalog.detector.file, catalog.models[0]!.file]);
  await worker.skipWaiting();
}

async function activate(): Promise<void> {
  const old = (await caches.keys()).filter((name) => name.startsWith("efficientfan-") && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await worker.clients.claim();
}

function isolated(response: Response): Response {
  if (response.status === 0) return response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

async function respond(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request, { ignoreSearch: request.mode === "navigate" });
  if (kept !== undefined && HASHED.test(new URL(request.url).pathname)) return isolated(kept);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(request, response.clone());
    return isolated(response);
  } catch (error) {
    if (kept === undefined) throw error;
    return isolated(kept);
  }
}

worker.addEventListener("install", (event) => event.waitUntil(install()));
worker.addEventListener("activate", (event) => event.waitUntil(activate()));
worker.addEventListener("fetch", (event) => {
  const own = event.request.method === "GET" && event.request.url.startsWith(worker.registration.scope);
  if (own) event.respondWith(respond(event.request));
});
