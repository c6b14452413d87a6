// The life of a session on its streams: opening, reading what the server says,
// reconnecting, ending. The ledger keeps the books, the duplex carries frames.
//
// There is one reader (`run`) and, per stream, one generator that hands out
// frames as the stream takes them. `end` is called once, by whichever comes
// first; after it nothing changes any more.
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { GoAway, SessionStatus } from "./gen/engram/v1/session_pb.js";
import { AckLevel, SessionState } from "./gen/engram/v1/session_pb.js";
import type { ClientFrame, Duplex, Introduction, ServerFrame } from "./duplex.js";
import { closedError, EngramError, fromWire, reasonOf, type Rejection, rejectionOf, transportError } from "./errors.js";
import { Feed } from "./feed.js";
import { Ledger } from "./ledger.js";
import { type Ack, levelOf, type SessionOptions, type Settings, type Status } from "./options.js";
import { priorityToWire } from "./observation.js";
import { maxPauseMs, Pace } from "./pace.js";
import type { Recalls } from "./recalls.js";
import { Bell, Changes, pause, throwIfAborted } from "./waiting.js";

/** Why a stream ended. Without an error the session is over in good order. */
interface Leave {
  error?: EngramError;
  /** When to come back, in ms, if the server said. */
  afterMs?: number;
  /** Coming back is of no use. */
  final?: boolean;
}

/** Calls back when the machine or the tab wakes up; returns how to stop that. */
export type OnWake = (wake: () => void) => () => void;

/** One stream of a session. */
class Link {
  readonly bell = new Bell();
  /** The server has said where it stands: observations may be sent. */
  ready = false;
  over = false;
  readonly frames: AsyncIterator<ServerFrame>;
  readonly #abort = new AbortController();

  constructor(open: (link: Link, signal: AbortSignal) => AsyncIterable<ServerFrame>) {
    this.frames = open(this, this.#abort.signal)[Symbol.asyncIterator]();
  }

  close(): void {
    this.over = true;
    this.bell.ring();
    this.#abort.abort();
  }
}

export class Core {
  readonly space: string;
  readonly ledger: Ledger;
  readonly settings: Settings;
  readonly changes = new Changes();
  readonly acks = new Feed<Ack>(true);
  readonly statuses = new Feed<Status>(true);
  readonly rejections = new Feed<Rejection>(false);
  readonly recalls: Recalls | undefined;
  /** The session's name on the server. */
  id: string;
  /** What ended the session; undefined while it goes on. */
  error: Error | undefined;
  /** Called when the session is over. */
  onEnd: () => void = () => undefined;
  /** Called when room was made in the buffer, and when the session ends. */
  onRoom: () => void = () => undefined;

  readonly #duplex: Duplex;
  readonly #options: SessionOptions;
  readonly #life = new AbortController();
  readonly #onWake: OnWake | undefined;
  #link: Link | undefined;
  #done: Promise<void> = Promise.resolve();
  #wakeUp: () => void = () => undefined;
  #thrown: { error: unknown } | undefined;

  constructor(space: string, duplex: Duplex, options: SessionOptions, settings: Settings, recalls: Recalls | undefined, onWake: OnWake | undefined) {
    this.space = space;
    this.#duplex = duplex;
    this.#options = options;
    this.settings = settings;
    this.recalls = recalls;
    this.#onWake = onWake;
    this.ledger = new Ledger(settings);
    this.id = options.resume ?? "";
  }

  /** Opens or resumes the session; rejects when the server does not let it. */
  async open(): Promise<void> {
    const { signal } = this.#options;
    const link = await this.#connect(signal);
    this.#done = this.#run(link);
  }

  /** Wakes the sender. */
  nudge(): void {
    this.#link?.bell.ring();
  }

  /** Waits until something holds; rejects with what ended the session, or the signal. */
  async until(holds: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    while (!holds()) {
      if (this.error !== undefined) {
        throw this.error;
      }
      await this.changes.next(signal);
    }
  }

  /** Ends the session as it stands, if it has not ended, and waits for it. */
  async leave(): Promise<void> {
    this.error ??= closedError();
    this.#life.abort();
    this.#link?.close();
    await this.#done;
  }

