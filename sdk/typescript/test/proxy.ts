// A TCP proxy that cuts connections.
import { createServer, connect as dial, type Server as NetServer, type Socket } from "node:net";
import { once } from "node:events";

export class Proxy {
  /** Connections that were opened through it. */
  opened = 0;
  readonly #listener: NetServer;
  readonly #pairs = new Set<[Socket, Socket]>();
  #target: string;
  #closed = false; // refuses new connections
  #held = false; // passes nothing on
  #tried: () => void = () => undefined;

  private constructor(target: string) {
    this.#target = target;
    this.#listener = createServer((client) => {
      this.#accept(client);
    });
  }

  /** Opens a proxy before host:port. */
  static async open(target: string): Promise<Proxy> {
    const p = new Proxy(target);
    p.#listener.listen(0, "127.0.0.1");
    await once(p.#listener, "listening");
    return p;
  }

  get address(): string {
    const at = this.#listener.address();
    return typeof at === "object" && at !== null ? `127.0.0.1:${String(at.port)}` : "";
  }

  get connections(): number {
    return this.#pairs.size;
  }

  #accept(client: Socket): void {
    this.opened++;
    this.#tried();
    if (this.#closed) {
      client.resetAndDestroy();
      return;
    }
    const [host = "", port = ""] = this.#target.split(":");
    const server = dial(Number(port), host);
    const pair: [Socket, Socket] = [client, server];
    this.#pairs.add(pair);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.setNoDelay(true);
      from.on("error", () => undefined); // told by close
      from.on("close", () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
      from.pipe(to);
    }
    if (this.#held) {
      this.#stall(pair);
    }
  }

  /** Cuts every connection, in the middle of whatever it carries. */
  cut(): void {
    for (const [client, server] of this.#pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    this.#pairs.clear();
  }

  /** Cuts everything, and takes no connection until `restore`. */
  refuse(): void {
    this.#closed = true;
    this.cut();
  }

  /** Lets connections be, and passes nothing on: as of a network that vanished. */
  stall(): void {
    this.#held = true;
    this.#pairs.forEach((pair) => {
      this.#stall(pair);
    });
  }

  #stall([client, server]: [Socket, Socket]): void {
    client.unpipe(server).pause();
    server.unpipe(client).pause();
  }

  /** Waits until n more connections were tried. */
  async tried(n: number): Promise<void> {
    for (; n > 0; n--) {
      await new Promise<void>((resolve) => {
        this.#tried = resolve;
      });
    }
  }

  /** Takes connections, and passes on what new ones carry. */
  restore(): void {
    this.#closed = false;
    this.#held = false;
  }

  async close(): Promise<void> {
    this.refuse();
    this.#listener.close();
    await once(this.#listener, "close");
  }
}
