// Sessions: numbered streams of observations into one space.
import { AckLevel } from "./gen/engram/v1/session_pb.js";
import type { Core } from "./core.js";
import type { Encoder, Held, TraceContext } from "./encode.js";
import { closedError, fullError, invalid, isNotFound, RejectedError, type Rejection } from "./errors.js";
import type { Observation } from "./observation.js";
import { type Ack, type Closed, type Level, levelToWire, type Stats, type Status } from "./options.js";
import { type Cue, type Recall, recallRequest, type RecallOptions } from "./recall.js";
import type { Answer, Recalls } from "./recalls.js";
import { bounded, throwIfAborted, turn } from "./waiting.js";

/** What the waits of a session take. */
export interface WaitOptions {
  /** Breaks the wait off, with the signal's reason; the session goes on. */
  signal?: AbortSignal | undefined;
  /** Milliseconds until the wait fails with DEADLINE; the session goes on. */
  timeoutMs?: number | undefined;
}

/** The settings of {@link Session.observeMany}. */
export interface ManyOptions extends WaitOptions {
  /** Called after every `every` observations and at the end, with where it stands. */
  onProgress?: ((progress: Stats) => void) | undefined;
  /** 1,000 without it. */
  every?: number | undefined;
  /** Return when all is handed over, without waiting for the acks. */
  noFlush?: boolean | undefined;
}

/**
 * A session batches, keeps to the server's credits, sends again what was refused,
 * and when the connection breaks it reconnects with growing pauses and goes on
 * where the server stands. It keeps every observation until the server has it on
 * stable storage, so nothing is lost and nothing is applied twice.
 *
 * No failure is silent: what the server rejects comes to `onRejection` and
 * `rejections()`, and `flush` and `close` reject with it; what ends the session is
 * what every later call rejects with.
 */
export class Session {
  /** @internal */
  protected readonly core: Core;
  readonly #encoder: Encoder;
  readonly #nonBlocking: boolean;
  readonly #trace: (() => TraceContext | undefined) | undefined;
  /** Whoever waits for room, in the order of `observe`. */
  #queue: { held: Held; admit: (seq: number) => void; reject: (e: Error) => void }[] = [];
  #observed = 0;

  /** @internal */
  constructor(core: Core, encoder: Encoder, nonBlocking: boolean, trace: (() => TraceContext | undefined) | undefined) {
    this.core = core;
    this.#encoder = encoder;
    this.#nonBlocking = nonBlocking;
    this.#trace = trace;
    core.onRoom = () => {
      this.#admit();
    };
  }

  /** The session's name on the server: keep it to resume. */
  get id(): string {
    return this.core.id;
  }

  /** The space that the session observes into. */
  get space(): string {
    return this.core.space;
  }

  /** The newest generation known to hold this session's observations: pass it as `atLeast`. */
  get generation(): number {
    return this.core.ledger.generation;
  }

  /** What ended the session; undefined while it goes on. */
  get error(): Error | undefined {
    return this.core.error;
  }

