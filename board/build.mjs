// Builds the page: script and style into one HTML file without outside assets. The same sources give the same bytes.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const built = await build({
  absWorkingDir: here("."),
  entryPoints: ["src/main.tsx", "src/style.css"],
  outdir: "built",
  bundle: true,
  charset: "utf8",
  format: "iife",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  minify: true,
  target: "es2022",
  write: false,
});
const text = (ending) => built.outputFiles.find((file) => file.path.endsWith(ending)).text.trim();
const page = readFileSync(here("src/page.html"), "utf8")
  .replace("/* style */", () => text(".css"))
  .replace("/* script */", () => text(".js").replaceAll("</script", "<\\/script"));
writeFileSync(process.argv[2] ?? here("../server/board/switchboard.html"), page);
