// Whether the server is there: the page's own view, beside what its session does.
import { type Client, EngramError } from "@engram-stream/client";
import { Store } from "./store.ts";

export type Presence = "connecting" | "online" | "starting" | "offline";

/** SERVER_STATE_REPLAYING of the contract: it reads its journal back. */
const replaying = 1;
/** The server says every so often how it is, in ms … */
const intervalMs = 1_000;
/** … and counts as gone when it has said nothing for this long. */
const silentMs = 5_000;

/** Watches the server while somebody looks. */
export class Watch extends Store<{ presence: Presence; refused: string }> {
  readonly #client: Client;

  constructor(client: Client) {
    super({ presence: "connecting", refused: "" });
    this.#client = client;
  }

  /** Watches until the returned function is called. */
  readonly start = (): (() => void) => {
    const life = new AbortController();
    void this.#run(life.signal);
    return () => {
      life.abort();
    };
  };

  async #run(life: AbortSignal): Promise<void> {
    for (let failures = 0; !life.aborted; failures++) {
      const call = new AbortController();
      const end = () => {
        call.abort();
      };
      life.addEventListener("abort", end);
      addEventListener("offline", end);
      let timer = setTimeout(end, silentMs);
      let refused = "";
      try {
        for await (const status of this.#client.watchStatus({ intervalMs, signal: call.signal })) {
          clearTimeout(timer);
          timer = setTimeout(end, silentMs);
          failures = 0;
          this.show({ presence: (status.state as number) === replaying ? "starting" : "online", refused: "" });
        }
      } catch (e) {
        if (e instanceof EngramError && (e.code === "unauthenticated" || e.code === "permission_denied")) {
          refused = e.message;
        }
      }
      clearTimeout(timer);
      life.removeEventListener("abort", end);
      removeEventListener("offline", end);
      if (life.aborted) {
        return;
      }
      this.show({ presence: "offline", refused });
      await soon(Math.min(250 * 2 ** failures, 3_000), life);
    }
  }
}

/** Waits some milliseconds, or until the network is back or the signal aborts. */
export function soon(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
    signal?.addEventListener("abort", done);
  });
}
