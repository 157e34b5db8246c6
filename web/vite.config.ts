import { createHash } from "node:crypto";

import { defineConfig, type Plugin } from "vite";

/** Tells the service worker which files the page needs offline: all but WebGPU's, which is loaded where it is chosen. */
function listShell(): Plugin {
  return {
    name: "list-shell",
    generateBundle(_options, bundle) {
      const files = Object.keys(bundle).filter((file) => !/service-worker|asyncify|webgpu/.test(file));
      const version = createHash("sha256").update(files.join("\n")).digest("hex").slice(0, 12);
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk" || chunk.fileName !== "service-worker.js") continue;
        chunk.code = `const SHELL = ${JSON.stringify(files)}, VERSION = ${JSON.stringify(version)};\n${chunk.code}`;
      }
    },
  };
}

// Many servers do not know that .mjs is JavaScript.
const assetFileNames = ({ names }: { names: string[] }) =>
  names[0]?.endsWith(".mjs") ? "assets/[name]-[hash].js" : "assets/[name]-[hash][extname]";

export default defineConfig({
  base: "./",
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", "module", "browser", "development|production"] },
  plugins: [listShell()],
  worker: { format: "es", rolldownOptions: { output: { assetFileNames } } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1000,
    rolldownOptions: {
      input: { index: "index.html", "service-worker": "src/service-worker.ts" },
      output: {
        entryFileNames: ({ name }) => (name === "service-worker" ? "[name].js" : "assets/[name]-[hash].js"),
        assetFileNames,
      },
    },
  },
});
