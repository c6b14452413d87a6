// A stream made of calls, for where there is no real one: `fetch` cannot send
// while it receives. Batches go by Observe, one at a time, each answered when it
// is durable; further acks, pressure and go-away come by WatchSession. When either
// fails, both are given up and the session opens the whole anew: the first frame
// of WatchSession says where the server stands.
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Ack,
  AckLevel,
  AckSchema,
  ClosedSchema,
  type Credits,
  CreditsSchema,
  GoAwaySchema,
  type InitAck,
  InitAckSchema,
  RefusalSchema,
} from "./gen/engram/v1/session_pb.js";
import { Code } from "@connectrpc/connect";
import { StreamRecallErrorSchema, StreamRecallResultsSchema } from "./gen/engram/v1/memory_service_pb.js";
import { observationsOfCall, observeRequest } from "./calls.js";
import type { clientsOf } from "./connecting.js";
import type { ClientFrame, Duplex, DuplexCall, Introduction, ServerFrame } from "./duplex.js";
import { codeName, EngramError, fromWire, isNotFound, transportError } from "./errors.js";
import { Inbox } from "./inbox.js";
import { Changes } from "./waiting.js";

type Clients = ReturnType<typeof clientsOf>;

/** How long one call may take before it is given up and made again. */
const callTimeoutMs = 60_000;
/** The least pause after a refusal. */
const leastPauseMs = 50;
/** How often the watch is looked after. */
const tickMs = 5_000;
/** A gap between two looks that only sleep explains: throttled timers fire each minute. */
const asleepMs = 90_000;
/** What is durable is visible long before this, unless the watch is dead. */
const stalledMs = 30_000;
/** An own call that was given up ends on the server long before this. */
const busyMs = 5_000;

export class CallsDuplex implements Duplex {
  readonly observationsField = observationsOfCall;
  readonly defaultBatch = 256; // each is a round trip and a commit
  readonly #clients: Clients;
  /** Since when sessions, by id, have been in use by somebody. */
  readonly #busy = new Map<string, number>();

  constructor(clients: Clients) {
    this.#clients = clients;
  }

  async *open(outgoing: AsyncIterable<ClientFrame>, call: DuplexCall): AsyncIterable<ServerFrame> {
    const feed = new Feeding(this.#clients, call, this.#busy);
    try {
      yield* feed.run(outgoing);
    } finally {
      feed.stop();
    }
  }
}

/** One stream's worth of calls. */
class Feeding {
  readonly #clients: Clients;
  readonly #headers: Headers;
  readonly #busy: Map<string, number>;
  /** Acks of the watch that go beyond what own calls have answered. */
  readonly #early = new Map<AckLevel, Ack>();
  readonly #outer: AbortSignal;
  readonly #abort = new AbortController();
  readonly #inbox = new Inbox<ServerFrame>();
  readonly #changes = new Changes();
  readonly #stop = () => {
    this.stop();
  };
  #id = "";
  #watching = false;
  #closing = false;
  #durable = 0;
  #visible = 0;
  #through = 0; // the highest number sent, on this stream or an earlier one
  #heard = performance.now(); // when the watch last said something
  #tick: ReturnType<typeof setInterval> | undefined;

