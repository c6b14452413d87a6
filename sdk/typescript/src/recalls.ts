// The recalls of a session: those to be sent and those sent.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { StreamRecallResults } from "./gen/engram/v1/memory_service_pb.js";
import type { RecallRequestSchema, RecallResult } from "./gen/engram/v1/recall_pb.js";
import type { ClientFrame } from "./duplex.js";
import { codeName, EngramError, transportError } from "./errors.js";
import { type Recall, recallOf } from "./recall.js";

type Request = MessageInitShape<typeof RecallRequestSchema>;

/** An answer, and through which number everything was visible to it. */
export interface Answer {
  recall: Recall;
  covered: number;
}

interface Pending {
  resolve: (a: Answer) => void;
  reject: (e: Error) => void;
  parts: RecallResult[]; // of an answer that comes in parts
}

export class Recalls {
  #last = 0n;
  #queue: { id: bigint; request: Request }[] = [];
  readonly #waiting = new Map<bigint, Pending>();
  #failed: Error | undefined;

  /** Queues a recall; `nudge` tells the sender. Given up, it is not sent. */
  ask(request: Request, nudge: () => void, signal?: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#failed !== undefined) {
        throw this.#failed;
      }
      if (signal?.aborted === true) {
        throw signal.reason as Error;
      }
      const id = ++this.#last;
      const onAbort = () => {
        this.#waiting.delete(id);
        this.#queue = this.#queue.filter((q) => q.id !== id);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.set(id, {
        resolve: (a) => {
          signal?.removeEventListener("abort", onAbort);
          resolve(a);
        },
        reject: (e) => {
          signal?.removeEventListener("abort", onAbort);
          reject(e);
        },
        parts: [],
      });
      this.#queue.push({ id, request });
      nudge();
    });
  }

  /** The next recall to be sent. */
  next(): ClientFrame | undefined {
    const q = this.#queue.shift();
    return q && { kind: "recall", ...q };
  }

  answer(m: StreamRecallResults): void {
    const p = this.#waiting.get(m.requestId);
    if (p === undefined) {
      return; // nobody waits any more
    }
    p.parts.push(...m.results);
    if (m.error !== undefined) {
      this.#waiting.delete(m.requestId);
      p.reject(new EngramError(m.error.message, { code: codeName(m.error.code), reason: m.error.reason }));
    } else if (!m.more) {
      this.#waiting.delete(m.requestId);
      p.resolve({ recall: recallOf(p.parts, m.snapshot, m.stats), covered: Number(m.coveredSequence) });
    }
  }

  /**
   * Fails the recalls that were sent on a stream that ended: their answers will
   * not come. Those not yet sent go on the next one.
   */
  cut(): void {
    const queued = new Set(this.#queue.map((q) => q.id));
    for (const [id, p] of this.#waiting) {
      if (!queued.has(id)) {
        this.#waiting.delete(id);
        p.reject(transportError("the stream ended before the recall was answered; ask again"));
      }
    }
  }

  /** Fails all recalls under way and to come. */
  fail(error: Error): void {
    this.#failed = error;
    for (const p of this.#waiting.values()) {
      p.reject(error);
    }
    this.#waiting.clear();
    this.#queue = [];
  }
}