  /** The counts so far. */
  get stats(): Stats {
    const { ledger } = this.core;
    return { observed: this.#observed, durable: ledger.acked(AckLevel.DURABLE), visible: ledger.acked(AckLevel.VISIBLE), ...ledger.counts };
  }

  /**
   * Hands an observation over and resolves to its number. It waits for room in
   * the buffer, not for the server. Numbers are given in the order of the calls.
   */
  observe(o: Observation, options?: WaitOptions): Promise<number> {
    try {
      throwIfAborted(options?.signal);
      const held = this.#encoder.encode(o, this.#trace?.());
      this.#check();
      if (this.#queue.length === 0 && this.core.ledger.hasRoom(held.size)) {
        const seq = this.#push(held);
        // A loop of observes would otherwise keep the streams from their turn.
        return seq % turnEvery === 0 ? turn().then(() => seq) : Promise.resolve(seq);
      }
      if (this.#nonBlocking) {
        throw fullError();
      }
      return this.#waitForRoom(held, bounded(options));
    } catch (e) {
      return Promise.reject(e instanceof Error ? e : new Error(String(e)));
    }
  }

  /**
   * Observes everything a source brings, waits until it has reached the session's
   * flush level, and resolves to the counts.
   */
  async observeMany(source: Iterable<Observation> | AsyncIterable<Observation>, options: ManyOptions = {}): Promise<Stats> {
    const { onProgress, every = 1000 } = options;
    const signal = bounded(options);
    let n = 0;
    const one = async (o: Observation): Promise<void> => {
      await this.observe(o, { signal });
      if (++n % every === 0) {
        onProgress?.(this.stats);
      }
    };
    if (Symbol.asyncIterator in source) {
      for await (const o of source) {
        await one(o);
      }
    } else {
      for (const o of source) {
        await one(o);
      }
    }
    if (options.noFlush !== true) {
      await this.flush({ signal });
    }
    onProgress?.(this.stats);
    return this.stats;
  }

  /**
   * Waits until everything observed so far has reached a level: `flushTo`, unless
   * another one is asked for. Rejects with a {@link RejectedError} when
   * observations were rejected since the last flush.
   */
  async flush(options: WaitOptions & { level?: Level } = {}): Promise<void> {
    const { core } = this;
    const level = options.level === undefined ? core.settings.flushTo : levelToWire(options.level, "level");
    if (![AckLevel.DURABLE, AckLevel.VISIBLE, core.settings.flushTo].includes(level) && level !== AckLevel.ACCEPTED) {
      throw invalid("level", `level is "${options.level ?? ""}", and the session was not opened with flushTo "${options.level ?? ""}"`);
    }
    const signal = bounded(options);
    await this.#drainQueue(signal);
    const { last } = core.ledger;
    core.ledger.urgent = Math.max(core.ledger.urgent, last);
    core.nudge();
    await core.until(() => core.ledger.acked(level) >= last, signal);
    core.throwThrown();
    this.#throwRejected();
  }

  /**
   * Waits until everything is decided and visible, ends the session for good, and
   * resolves to what the server counted; called again, to the same. When it is
   * broken off, the session is given up where it stands.
   */
  async close(options: WaitOptions = {}): Promise<Closed> {
    const { ledger } = this.core;
    if (ledger.closed === undefined) {
      await this.#finish(() => ledger.closed !== undefined, false, bounded(options));
    }
    this.core.throwThrown();
    this.#throwRejected();
    if (ledger.closed === undefined) {
      throw closedError();
    }
    return ledger.closed;
  }

  /**
   * Waits until everything is on stable storage and lets go of the session without
   * ending it: `resume` goes on with it, here or in another process.
   */
  async detach(options: WaitOptions = {}): Promise<void> {
    const { ledger } = this.core;
    await this.#finish(() => ledger.acked(AckLevel.DURABLE) >= ledger.last, true, bounded(options));
    this.core.throwThrown();
    this.#throwRejected();
  }

  /** The acks from now on, beginning with the newest of each level. */
  acks(options?: { signal?: AbortSignal }): AsyncIterableIterator<Ack> {
    return this.core.acks.read(options?.signal);
  }

  /** The pressure, whenever it changes. */
  pressure(options?: { signal?: AbortSignal }): AsyncIterableIterator<Status> {
    return this.core.statuses.read(options?.signal);
  }

  /** The observations that were not kept, from now on. */
  rejections(options?: { signal?: AbortSignal }): AsyncIterableIterator<Rejection> {
    return this.core.rejections.read(options?.signal);
  }

  #check(): void {
    if (this.core.error !== undefined) {
      throw this.core.error;
    }
    if (this.core.ledger.draining) {
      throw closedError();
    }
  }

