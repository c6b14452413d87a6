// The browser's client in a real Chromium: a page of another origin streams
// through a proxy that cuts its connections, and tells what came of it.
import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { test } from "node:test";
import type { Closed } from "@engram-stream/client/node";
import { Proxy } from "./proxy.js";
import { client, idsIn, node, numbers, serve } from "./transports.js";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Runs in the page: `cut` asks the test to cut every connection. */
const page = `
import { connect, eq } from "@engram-stream/client";
const post = (path, body) => fetch(path, { method: "POST", body });
try {
  const client = connect(new URLSearchParams(location.search).get("server"));
  const session = await client.openSession("page", { batch: 100 });
  for (let i = 1; i <= 2000; i++) {
    await session.observe({ id: String(i), vector: Float32Array.of(1, i % 97, i % 89, i / 1000), metadata: { odd: i % 2 === 1 } });
    if (i % 500 === 0) {
      await post("/cut");
    }
  }
  await session.flush();
  const found = await client.recall("page", Float32Array.of(1, 1, 1, 0.001), { limit: 3, filter: [eq("metadata.odd", true)] });
  const streamed = [];
  for await (const r of client.recallStream("page", Float32Array.of(1, 1, 1, 0.001), { limit: 50, increment: 10 })) {
    streamed.push(r.observation.id);
  }
  const memory = await client.openMemory("page");
  await memory.observe({ id: "own", vector: Float32Array.of(-1, -1, -1, -1) });
  const own = await memory.recall(Float32Array.of(-1, -1, -1, -1), { limit: 1 });
  await memory.close();
  const { reconnects } = session.stats;
  const refused = await client.recall("nowhere", "x").catch((e) => e.reason);
  await post("/done", JSON.stringify({ end: await session.close(), reconnects, found: found.results.map((r) => r.observation.id), streamed: streamed.length, own: own.results[0].observation.id, refused }));
} catch (e) {
  await post("/done", JSON.stringify({ error: String(e), stack: e.stack }));
}
`;

const missing = (() => {
  try {
    execFileSync("chromium", ["--version"], { stdio: "ignore" });
    return false;
  } catch {
    return "the Debian package chromium is not installed";
  }
})();

test("a page in Chromium", { timeout: 60_000, skip: missing }, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "engram-page-"));
  await writeFile(join(root, "build", "page.js"), page); // within the package, so that its name leads to it
  const bundle = join(dir, "page.js");
  await promisify(execFile)(join(root, "node_modules", ".bin", "esbuild"), [join(root, "build", "page.js"), "--bundle", "--format=esm", "--platform=browser", `--outfile=${bundle}`]);

  let done: (said: string) => void = () => undefined;
  const said = new Promise<string>((resolve) => {
    done = resolve;
  });
  const acts = { cut: (): void => undefined };
  const answer = async (req: IncomingMessage, res: ServerResponse) => {
    const body = (await req.toArray()).map(String).join("");
    if (req.url === "/cut") {
      acts.cut();
    } else if (req.url === "/done") {
      done(body);
    }
    res.setHeader("content-type", req.url === "/page.js" ? "text/javascript" : "text/html");
    res.end(req.url === "/page.js" ? await readFile(bundle) : '<!doctype html><script type="module" src="/page.js"></script>');
  };
  const site = createServer((req, res) => void answer(req, res));
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  t.after(() => {
    site.closeAllConnections();
    site.close();
  });
  const at = site.address();
  const origin = `http://127.0.0.1:${String(typeof at === "object" && at !== null ? at.port : 0)}`;
  const server = await serve(t, "--cors-allowed-origins", origin);
  const proxy = await Proxy.open(server.address);
  t.after(() => proxy.close());
  acts.cut = () => {
    proxy.cut();
  };

  const quiet = ["--no-first-run", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  const browser = spawn("chromium", ["--headless", "--no-sandbox", ...quiet, `--user-data-dir=${join(dir, "profile")}`, `${origin}/?server=http://${proxy.address}`], { stdio: "ignore" });
  t.after(async () => {
    const ended = once(browser, "exit");
    browser.kill();
    await ended;
    await rm(dir, { recursive: true, force: true, maxRetries: 10 }); // its own processes end after it
  });
  const { end, found, reconnects, ...rest } = JSON.parse(await said) as { end: Closed; found: string[]; reconnects: number };
  assert.deepEqual(rest, { streamed: 50, own: "own", refused: "SPACE_NOT_FOUND" });
  assert.deepEqual(found.map((id) => Number(id) % 2), [1, 1, 1]); // those that match
  assert.deepEqual([end.finalSequence, end.accepted, end.rejected], [2000, 2000, 0]);
  assert.ok(reconnects >= 1);
  assert.deepEqual(await idsIn(client(t, node, server.address), "page"), [...numbers(1, 2000), "own"]);
});
