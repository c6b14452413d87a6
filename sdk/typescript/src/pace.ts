// How reconnecting slows down, over all streams that brought nothing.

/** Pauses grow from this, in ms … */
const initialMs = 50;
/** … by this factor … */
const factor = 1.5;
/** … up to this. */
export const maxPauseMs = 5_000;

/**
 * Exponential backoff with full jitter, and a budget of time. Time that passed
 * while the machine or the tab was asleep is not charged: every charge is bounded
 * by what was waited for.
 */
export class Pace {
  #interval = initialMs;
  #left: number;
  #fresh = true;
  readonly #budget: number;
  readonly #random: () => number;

  constructor(budgetMs: number, random: () => number = Math.random) {
    this.#budget = this.#left = budgetMs;
    this.#random = random;
  }

  /** Begins anew: after a stream that was of use, or a wake-up. */
  reset(): void {
    this.#interval = initialMs;
    this.#left = this.#budget;
    this.#fresh = true;
  }

  /** The next pause in ms; the first is none. */
  next(): number {
    if (this.#fresh) {
      this.#fresh = false;
      return 0;
    }
    const pause = this.#random() * 2 * this.#interval;
    this.#interval = Math.min(this.#interval * factor, maxPauseMs);
    return pause;
  }

  /** Takes elapsed time off the budget, at most what it should have taken. */
  charge(elapsedMs: number, atMostMs: number): void {
    this.#left -= Math.max(0, Math.min(elapsedMs, atMostMs + 1000));
  }

  get exhausted(): boolean {
    return this.#left <= 0;
  }
}