  #push(held: Held): number {
    const { ledger } = this.core;
    const seq = ledger.push(held);
    this.#observed++;
    const waiting = ledger.last - ledger.sent;
    if (waiting === 1 || waiting >= ledger.batch) {
      this.core.nudge();
    }
    return seq;
  }

  #waitForRoom(held: Held, signal: AbortSignal | undefined): Promise<number> {
    return new Promise((resolve, reject) => {
      const entry = {
        held,
        admit: (seq: number) => {
          signal?.removeEventListener("abort", onAbort);
          resolve(seq);
        },
        reject: (e: Error) => {
          signal?.removeEventListener("abort", onAbort);
          reject(e);
        },
      };
      const onAbort = () => {
        this.#queue = this.#queue.filter((q) => q !== entry);
        reject(signal?.reason as Error);
        this.#admit(); // those behind may be smaller
        this.core.changes.announce();
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#queue.push(entry);
    });
  }

  /** Lets in whoever there is room for; turns all away when the session is over. */
  #admit(): void {
    const { core } = this;
    if (core.error !== undefined) {
      for (const q of this.#queue.splice(0)) {
        q.reject(core.error);
      }
      return;
    }
    let n = 0;
    for (; n < this.#queue.length; n++) {
      const q = this.#queue[n];
      if (q === undefined || !core.ledger.hasRoom(q.held.size)) {
        break;
      }
      q.admit(this.#push(q.held));
    }
    this.#queue.splice(0, n);
  }

  /** Waits until those who wait for room now have it: they were observed too. */
  #drainQueue(signal: AbortSignal | undefined): Promise<void> {
    const last = this.#queue.at(-1);
    return this.core.until(() => last === undefined || !this.#queue.includes(last), signal);
  }

  async #finish(holds: () => boolean, detaching: boolean, signal: AbortSignal | undefined): Promise<void> {
    const { core } = this;
    try {
      this.#check();
      await this.#drainQueue(signal);
      this.#check();
      core.ledger.draining = true;
      core.ledger.detaching = detaching;
      core.ledger.urgent = core.ledger.last;
      core.nudge();
      await core.until(holds, signal);
    } finally {
      await core.leave();
    }
  }

  #throwRejected(): void {
    const list = this.core.ledger.takeRejected();
    if (list.length > 0) {
      throw new RejectedError(list, undefined);
    }
  }
}

/** How many observes go by before everything else gets its turn. */
const turnEvery = 256;

/** A session that recalls too: a recall sees everything observed on it before. */
export class Memory extends Session {
  readonly #recalls: Recalls;

  /** @internal */
  constructor(recalls: Recalls, ...rest: ConstructorParameters<typeof Session>) {
    super(...rest);
    this.#recalls = recalls;
  }

  /**
   * Finds what is near a cue, among everything the session has observed before and
   * what else the space holds. What still waits to be sent is sent first.
   */
  async recall(cue: Cue, options: Omit<RecallOptions, "headers"> = {}): Promise<Recall> {
    const request = recallRequest("", cue, options);
    const signal = bounded(options);
    const { ledger } = this.core;
    const { last } = ledger;
    ledger.urgent = Math.max(ledger.urgent, last);
    this.core.nudge();
    await this.core.until(() => ledger.acked(AckLevel.DURABLE) >= last || ledger.sent >= last, signal);
    const { rewinds } = ledger;
    const ask = (): Promise<Answer> =>
      this.#recalls.ask(
        request,
        () => {
          this.core.nudge();
        },
        signal,
      );
    let covered = false;
    try {
      const answer = await ask();
      // With a consistency of its own, the answer says nothing of what it covers.
      covered = options.consistency === undefined ? answer.covered >= last : ledger.rewinds === rewinds;
      if (covered || options.consistency !== undefined) {
        return answer.recall;
      }
    } catch (e) {
      // The space may come with what was refused.
      if (!isNotFound(e) || ledger.rewinds === rewinds) {
        throw e;
      }
    }
    // The recall came to the server before an observation that had to be sent
    // again. Once that is visible, any answer holds it.
    await this.core.until(() => ledger.acked(AckLevel.VISIBLE) >= last, signal);
    return (await ask()).recall;
  }
}
