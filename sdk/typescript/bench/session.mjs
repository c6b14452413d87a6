// Measures a session: `npm run bench`, after `make build` and `npm run build`.
// A server is started for it; COUNT, DIMENSION, BATCH and TRANSPORT change it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const { COUNT = "50000", DIMENSION = "384", BATCH, TRANSPORT = "node" } = process.env;
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
  // Without a graph: it is the client that is measured.
  await client.createSpace("bench", { dimension, indexThreshold: 2 ** 31 });
  const vectors = Array.from({ length: 1000 }, () => Float32Array.from({ length: dimension }, () => Math.random() - 0.5));
  const session = await client.openSession("bench", BATCH === undefined ? {} : { batch: Number(BATCH) });
  for (let round = 1; round <= 3; round++) {
    const cpu = process.cpuUsage();
    const began = performance.now();
    for (let i = 0; i < count; i++) {
      await session.observe({ vector: vectors[i % vectors.length] });
    }
    await session.flush();
    const seconds = (performance.now() - began) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    console.log(`${TRANSPORT}: ${Math.round(count / seconds)} observations/s of ${dimension}-d, visible; ${((user + system) / count).toFixed(1)} µs of the client's processor each`);
  }
  await session.close();
} finally {
  client.close();
  server.kill("SIGTERM");
  await once(server, "exit");
  await rm(dir, { recursive: true });
}
