// What `npm pack` makes installs into a clean project, compiles there, runs in
// Node, and bundles for a browser without anything of Node.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { test } from "node:test";
import { serve } from "./transports.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const exec = promisify(execFile);

const program = `
import { connect, type Recall } from "@engram-stream/client";
const client = connect(process.argv[2] ?? "");
await client.observe("packed", { content: "the kettle is in the red box" });
const found: Recall = await client.recall("packed", "kettle");
console.log(found.results[0]?.observation.content);
client.close();
`;

const page = `
import { connect } from "@engram-stream/client";
globalThis.session = connect(location.origin).openSession("page");
`;

test("the packed package", { timeout: 120_000 }, async (t) => {
  const server = await serve(t);
  const dir = await mkdtemp(join(tmpdir(), "engram-pack-"));
  t.after(() => rm(dir, { recursive: true }));
  const { stdout } = await exec("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", dir], { cwd: root });
  const said = JSON.parse(stdout) as unknown;
  const [packed] = Object.values(said as Record<string, { filename: string; files: { path: string }[] }>);
  const files = packed?.files.map((f) => f.path) ?? [];
  assert.ok(files.includes("dist/node.js") && files.includes("dist/gen/engram/v1/memory_service_pb.js") && files.includes("README.md"), files.join(" "));
  assert.ok(!files.some((f) => /^(test|build|node_modules)\//.test(f)), files.join(" "));

  const project = join(dir, "project");
  await mkdir(project);
  await writeFile(join(project, "package.json"), JSON.stringify({ name: "clean", private: true, type: "module" }));
  await copyFile(join(root, ".npmrc"), join(project, ".npmrc"));
  await exec("npm", ["install", "--prefer-offline", "--no-package-lock", join(dir, packed?.filename ?? "")], { cwd: project });

  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  await writeFile(join(project, "main.ts"), program);
  await writeFile(
    join(project, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: { strict: true, module: "NodeNext", target: "ES2022", types: ["node"], typeRoots: [join(root, "node_modules", "@types")] },
      include: ["main.ts"],
    }),
  );
  await exec(process.execPath, [tsc, "-p", project]);
  const ran = await exec(process.execPath, [join(project, "main.js"), server.address], { timeout: 20_000 });
  assert.equal(ran.stdout, "the kettle is in the red box\n");

  // For a browser: esbuild fails on imports of Node's own modules.
  await writeFile(join(project, "page.js"), page);
  const esbuild = join(root, "node_modules", ".bin", "esbuild");
  const out = join(project, "page.out.js");
  await exec(esbuild, [join(project, "page.js"), "--bundle", "--minify", "--format=esm", "--platform=browser", `--outfile=${out}`]);
  const bundle = await readFile(out, "utf8");
  assert.ok(!/\bnode:|http2|\bBuffer\b/.test(bundle), "something of Node is in the bundle");
  assert.ok(bundle.length < 250_000, `the bundle has ${String(bundle.length)} bytes`);
  t.diagnostic(`the browser's bundle has ${String(bundle.length)} bytes, minified`);
});