  #connect(signal?: AbortSignal): Promise<Link> {
    throwIfAborted(signal);
    const link = new Link((l, abort) =>
      this.#duplex.open(this.#outgoing(l), { signal: abort, headers: new Headers(this.#options.headers), recalls: this.recalls !== undefined }),
    );
    return new Promise<Link>((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        settle();
      };
      const fail = (e: unknown) => {
        end(() => {
          link.close();
          reject(e instanceof Error ? e : fromWire(e));
        });
      };
      const onAbort = () => {
        fail(signal?.reason);
      };
      const { connectTimeoutMs } = this.settings;
      const timer = setTimeout(() => {
        fail(transportError(`the server did not answer within ${String(connectTimeoutMs)} ms`));
      }, connectTimeoutMs);
      signal?.addEventListener("abort", onAbort, { once: true });
      link.frames.next().then(
        (r) => {
          try {
            this.#welcome(link, r);
            end(() => {
              resolve(link);
            });
          } catch (e) {
            fail(e);
          }
        },
        (e: unknown) => {
          fail(fromWire(e));
        },
      );
    });
  }

  #welcome(link: Link, r: IteratorResult<ServerFrame>): void {
    if (link.over) {
      return; // given up meanwhile
    }
    if (r.done === true) {
      throw transportError("the server ended the stream");
    }
    if (r.value.case !== "initAck") {
      throw new EngramError("the server's first frame is not init_ack", { code: "internal", reason: "PROTOCOL_ORDER" });
    }
    const before = this.ledger.acked(AckLevel.DURABLE);
    this.ledger.welcome(r.value.value);
    this.id = r.value.value.sessionId;
    this.#link = link;
    link.ready = true;
    link.bell.ring();
    this.#changed();
    const through = this.ledger.acked(AckLevel.DURABLE);
    if (this.ledger.counts.sent > 0 && through > before) {
      // Acked while nobody was there to hear it.
      this.#tellAck({ level: "durable", through, generation: this.ledger.generation });
    }
  }

  /** Hands out frames as the stream takes them. */
  async *#outgoing(link: Link): AsyncGenerator<ClientFrame> {
    yield { kind: "init", ...this.#introduction() };
    while (!link.over) {
      if (!link.ready) {
        await link.bell.wait(Infinity);
        continue;
      }
      const recall = this.recalls?.next();
      if (recall !== undefined) {
        yield recall;
        continue;
      }
      const next = this.ledger.next(performance.now());
      if (next.kind === "wait") {
        await link.bell.wait(next.ms);
        continue;
      }
      if (this.recalls !== undefined) {
        this.changes.announce(); // a recall waits until what it has to see is under way
      }
      yield next;
    }
  }

  #introduction(): Introduction {
    const { mustExist = false, priority } = this.#options;
    const ackLevels = [AckLevel.DURABLE, AckLevel.VISIBLE];
    if (!ackLevels.includes(this.settings.flushTo)) {
      ackLevels.push(this.settings.flushTo);
    }
    const fresh = this.#options.resume === undefined && this.ledger.nothingKept;
    return { space: this.space, mustExist, sessionId: this.id, fresh, taken: this.ledger.taken, priority: priorityToWire(priority), ackLevels };
  }

  /** Keeps the session connected until it is over. */
  async #run(link: Link): Promise<void> {
    const pace = new Pace(this.settings.reconnectForMs);
    const forget = this.#onWake?.(() => {
      pace.reset();
      this.#wakeUp();
    });
    try {
      for (;;) {
        const began = performance.now();
        const why = await this.#receive(link);
        link.close();
        if (this.#life.signal.aborted || why.final === true || why.error === undefined) {
          this.#end(why.error);
          return;
        }
        this.recalls?.cut();
        const lasted = performance.now() - began;
        if (this.ledger.progress || lasted > maxPauseMs) {
          pace.reset();
        } else {
          pace.charge(lasted, lasted);
        }
        this.ledger.progress = false;
        link = await this.#reconnect(why.error, why.afterMs ?? 0, pace);
      }
    } catch (e) {
      this.#end(this.#lostAnswer(e as Error));
    } finally {
      forget?.();
    }
  }

  /** Tries until it succeeds, the server says it never will, or time is over. */
  async #reconnect(why: EngramError, afterMs: number, pace: Pace): Promise<Link> {
    let wait = Math.max(afterMs, pace.next());
    let last = why;
    for (;;) {
      if (pace.exhausted) {
        throw last;
      }
      const paused = performance.now();
      await this.#pause(wait);
      pace.charge(performance.now() - paused, wait);
      throwIfAborted(this.#life.signal);
      const began = performance.now();
      try {
        const link = await this.#connect(this.#life.signal);
        this.ledger.counts.reconnects++;
        return link;
      } catch (e) {
        last = fromWire(e);
        pace.charge(performance.now() - began, this.settings.connectTimeoutMs);
        if (last.reason === "SESSION_EXPIRED" && this.id !== "" && this.ledger.nothingKept) {
          this.id = ""; // nothing was kept, so nothing can be kept twice
          wait = 0;
          continue;
        }
        if (isFinal(last)) {
          throw last;
        }
        wait = Math.max(pace.next(), last.retryAfterMs);
      }
    }
  }

  /** Waits, until woken up or left. */
  async #pause(ms: number): Promise<void> {
    const woken = new AbortController();
    this.#wakeUp = () => {
      woken.abort();
    };
    this.#life.signal.addEventListener("abort", this.#wakeUp, { once: true });
    await pause(ms, this.#life.signal.aborted ? this.#life.signal : woken.signal);
    this.#life.signal.removeEventListener("abort", this.#wakeUp);
    this.#wakeUp = () => this.#link?.bell.ring();
  }

  #lostAnswer(e: Error): Error | undefined {
    return reasonOf(e) === "SESSION_CLOSED" && this.ledger.inferEnd() ? undefined : e;
  }

  /** Takes the server's frames until the stream ends. */
  async #receive(link: Link): Promise<Leave> {
    let away: GoAway | undefined;
    const left = (): Leave | undefined => {
      if (this.ledger.closed !== undefined) {
        return {};
      }
      return away && { error: goneAway(away), afterMs: Math.max(1, away.resumeAfter ? durationMs(away.resumeAfter) : 0), final: !away.resumable };
    };
    try {
      for (;;) {
        const r = await link.frames.next();
        if (r.done === true) {
          return left() ?? { error: transportError("the server ended the stream") };
        }
        if (r.value.case === "goAway") {
          away = r.value.value;
          if (!away.resumable) {
            return { error: goneAway(away), final: true };
          }
        } else {
          this.#take(r.value);
        }
      }
    } catch (e) {
      const error = fromWire(e);
      return left() ?? { error, final: isFinal(error) };
    }
  }

  /** Acts on one frame and tells whoever listens. */
  #take(f: ServerFrame): void {
    switch (f.case) {
      case "ack": {
        this.ledger.ack(f.value);
        this.#changed();
        const level = levelOf(f.value.status);
        const ack = { level, through: Number(f.value.throughSequence), generation: Number(f.value.generation) };
        this.#tellAck(ack);
        return;
      }
      case "rejection": {
        const r = rejectionOf(f.value);
        if (this.ledger.reject(r)) {
          this.rejections.publish(r.sequence, r);
          this.#tell(this.#options.onRejection, r);
        }
        return;
      }
      case "refusal":
        this.ledger.refuse(f.value, f.value.retryAfter ? durationMs(f.value.retryAfter) : 0, performance.now());
        this.#changed();
        return;
      case "status": {
        this.ledger.status(f.value);
        this.nudge();
        const status = statusOf(f.value);
        this.statuses.publish("", status);
        this.#tell(this.#options.onStatus, status);
        return;
      }
      case "closed":
        this.ledger.end(f.value);
        this.#changed();
        return;
      case "recallResults":
        this.recalls?.answer(f.value);
        return;
      default: // of a newer server
    }
  }

  #tellAck(ack: Ack): void {
    this.acks.publish(ack.level, ack);
    this.#tell(this.#options.onAck, ack);
  }

  /** Calls a listener; what it throws comes back from the next flush or close. */
  #tell<T>(listener: ((x: T) => void) | undefined, x: T): void {
    try {
      listener?.(x);
    } catch (e) {
      this.#thrown ??= { error: e };
    }
  }

  /** Throws what a listener has thrown since this was last called. */
  throwThrown(): void {
    const thrown = this.#thrown;
    this.#thrown = undefined;
    if (thrown !== undefined) {
      throw thrown.error instanceof Error ? thrown.error : new Error(String(thrown.error));
    }
  }

  /** Ends the session since its client is closed; says so when anything may be lost. */
  abandon(): void {
    if (this.error === undefined && this.ledger.length > 0) {
      console.warn(`engram: session ${this.id} was left open with ${String(this.ledger.length)} observations that are not known to be kept`);
    }
    void this.leave();
  }

  #changed(): void {
    this.onRoom();
    this.changes.announce();
    this.nudge();
  }

  /** Records why the session is over and tells everyone who waits. */
  #end(error: Error | undefined): void {
    const wanted = this.error !== undefined || error === undefined || this.ledger.closed !== undefined;
    this.error ??= wanted ? closedError() : error;
    for (const feed of [this.acks, this.statuses, this.rejections]) {
      feed.end(wanted ? undefined : this.error);
    }
    this.recalls?.fail(this.error);
    this.onEnd();
    this.onRoom();
    this.changes.announce();
  }
}

