// A real server in a process of its own, for tests.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { once } from "node:events";

const built = fileURLToPath(new URL("../../../bin/engram", import.meta.url));

/** The program under test: ENGRAM_SERVER, or what `make build` makes. */
export const program = process.env["ENGRAM_SERVER"] ?? built;

export class Server {
  address = "";
  readonly #dataDir: string;
  readonly #flags: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(dataDir: string, flags: readonly string[]) {
    this.#dataDir = dataDir;
    this.#flags = flags;
  }

  /** Starts a server on a port that the system chooses. */
  static async start(...flags: string[]): Promise<Server> {
    const s = new Server(await mkdtemp(join(tmpdir(), "engram-ts-")), flags);
    await s.run("127.0.0.1:0");
    return s;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  /** Starts the process and waits until it serves. */
  async run(listen = this.address): Promise<void> {
    const child = spawn(program, ["serve", "--listen", listen, "--data-dir", this.#dataDir, "--log-level", "error", ...this.#flags], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#process = child;
    let said = "";
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      said += chunk.toString();
      const found = /http:\/\/(\S+)/.exec(said);
      if (found?.[1] !== undefined) {
        this.address = found[1];
        break;
      }
    }
    if (this.address === "") {
      throw new Error(`the server said ${JSON.stringify(said)}`);
    }
    // It listens before it has read its journal, and says so: nothing but asking tells.
    while (!(await ready(this.url))) {
      if (child.exitCode !== null) {
        throw new Error(`the server ended with ${String(child.exitCode)}`);
      }
    }
  }

  /** Drains the server, and checks that it ends well. */
  async stop(): Promise<void> {
    const code = await this.#end("SIGTERM");
    if (code !== 0) {
      throw new Error(`the server ended with ${String(code)}`);
    }
  }

  /** Ends the process as a crash would. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Ends the process, and removes its data. */
  async remove(): Promise<void> {
    await this.kill();
    await rm(this.#dataDir, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#process;
    this.#process = undefined;
    if (child?.exitCode !== null || child.signalCode !== null) {
      return child?.exitCode ?? 0; // it is not there, or ended by itself
    }
    const ended = once(child, "exit");
    child.kill(signal);
    const [code] = (await ended) as [number | null];
    return code;
  }
}

async function ready(url: string): Promise<boolean> {
  try {
    const res = await fetch(`${url}/readyz`, { headers: { connection: "close" } });
    await res.arrayBuffer();
    return res.ok;
  } catch {
    return false;
  }
}
