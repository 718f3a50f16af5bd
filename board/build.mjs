// Builds both pages without outside assets: the operator page as a script and a style that the server serves, and the
// switchboard for hosts of MCP Apps as one HTML file. The same sources give the same bytes.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const root = process.argv[2] ?? here("..");
const built = await build({
  absWorkingDir: here("."),
  entryPoints: ["src/operator.tsx", "src/switchboard.tsx", "src/style.css"],
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
const text = (name) => built.outputFiles.find((file) => file.path.endsWith(`/${name}`)).text.trim();
const write = (name, content) => {
  const path = `${root}/server/${name}`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${content}\n`);
};
const page = readFileSync(here("src/switchboard.html"), "utf8")
  .trim()
  .replace("/* style */", () => text("style.css"))
  .replace("/* script */", () => text("switchboard.js").replaceAll("</script", "<\\/script"));
write("board/switchboard.html", page);
write("web/operator/static/app.css", text("style.css"));
write("web/operator/static/app.js", text("operator.js"));
