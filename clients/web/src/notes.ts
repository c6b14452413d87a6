// The session that the page's notes go through, and what is known of them.
import { connect, EngramError, type Observation, RejectedError, type Result, type Session } from "@engram-stream/client";

/** How far one note has come. */
export interface Note {
  number: number;
  text: string;
  state: "waiting" | "durable" | "visible" | "rejected";
}

/** What the page shows of the stream. */
export interface View {
  notes: readonly Note[];
  /** The pressure on the session, 0..1, and its state. */
  pressure: number;
  status: string;
  failure: string;
}

const shown = 200;

/**
 * Notes are streamed as they are written. The session is opened with the first
 * one, and comes back by itself after a cut or after the tab has slept.
 */
export class Notes {
  readonly space: string;
  readonly #client = connect(location.origin);
  readonly #listeners = new Set<() => void>();
  #session: Promise<Session> | undefined;
  #view: View = { notes: [], pressure: 0, status: "", failure: "" };

  constructor(space: string) {
    this.space = space;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly view = (): View => this.#view;

  #show(change: Partial<View>): void {
    this.#view = { ...this.#view, ...change };
    for (const listener of this.#listeners) {
      listener();
    }
  }

  /** Raises the state of the notes that `which` chooses. */
  #mark(state: Note["state"], which: (n: Note) => boolean): void {
    this.#show({ notes: this.#view.notes.map((n) => (which(n) && n.state !== "rejected" ? { ...n, state } : n)) });
  }

  #open(): Promise<Session> {
    return this.#client.openSession(this.space, {
      onAck: ({ level, through }) => {
        if (level === "durable") {
          this.#mark(level, (n) => n.number <= through && n.state === "waiting");
        } else if (level === "visible") {
          this.#mark(level, (n) => n.number <= through);
        }
      },
      onRejection: (r) => {
        this.#mark("rejected", (n) => n.number === r.sequence);
        this.#show({ failure: r.message });
      },
      onStatus: ({ state, pressure }) => {
        this.#show({ status: state, pressure });
      },
    });
  }

  /** Streams notes, one for each text. */
  async write(texts: readonly string[]): Promise<void> {
    try {
      this.#session ??= this.#open();
      const session = await this.#session;
      for (const text of texts) {
        const note: Observation = { content: text, observedAt: new Date(), metadata: { from: "web" } };
        const number = await session.observe(note);
        const last: Note = { number, text, state: "waiting" };
        this.#show({ notes: [last, ...this.#view.notes].slice(0, shown), failure: "" });
      }
      await session.flush();
      this.#mark("visible", (n) => n.number <= session.stats.visible);
    } catch (e) {
      if (e instanceof RejectedError) {
        return; // shown already
      }
      this.#session = undefined; // the next note opens another
      this.#show({ failure: describe(e) });
    }
  }

  /** What is near a text; empty while there is nothing to look in. */
  async recall(text: string, signal: AbortSignal): Promise<Result[]> {
    try {
      const found = await this.#client.recall(this.space, text, { limit: 8, signal, timeoutMs: 10_000 });
      return found.results;
    } catch (e) {
      if (e instanceof EngramError && e.reason === "SPACE_NOT_FOUND") {
        return [];
      }
      throw e;
    }
  }
}

/** What to tell people of a failure. */
export function describe(e: unknown): string {
  return e instanceof EngramError ? `${e.message} (${e.reason})` : String(e);
}
