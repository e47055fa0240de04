// Builds the page into the package: its script, that of the layout which runs beside it, one style sheet, one typeface, and what they were built from.
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const target = process.argv[2] ?? `${here}../kgdistill/serve/page`;

await build({
  absWorkingDir: here,
  entryPoints: { page: "src/main.tsx", layout: "src/layout.ts" },
  outdir: target,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2022", "chrome123", "firefox120", "safari17.5"],
  jsx: "automatic",
  jsxImportSource: "preact",
  external: ["*.woff2"],
  legalComments: "none",
  logLevel: "warning",
});
const typeface = `${here}node_modules/@fontsource-variable/source-serif-4/files/source-serif-4-latin-wght-normal.woff2`;
copyFileSync(typeface, `${target}/text.woff2`);
for (const name of ["page.html", "icon.svg"]) copyFileSync(`${here}src/${name}`, `${target}/${name}`);

// A test without node tells by this whether the bundle is that of these sources.
const hash = createHash("sha256");
for (const name of readdirSync(`${here}src`).sort()) hash.update(name).update(readFileSync(`${here}src/${name}`));
hash.update(readFileSync(`${here}package-lock.json`));
writeFileSync(`${target}/sources.sha256`, hash.digest("hex") + "\n");
