// A real server, and the built page before it as `npm run preview` serves it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const binary = process.env.TEST_ENGRAM_BINARY ?? join(root, "..", "..", "bin", "engram");

/** A server process. Owner: the test `t`, with which it ends. */
export class Server {
  address = "127.0.0.1:0";
  #flags;
  #dir;
  #child;

  static async start(t, ...flags) {
    const s = new Server();
    s.#flags = flags;
    s.#dir = await mkdtemp(join(tmpdir(), "engram-web-server-"));
    t.after(async () => {
      await s.kill();
      await rm(s.#dir, { recursive: true, force: true });
    });
    await s.start();
    return s;
  }

  /** Starts it, again on the same port and data, and waits until it answers. */
  async start() {
    // The server takes unknown ENGRAM_ variables for mistakes.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("ENGRAM_")));
    const child = spawn(binary, ["serve", "--listen", this.address, "--data-dir", join(this.#dir, "data"), ...this.#flags], { stdio: ["ignore", "pipe", "ignore"], env });
    this.#child = child;
    for await (const line of createInterface({ input: child.stdout })) {
      const [, at] = /listening on \S*?:\/\/(\S+)/.exec(line) ?? [];
      if (at !== undefined) {
        this.address = at;
        break;
      }
    }
    while ((await fetch(`http://${this.address}/readyz`)).status !== 200) {
      if (child.exitCode !== null) {
        throw new Error("the server ended");
      }
    }
  }

  async kill() {
    const child = this.#child;
    this.#child = undefined;
    if (child !== undefined && child.exitCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
  }
}

/** Serves the built page; gives its URL. */
export async function site(t, server) {
  process.env.ENGRAM_SERVER = `http://${server.address}`; // read by vite.config.ts
  const { preview } = await import("vite");
  const page = await preview({ root, logLevel: "silent", preview: { port: 0, host: "127.0.0.1" } });
  t.after(() => page.close());
  return page.resolvedUrls.local[0];
}
