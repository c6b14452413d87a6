// The README's programs run as they are written, but for the server's address.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { test } from "node:test";
import { patience, serve } from "./transports.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const exec = promisify(execFile);

test("the programs of the README", { timeout: 60_000 }, async (t) => {
  const text = await readFile(join(root, "README.md"), "utf8");
  const programs = [...text.matchAll(/```ts\n(.*?)```/gs)].map((m) => m[1] ?? "");
  assert.equal(programs.length, 3);
  const server = await serve(t);
  // Within the package, so that its own name leads to it.
  const dir = await mkdtemp(join(root, "build", "readme-"));
  t.after(() => rm(dir, { recursive: true }));
  for (const [i, program] of programs.entries()) {
    await writeFile(join(dir, `program${String(i)}.ts`), program.replaceAll("127.0.0.1:50051", server.address));
  }
  await writeFile(
    join(dir, "tsconfig.json"),
    JSON.stringify({ extends: "../../tsconfig.json", compilerOptions: { rootDir: ".", outDir: "out", declaration: false }, include: ["*.ts"] }),
  );
  await exec(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", dir]);
  const said = [];
  for (const i of programs.keys()) {
    const { stdout } = await exec(process.execPath, [join(dir, "out", `program${String(i)}.js`)], patience);
    said.push(stdout);
  }
  assert.match(said[0] ?? "", /^0\.\d\d the kettle is in the red box\n1 kept\n$/);
  assert.match(said[1] ?? "", /2000 visible, 0 rejected\n$/);
  assert.equal(said[2], "");
});
