// The notes of a space: those being written, through a session, and those there already.
import { type Client, EngramError, RejectedError, type Result, type Session } from "@engram-stream/client";
import { soon } from "./presence.ts";
import { Store } from "./store.ts";

/** How far one note has come: nowhere yet, on the server's disk, found by recall; or not kept at all. */
export type State = "waiting" | "durable" | "visible" | "rejected";

export interface Note {
  /** Chosen here, so that a note that is sent twice is kept once. */
  id: string;
  text: string;
  at: Date;
  state: State;
  /** Why it was rejected. */
  why: string;
}

/** What the page shows of the notes. */
export interface View {
  /** The newest first. */
  notes: readonly Note[];
  /** What the space holds already has been read, or there is nothing. */
  loaded: boolean;
  /** The pressure on the session: 0..1, and its name. */
  pressure: number;
  state: string;
  /** Why nothing more can be written; empty while it can. */
  failure: string;
}

/** How many notes are shown. */
const shown = 200;

/**
 * Notes are streamed as they are written. The session comes back by itself after a
 * cut, or after the tab has slept. Until a note is on the server's disk it is held
 * here, and goes on another session if its own ends: nothing that was typed is lost
 * while the page is open.
 */
export class Notes extends Store<View> {
  readonly space: string;
  readonly #client: Client;
  #session: Session | undefined;
  /** The numbers in the session of the notes that are not visible yet. */
  #numbers = new Map<string, number>();
  #sending = false;
  #loading = false;

  constructor(client: Client, space: string) {
    super({ notes: [], loaded: false, pressure: 0, state: "ACTIVE", failure: "" });
    this.#client = client;
    this.space = space;
  }

  /** How many notes are not on the server's disk yet. */
  get waiting(): number {
    return this.view().notes.filter((n) => n.state === "waiting").length;
  }

  /** Streams notes, one for each text. */
  write(texts: readonly string[]): void {
    const fresh = texts.map((text): Note => ({ id: newId(), text, at: new Date(), state: "waiting", why: "" })).reverse();
    // What is not kept yet is never dropped from the list.
    this.show({ notes: [...fresh, ...this.view().notes].filter((n, i) => i < shown || n.state === "waiting") });
    void this.#send();
  }

  /** Reads what the space holds already; to be called again when it could not. */
  async load(): Promise<void> {
    if (this.view().loaded || this.#loading) {
      return;
    }
    this.#loading = true;
    try {
      const stored: Note[] = [];
      const { generation } = await this.#client.getSpace(this.space, { timeoutMs: 10_000 });
      for await (const s of this.#client.list(this.space, { since: Math.max(0, generation - shown), timeoutMs: 10_000 })) {
        const { id, content, observedAt } = s.observation;
        if (id !== undefined && content !== undefined && content !== "") {
          stored.unshift({ id, text: content, at: observedAt ?? new Date(), state: "visible", why: "" });
        }
      }
      const here = new Set(this.view().notes.map((n) => n.id));
      this.show({ notes: [...this.view().notes, ...stored.filter((n) => !here.has(n.id))].slice(0, shown), loaded: true });
    } catch (e) {
      if (e instanceof EngramError && e.reason === "SPACE_NOT_FOUND") {
        this.show({ loaded: true }); // it begins with the first note
      } else if (!passes(e)) {
        this.show({ loaded: true, failure: describe(e) });
      }
    } finally {
      this.#loading = false;
    }
  }

  /** What is near a text; empty while there is nothing to look in. */
  async recall(text: string, signal: AbortSignal): Promise<Result[]> {
    try {
      const found = await this.#client.recall(this.space, text, { limit: 8, minSimilarity: 0.05, signal, timeoutMs: 10_000 });
      return found.results;
    } catch (e) {
      if (e instanceof EngramError && e.reason === "SPACE_NOT_FOUND") {
        return [];
      }
      throw e;
    }
  }

  /** Hands over what waits, in the order in which it was written. */
  async #send(): Promise<void> {
    if (this.#sending) {
      return; // whoever is at it takes these too
    }
    this.#sending = true;
    try {
      for (;;) {
        const next = this.view().notes.findLast((n) => n.state === "waiting" && !this.#numbers.has(n.id));
        if (next === undefined) {
          return;
        }
        const session = await this.#opened();
        const number = await session.observe({ id: next.id, content: next.text, observedAt: next.at, metadata: { from: "web" } });
        if (session === this.#session) {
          this.#numbers.set(next.id, number);
        }
      }
    } catch (e) {
      if (!(e instanceof EngramError && e.reason === "CLOSED") && !passes(e)) {
        this.show({ failure: describe(e) });
      }
    } finally {
      this.#sending = false;
    }
  }

  /** The session; one that cannot be opened is tried again, until it never will be. */
  async #opened(): Promise<Session> {
    for (let ms = 250; this.#session === undefined; ms = Math.min(2 * ms, 3_000)) {
      try {
        this.#session = await this.#client.openSession(this.space, {
          onRejection: (r) => {
            this.#mark("rejected", (n) => this.#numbers.get(n.id) === r.sequence, r.message);
          },
          onStatus: ({ state, pressure }) => {
            this.show({ state, pressure });
          },
        });
        this.show({ failure: "" });
        void this.#follow(this.#session);
      } catch (e) {
        if (!passes(e)) {
          throw e;
        }
        await soon(ms);
      }
    }
    return this.#session;
  }

  /** Marks how far the notes of a session have come, until it ends. */
  async #follow(session: Session): Promise<void> {
    try {
      for await (const { level, through } of session.acks()) {
        if (level === "durable" || level === "visible") {
          this.#mark(level, (n) => (this.#numbers.get(n.id) ?? Infinity) <= through && !(level === "durable" && n.state === "visible"));
        }
      }
    } catch (e) {
      this.#session = undefined;
      this.#numbers = new Map();
      this.show({ state: "ACTIVE", pressure: 0 });
      if (!mends(e)) {
        this.show({ failure: describe(e) }); // the next note tries again
        return;
      }
      // What was not kept goes on another session, under the same ids.
      await soon(1_000);
      void this.#send();
    }
  }

  #mark(state: State, which: (n: Note) => boolean, why = ""): void {
    this.show({ notes: this.view().notes.map((n) => (n.state !== "rejected" && which(n) ? { ...n, state, why } : n)) });
  }
}

/** Whether another session may do what one that ended so could not. */
function mends(e: unknown): boolean {
  return passes(e) || (e instanceof EngramError && ["SESSION_EXPIRED", "SESSION_CLOSED", "SESSION_TAKEN_OVER", "PAYLOADS_GONE"].includes(e.reason));
}

/** Whether a failure may be over by itself. */
function passes(e: unknown): boolean {
  return e instanceof EngramError && (e.retryable || e.reason === "TRANSPORT" || e.reason === "DEADLINE");
}

/** What to tell people of a failure. */
export function describe(e: unknown): string {
  if (e instanceof RejectedError) {
    return e.message;
  }
  if (e instanceof EngramError) {
    return e.reason === "TRANSPORT" ? "the server cannot be reached" : `${e.message} (${e.reason})`;
  }
  return e instanceof Error ? e.message : String(e);
}

/** 16 random bytes; crypto.randomUUID is there for pages of https alone. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}
