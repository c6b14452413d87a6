// A value that components look at, and that tells them when it changes.

export class Store<V extends object> {
  readonly #listeners = new Set<() => void>();
  #view: V;

  constructor(view: V) {
    this.#view = view;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly view = (): V => this.#view;

  protected show(change: Partial<V>): void {
    this.#view = { ...this.#view, ...change };
    for (const listener of this.#listeners) {
      listener();
    }
  }
}