function goneAway(g: GoAway): EngramError {
  const retryAfterMs = g.resumeAfter ? durationMs(g.resumeAfter) : 0;
  return new EngramError("the server asked this stream to go away", { code: "aborted", reason: g.reason, retryable: g.resumable, retryAfterMs });
}

/** Codes with which a server, or what stands before it, may come back. */
const passing = new Set(["unavailable", "canceled", "internal", "unknown"]);
/** Codes that do not pass, even when they come from something in between. */
const lasting = new Set(["unauthenticated", "permission_denied", "unimplemented"]);

/** Reports whether an error says that coming back is of no use. */
function isFinal(e: EngramError): boolean {
  if (e.reason === "TRANSPORT" || e.reason === "DEADLINE") {
    return lasting.has(e.code);
  }
  return !e.retryable && !passing.has(e.code);
}

const stateNames = new Map<number, string>(Object.entries(SessionState).map(([name, n]) => [Number(n), name]));

function statusOf(s: SessionStatus): Status {
  return {
    state: stateNames.get(s.state) ?? `UNKNOWN_${String(s.state)}`,
    cause: s.cause,
    pressure: s.pressure,
    queueDepth: Number(s.queueDepth),
    queueCapacity: Number(s.queueCapacity),
    retryAfterMs: s.retryAfter ? durationMs(s.retryAfter) : 0,
    suggestedBatch: s.suggestedBatchSize,
  };
}
