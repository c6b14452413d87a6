// Measures a session: `npm run bench`, after `make build` and `npm run build`.
// A server is started for it; COUNT, DIMENSION, BATCH and TRANSPORT change it. The
// server works on the same processors, and builds its graph meanwhile, unless
// NO_GRAPH says that the space has none.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const { COUNT = "50000", DIMENSION = "384", BATCH, TRANSPORT = "node", NO_GRAPH = "" } = process.env;
const { connect } = await import(`@engram-stream/client/${TRANSPORT}`);
const count = Number(COUNT);
const dimension = Number(DIMENSION);

const program = process.env.ENGRAM_SERVER ?? fileURLToPath(new URL("../../../bin/engram", import.meta.url));
const dir = await mkdtemp(join(tmpdir(), "engram-bench-"));
const server = spawn(program, ["serve", "--listen", "127.0.0.1:0", "--data-dir", dir, "--log-level", "error"], { stdio: ["ignore", "pipe", "inherit"] });
const [line] = await once(server.stdout, "data");
const address = /http:\/\/(\S+)/.exec(String(line))[1];
const client = connect(address);
try {
  while (!(await fetch(`http://${address}/readyz`)).ok);
  const vectors = Array.from({ length: 1000 }, () => Float32Array.from({ length: dimension }, () => Math.random() - 0.5));
  console.log(`${count} observations of ${dimension}-d, Node ${process.versions.node}\n| round | observations/s | client CPU µs each |\n|---|---|---|`);
  for (let round = 1; round <= 3; round++) {
    await client.createSpace("bench", { dimension, ...(NO_GRAPH === "" ? {} : { indexThreshold: 2 ** 31 }) });
    const session = await client.openSession("bench", BATCH === undefined ? {} : { batch: Number(BATCH) });
    const cpu = process.cpuUsage();
    const began = performance.now();
    for (let i = 0; i < count; i++) {
      await session.observe({ vector: vectors[i % vectors.length] });
    }
    await session.flush();
    const seconds = (performance.now() - began) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    console.log(`| ${TRANSPORT}, ${round} | ${Math.round(count / seconds).toLocaleString("en")} | ${((user + system) / count).toFixed(1)} |`);
    await session.close();
    await client.deleteSpace("bench"); // the next round is not to pay for this one's graph
  }
} finally {
  client.close();
  server.kill("SIGTERM");
  await once(server, "exit");
  await rm(dir, { recursive: true });
}
