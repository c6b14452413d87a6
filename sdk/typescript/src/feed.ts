// Events of a session, for any number of readers that each go at their own pace.
// What stands for the same thing (the ack of a level, the pressure) is merged
// while it waits, so that nothing grows for a slow reader.
import { EngramError } from "./errors.js";

/** Bounds what waits for one reader. */
const maxWaiting = 10_000;

export class Feed<T> {
  readonly #taps = new Set<Tap<T>>();
  readonly #latest = new Map<unknown, T>();
  readonly #sticky: boolean;
  #over: { error: Error | undefined } | undefined;

  /** With `sticky`, a new reader begins with the latest of each key. */
  constructor(sticky: boolean) {
    this.#sticky = sticky;
  }

  /** Tells all readers; what waits under the same key is replaced. */
  publish(key: unknown, value: T): void {
    if (this.#sticky) {
      this.#latest.delete(key); // the newest is the last
      this.#latest.set(key, value);
    }
    for (const tap of this.#taps) {
      tap.put(key, value);
    }
  }

  /** Ends all readers once they have read the rest: with an error, if there is one. */
  end(error: Error | undefined): void {
    this.#over ??= { error };
    for (const tap of this.#taps) {
      tap.end(this.#over.error);
    }
    this.#taps.clear();
  }

  /** Reads from now on. Leaving the loop, or the signal, ends it. */
  read(signal?: AbortSignal): AsyncIterableIterator<T> {
    const tap: Tap<T> = new Tap<T>(signal, () => this.#taps.delete(tap));
    for (const [key, value] of this.#latest) {
      tap.put(key, value);
    }
    if (this.#over === undefined) {
      this.#taps.add(tap);
    } else {
      tap.end(this.#over.error);
    }
    return tap;
  }
}

/** One reader. */
class Tap<T> implements AsyncIterableIterator<T> {
  readonly #waiting = new Map<unknown, T>();
  readonly #leave: () => void;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => {
    this.#waiting.clear();
    this.end(this.#signal?.reason as Error);
    this.#leave();
  };
  #pull: { resolve: (r: IteratorResult<T>) => void; reject: (e: Error) => void } | undefined;
  #over: { error: Error | undefined } | undefined;

  constructor(signal: AbortSignal | undefined, leave: () => void) {
    this.#leave = leave;
    this.#signal = signal;
    if (signal?.aborted === true) {
      this.#over = { error: signal.reason as Error };
    } else {
      signal?.addEventListener("abort", this.#onAbort, { once: true });
    }
  }

  put(key: unknown, value: T): void {
    if (this.#over !== undefined) {
      return;
    }
    if (this.#pull !== undefined) {
      this.#pull.resolve({ value, done: false });
      this.#pull = undefined;
      return;
    }
    this.#waiting.delete(key); // the newest is the last
    this.#waiting.set(key, value);
    if (this.#waiting.size > maxWaiting) {
      this.#waiting.clear();
      this.end(new EngramError(`more than ${String(maxWaiting)} events wait to be read`, { code: "resource_exhausted", reason: "SLOW_READER" }));
      this.#leave();
    }
  }

  end(error: Error | undefined): void {
    this.#over ??= { error };
    this.#signal?.removeEventListener("abort", this.#onAbort);
    if (this.#pull !== undefined) {
      const { resolve, reject } = this.#pull;
      this.#pull = undefined;
      if (this.#over.error === undefined) {
        resolve({ value: undefined, done: true });
      } else {
        reject(this.#over.error);
      }
    }
  }

  next(): Promise<IteratorResult<T>> {
    for (const [key, value] of this.#waiting) {
      this.#waiting.delete(key);
      return Promise.resolve({ value, done: false });
    }
    if (this.#over !== undefined) {
      const { error } = this.#over;
      this.#over = { error: undefined }; // an error is told once
      return error === undefined ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      this.#pull = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<T>> {
    this.#waiting.clear();
    this.end(undefined);
    this.#leave();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
