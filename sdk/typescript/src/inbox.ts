// Frames that come from several sides, read one after another.

export class Inbox<T> implements AsyncIterable<T> {
  #waiting: T[] = [];
  #over: { error: Error | undefined } | undefined;
  #wake: () => void = () => undefined;

  put(x: T): void {
    if (this.#over === undefined) {
      this.#waiting.push(x);
      this.#wake();
    }
  }

  /** Nothing more comes: the reader ends, with an error if there is one. The first call counts. */
  end(error?: Error): void {
    this.#over ??= { error };
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const list = this.#waiting;
      this.#waiting = [];
      yield* list;
      if (this.#waiting.length > 0) {
        continue;
      }
      if (this.#over !== undefined) {
        if (this.#over.error !== undefined) {
          throw this.#over.error;
        }
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