  constructor(clients: Clients, call: DuplexCall, busy: Map<string, number>) {
    this.#clients = clients;
    this.#busy = busy;
    this.#headers = call.headers;
    this.#outer = call.signal;
    call.signal.addEventListener("abort", this.#stop, { once: true });
  }

  async *run(outgoing: AsyncIterable<ClientFrame>): AsyncGenerator<ServerFrame> {
    const frames = outgoing[Symbol.asyncIterator]();
    const first = await frames.next();
    if (first.done === true || first.value.kind !== "init") {
      throw new EngramError("the first frame is not init", { code: "internal", reason: "PROTOCOL_ORDER" });
    }
    const init = first.value;
    this.#through = init.taken;
    this.#put({ case: "initAck", value: await this.#introduce(init) });
    void this.#feed(init, frames).catch((e: unknown) => {
      this.#inbox.end(fromWire(e));
    });
    yield* this.#inbox;
  }

  stop(): void {
    this.#outer.removeEventListener("abort", this.#stop);
    clearInterval(this.#tick);
    this.#inbox.end(transportError("the stream was given up"));
    this.#abort.abort();
    this.#changes.announce();
  }

  get #options() {
    return { signal: this.#abort.signal, headers: this.#headers, timeoutMs: callTimeoutMs };
  }

  #put(f: ServerFrame): void {
    this.#inbox.put(f);
  }

  /** Finds out where the session stands; a new one is named here, and opened by its first batch. */
  async #introduce(init: Introduction): Promise<InitAck> {
    this.#id = init.sessionId;
    if (this.#id !== "") {
      try {
        return await this.#watch(init);
      } catch (e) {
        if (!isNotFound(e) || e.reason !== "SESSION_NOT_FOUND") {
          throw e;
        }
        if (!init.fresh) {
          throw new EngramError(e.message, { code: e.code, reason: "SESSION_EXPIRED", cause: e });
        }
        // Its first batch never came to the server, or is still on its way there:
        // under the same name it is applied once.
      }
    } else {
      // Also to say now, and not with the first batch, that nobody is there.
      await this.#clients.spaces.getSpace({ space: init.space }, this.#options).catch((e: unknown) => {
        const error = fromWire(e);
        if (!isNotFound(error) || error.reason === "TRANSPORT" || init.mustExist) {
          throw error;
        }
      });
      this.#id = newId();
    }
    return create(InitAckSchema, { sessionId: this.#id, nextSequence: 1n, credits: unlimited() });
  }

  /** Begins to watch, and resolves to where the session stands. */
  async #watch(init: Introduction): Promise<InitAck> {
    const ackLevels = init.ackLevels.filter((l) => l !== AckLevel.DURABLE); // told by the calls
    const stream = this.#clients.memory.watchSession(
      { sessionId: this.#id, ackLevels },
      { signal: this.#abort.signal, headers: this.#headers, timeoutMs: 0 },
    );
    const frames = stream[Symbol.asyncIterator]();
    const first = await frames.next().catch((e: unknown) => {
      throw fromWire(e);
    });
    if (first.done === true || first.value.frame.case !== "initAck") {
      throw transportError("the server ended the watch");
    }
    this.#watching = true;
    this.#lookAfter();
    void this.#follow(frames).catch((e: unknown) => {
      if (!this.#closing) {
        this.#inbox.end(fromWire(e));
      }
    });
    const at = first.value.frame.value;
    this.#through = Math.max(this.#through, Number(at.nextSequence) - 1);
    this.#durable = Number(at.durableSequence);
    return { ...at, credits: unlimited() };
  }

  async #follow(frames: AsyncIterator<{ frame: ServerFrame }>): Promise<void> {
    for (;;) {
      const r = await frames.next();
      if (this.#closing && (r.done === true || r.value.frame.case === "goAway")) {
        return; // what the close answers counts
      }
      if (r.done === true) {
        throw transportError("the server ended the watch");
      }
      const { frame } = r.value;
      this.#heard = performance.now();
      if (frame.case === "ack" && frame.value.status >= AckLevel.VISIBLE) {
        this.#checkAlone(Number(frame.value.throughSequence));
        this.#early.set(frame.value.status, frame.value);
        this.#tellEarly();
      } else {
        this.#put(frame);
      }
      if (frame.case === "goAway") {
        this.#inbox.end();
        return;
      }
    }
  }

  /**
   * Passes on what the watch has acked, as far as own calls were answered: what
   * lies beyond may be another's, under a number that is on its way from here.
   */
  #tellEarly(): void {
    for (const [level, ack] of this.#early) {
      const through = Math.min(Number(ack.throughSequence), this.#durable);
      this.#put({ case: "ack", value: { ...ack, throughSequence: BigInt(through), credits: unlimited() } });
      this.#visible = Math.max(this.#visible, through);
      if (through === Number(ack.throughSequence)) {
        this.#early.delete(level);
      }
    }
    this.#changes.announce();
  }

  /** Ends the session when more was decided than it has sent: no stream fences it off. */
  #checkAlone(decided: number): void {
    if (decided > this.#through) {
      const text = `number ${String(decided)} was decided, and this session has sent none above ${String(this.#through)}: another process uses it`;
      throw new EngramError(text, { code: "aborted", reason: "SESSION_TAKEN_OVER" });
    }
  }

  /** Gives the stream up when the watch must be dead, as after sleep. */
  #lookAfter(): void {
    let looked = Date.now();
    clearInterval(this.#tick);
    this.#tick = setInterval(() => {
      const slept = Date.now() - looked > asleepMs;
      looked = Date.now();
      const stalled = this.#visible < this.#durable && performance.now() - this.#heard > stalledMs;
      if (slept || stalled) {
        this.#inbox.end(transportError(slept ? "it was asleep" : "the watch of the session is silent"));
      }
    }, tickMs);
    // In Node, looking after the watch is no reason to stay.
    (this.#tick as { unref?: () => void }).unref?.();
  }

  async #feed(init: Introduction, frames: AsyncIterator<ClientFrame>): Promise<void> {
    while (!this.#abort.signal.aborted) {
      const r = await frames.next();
      if (r.done === true) {
        return;
      }
      const f = r.value;
      if (f.kind === "observations") {
        await this.#observe(init, f);
      } else if (f.kind === "recall") {
        void this.#recall(init, f);
      } else if (f.kind === "close") {
        await this.#close(f.last);
      }
    }
  }

  async #observe(init: Introduction, f: ClientFrame & { kind: "observations" }): Promise<void> {
    const { space, mustExist, priority } = init;
    const waitFor = AckLevel.DURABLE;
    this.#through = Math.max(this.#through, f.first + f.list.length - 1);
    const request = observeRequest({ space, mustExist, priority, sessionId: this.#id, firstSequence: BigInt(f.first), waitFor }, f.list);
    try {
      const m = await this.#clients.memory.observe(request, this.#options);
      this.#checkAlone(Number(m.nextSequence) - 1);
      for (const value of m.rejections) {
        this.#put({ case: "rejection", value });
      }
      const through = f.first + f.list.length - 1;
      this.#durable = Math.max(this.#durable, through);
      this.#heard = performance.now();
      this.#busy.delete(this.#id);
      const throughSequence = BigInt(through);
      this.#put({ case: "ack", value: create(AckSchema, { status: waitFor, throughSequence, generation: m.generation, credits: unlimited() }) });
      this.#tellEarly();
      if (!this.#watching) {
        await this.#watch(init);
      }
    } catch (e) {
      this.#failed(fromWire(e), f.first);
    }
  }

  /** Says what became of a batch that was not taken, in the frames of a stream. */
  #failed(e: EngramError, first: number): void {
    const retryAfterMs = Math.max(leastPauseMs, e.retryAfterMs);
    if (e.reason === "DRAINING") {
      this.#put({ case: "goAway", value: create(GoAwaySchema, { reason: e.reason, resumable: true, resumeAfter: durationFromMs(retryAfterMs) }) });
      this.#inbox.end();
    } else if (e.retryable && e.reason !== "TRANSPORT" && (e.code === "resource_exhausted" || e.code === "unavailable")) {
      const { reason, message } = e;
      const value = create(RefusalSchema, { expectedSequence: BigInt(first), reason, message, retryAfter: durationFromMs(retryAfterMs), credits: unlimited() });
      this.#put({ case: "refusal", value });
    } else if (e.reason === "SESSION_BUSY" || e.reason === "SEQUENCE_GAP") {
      // Nothing of this batch was taken.
      this.#put({ case: "refusal", value: create(RefusalSchema, { expectedSequence: BigInt(first), reason: e.reason, message: e.message }) });
      const since = this.#busy.get(this.#id) ?? performance.now();
      if (e.reason === "SESSION_BUSY") {
        if (performance.now() - since > busyMs) {
          this.#busy.delete(this.#id);
          throw new EngramError(e.message, { code: "aborted", reason: "SESSION_TAKEN_OVER", cause: e });
        }
        this.#busy.set(this.#id, since);
      }
      // An earlier call may not have ended yet, or a crash took what was acked by
      // none: come back, and begin where the server stands then.
      throw new EngramError(e.message, { code: "unavailable", reason: e.reason, retryable: true, cause: e });
    } else {
      throw e;
    }
  }

  /** Recalls once everything sent before can be found. */
  async #recall(init: Introduction, f: ClientFrame & { kind: "recall" }): Promise<void> {
    const covered = this.#through;
    try {
      if (f.request.consistency === undefined) {
        await this.#until(() => this.#visible >= covered);
      }
      const { results, snapshot, stats } = await this.#clients.memory.recall({ ...f.request, space: init.space }, this.#options);
      const value = create(StreamRecallResultsSchema, { requestId: f.id, results, coveredSequence: BigInt(covered) });
      value.snapshot = snapshot;
      value.stats = stats;
      this.#put({ case: "recallResults", value });
    } catch (e) {
      const { code, reason, message } = fromWire(e);
      const error = create(StreamRecallErrorSchema, { code: codeNumber(code), reason, message });
      this.#put({ case: "recallResults", value: create(StreamRecallResultsSchema, { requestId: f.id, error }) });
    }
  }

  /** Ends the session once everything is visible. */
  async #close(last: number): Promise<void> {
    if (!this.#watching) {
      this.#put({ case: "closed", value: create(ClosedSchema) }); // the server never heard of it
      this.#inbox.end();
      return;
    }
    await this.#until(() => this.#visible >= last);
    this.#closing = true;
    const { session: s } = await this.#clients.admin.closeSession({ sessionId: this.#id, reason: "closed by its client" }, this.#options);
    const finalSequence = BigInt(last);
    const counts = { accepted: s?.accepted ?? 0n, rejected: s?.rejected ?? 0n, refused: s?.refused ?? 0n, duplicates: s?.duplicates ?? 0n };
    this.#put({ case: "closed", value: create(ClosedSchema, { finalSequence, ...counts }) });
    this.#inbox.end();
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await this.#changes.next(this.#abort.signal);
    }
  }
}

/** What a call may send is bounded by the server's refusals alone. */
function unlimited(): Credits {
  return create(CreditsSchema, { throughSequence: BigInt(Number.MAX_SAFE_INTEGER), bytes: BigInt(Number.MAX_SAFE_INTEGER) });
}

function codeNumber(name: string): number {
  for (let code: number = Code.Canceled; code <= (Code.Unauthenticated as number); code++) {
    if (codeName(code) === name) {
      return code;
    }
  }
  return Code.Unknown;
}

/** A name that nobody else chooses: 130 random bits. */
function newId(): string {
  const letters = "abcdefghijklmnopqrstuvwxyz234567";
  return Array.from(crypto.getRandomValues(new Uint8Array(26)), (b) => letters.charAt(b & 31)).join("");
}
