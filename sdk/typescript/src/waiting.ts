// Waiting without polling: for a change, for a time, for a wake-up.
import { deadlineError } from "./errors.js";

/** Rejects with the signal's reason if it is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) {
    throw signal.reason as Error;
  }
}

/** A signal that is aborted after a time too, with a DEADLINE error. */
export function bounded(o: { signal?: AbortSignal | undefined; timeoutMs?: number | undefined } | undefined): AbortSignal | undefined {
  const { signal, timeoutMs: ms } = o ?? {};
  if (ms === undefined) {
    return signal;
  }
  const both = new AbortController();
  const onAbort = () => {
    clearTimeout(timer);
    both.abort(signal?.reason);
  };
  const timer = setTimeout(() => {
    signal?.removeEventListener("abort", onAbort);
    both.abort(deadlineError(ms));
  }, ms);
  // What waits is the wait, not its deadline.
  (timer as { unref?: () => void }).unref?.();
  if (signal?.aborted === true) {
    onAbort();
  } else {
    signal?.addEventListener("abort", onAbort, { once: true });
  }
  return both.signal;
}

/** Whoever waits until something changes. */
export class Changes {
  #waiting = new Set<() => void>();

  /** Wakes all. */
  announce(): void {
    if (this.#waiting.size === 0) {
      return;
    }
    const woken = this.#waiting;
    this.#waiting = new Set();
    for (const wake of woken) {
      wake();
    }
  }

  /** Waits for the next change; rejects with the signal's reason. */
  next(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      const wake = () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      };
      const onAbort = () => {
        this.#waiting.delete(wake);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(wake);
    });
  }
}

/** Wakes one who waits, now or the next time. */
export class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Waits for a ring, or for some milliseconds; Infinity is for ever. */
  async wait(ms: number): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = ms < Infinity ? setTimeout(resolve, Math.min(ms, maxTimer)) : undefined;
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    this.#rung = false;
  }
}

/** Timers take no more than 2^31 ms. */
const maxTimer = 2 ** 31 - 1;

/** Waits; ends at once when the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted || ms <= 0) {
      resolve();
      return;
    }
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, Math.min(ms, maxTimer));
    signal.addEventListener("abort", done, { once: true });
  });
}

/** Lets everything else that is ready to run have its turn. */
export const turn: () => Promise<void> =
  typeof setImmediate === "function"
    ? () => new Promise((resolve) => setImmediate(resolve))
    : () =>
        new Promise((resolve) => {
          // A message is not held back as nested timers are.
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = () => {
            port1.close();
            resolve();
          };
          port2.postMessage(0);
        });
