// The books of a session: what is observed, sent, granted, acked, rejected. All
// of it is plain arithmetic without I/O or time of its own, so that go-back-N can
// be tested step by step. Numbers are sequence numbers, from 1.
import type { Ack as WireAck, Closed as WireClosed, Credits, InitAck, Refusal, SessionStatus } from "./gen/engram/v1/session_pb.js";
import { AckLevel } from "./gen/engram/v1/session_pb.js";
import type { Held } from "./encode.js";
import { EngramError, type Rejection } from "./errors.js";
import type { Closed, Settings } from "./options.js";

/** Bounds the rejections that wait for a flush; onRejection hears all. */
const maxKept = 10_000;

/**
 * Bounds the rejected numbers that are remembered to tell repeated rejections
 * apart: as many as a server repeats.
 */
const maxRecent = 8192;

/** What to send next: a batch, the close, or nothing for some milliseconds. */
export type Next = { kind: "observations"; first: number; list: Held[] } | { kind: "close"; last: number } | { kind: "wait"; ms: number };

export class Ledger {
  /** Numbers 1..last were observed. */
  last = 0;
  /** The first number that is held: all below are on stable storage. */
  first = 1;
  heldBytes = 0;
  /** The last number sent on this stream. */
  sent = 0;
  /** How often `sent` went back. */
  rewinds = 0;
  /** The newest generation known to hold the session's observations. */
  generation = 0;
  /** Through which nothing lingers. */
  urgent = 0;
  /** Nothing more is observed; the session is to be closed when all is sent. */
  draining = false;
  /** The session ends without being closed. */
  detaching = false;
  /** Something was acked since this was last cleared. */
  progress = false;
  closed: Closed | undefined;
  readonly counts = { sent: 0, resent: 0, rejected: 0, refused: 0, reconnects: 0 };

  readonly #settings: Settings;
  #held: (Held | undefined)[] = []; // #held[#head + i] has number first + i
  #head = 0;
  #everSent = 0;
  #taken = 0; // what the server may have taken: sent, and not refused
  #unknown = 0; // of this, what earlier streams left without an answer
  #unacked = 0; // bytes of what is sent and not durable
  #through = 0; // credits
  #bytes = 0;
  #acked = [0, 0, 0, 0, 0]; // by AckLevel
  #hold = 0; // nothing is sent before: the server asked for it
  #maxBatch: number;
  #batch: number; // the same under the pressure of now
  #lingering = 0; // the number that waits for company
  #lingerTill = 0; // and until when
  #rejected: Rejection[] = []; // not yet told by flush
  #told = 0; // highest number heard to be rejected
  #recent = new Set<number>();
  #welcomed = false; // the server has said once where it stands
  #closing = false; // the server was told to close, on this stream
  #toldToClose = false; // or on an earlier one

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#maxBatch = this.#batch = settings.batch;
  }

  /** The highest number that the server may have taken of this session. */
  get taken(): number {
    return this.#taken;
  }

  get length(): number {
    return this.last - this.first + 1;
  }

  /** How many fill a frame at the pressure of now. */
  get batch(): number {
    return this.#batch;
  }

  acked(level: AckLevel): number {
    return this.#acked[level] ?? 0;
  }

  /** Whether an observation of some bytes may be held too. */
  hasRoom(size: number): boolean {
    return this.length === 0 || (this.length < this.#settings.buffer && this.heldBytes + size <= this.#settings.bufferBytes);
  }

  push(h: Held): number {
    this.#held.push(h);
    this.heldBytes += h.size;
    return ++this.last;
  }

  /** Takes over where the server stands, at the beginning of a stream. */
  welcome(ack: InitAck): void {
    const next = Number(ack.nextSequence);
    if (!this.#welcomed) {
      this.first = next; // resumed from another process, or 1
      this.last = this.#taken = next - 1;
      this.#welcomed = true;
    }
    this.#unknown = this.#taken;
    if (next < this.first) {
      // They were accepted from a process that is gone, and lost in a crash
      // before they were durable.
      throw new EngramError(
        `the server asks for number ${String(next)} again, and this session holds nothing before ${String(this.first)}: observe the lost ones again in a new session`,
        { code: "data_loss", reason: "PAYLOADS_GONE" },
      );
    }
    if (next > this.#taken + 1) {
      throw new EngramError(
        `the server expects number ${String(next)}, and has taken none above ${String(this.#taken)} of this session: another process has used it`,
        { code: "aborted", reason: "SESSION_TAKEN_OVER" },
      );
    }
    this.#maxBatch = ack.maxBatchSize > 0 ? Math.min(this.#settings.batch, ack.maxBatchSize) : this.#settings.batch;
    this.#batch = this.#maxBatch;
    this.#through = Number(ack.credits?.throughSequence ?? 0n);
    this.#bytes = Number(ack.credits?.bytes ?? 0n);
    this.#raise(AckLevel.DURABLE, Number(ack.durableSequence));
    if (next - 1 < this.sent) {
      this.rewinds++;
    }
    this.sent = next - 1;
    this.#unacked = 0;
    for (let seq = this.first; seq <= this.sent; seq++) {
      this.#unacked += this.#at(seq).size;
    }
    this.#closing = false;
  }

  /** Takes what may be sent now. */
  next(now: number): Next {
    if (this.#hold > now) {
      return { kind: "wait", ms: this.#hold - now };
    }
    const first = this.sent + 1;
    const list: Held[] = [];
    let size = 0;
    let full = false;
    for (let seq = first; seq <= this.last; seq++) {
      const h = this.#at(seq);
      const outstanding = this.#unacked + size;
      full =
        list.length >= this.#batch ||
        (size + h.size > this.#settings.batchBytes && list.length > 0) ||
        // More cannot be had now: go with what there is.
        seq > this.#through ||
        (outstanding > 0 && outstanding + h.size > this.#bytes);
      if (full) {
        break;
      }
      list.push(h);
      size += h.size;
    }
    if (list.length === 0) {
      // What stands at the end of the window when draining begins is the last.
      if (this.draining && !this.detaching && !this.#closing && this.sent === this.last) {
        this.#closing = this.#toldToClose = true;
        return { kind: "close", last: this.last };
      }
      return { kind: "wait", ms: Infinity };
    }
    full ||= list.length >= this.#batch;
    if (!full && this.#settings.lingerMs > 0 && first + list.length - 1 > this.urgent) {
      const wait = this.#linger(first, now);
      if (wait > 0) {
        return { kind: "wait", ms: wait };
      }
    }
    this.#lingering = 0;
    this.sent += list.length;
    this.#unacked += size;
    const fresh = Math.max(0, Math.min(list.length, this.sent - this.#everSent));
    this.counts.sent += fresh;
    this.counts.resent += list.length - fresh;
    this.#everSent = Math.max(this.#everSent, this.sent);
    this.#taken = Math.max(this.#taken, this.sent);
    return { kind: "observations", first, list };
  }

  /** How much longer the first waiting observation waits for company. */
  #linger(first: number, now: number): number {
    if (this.#lingering !== first) {
      this.#lingering = first;
      this.#lingerTill = now + this.#settings.lingerMs;
    }
    return this.#lingerTill - now;
  }

  ack(a: WireAck): void {
    this.progress = true;
    this.#raise(a.status, Number(a.throughSequence));
    this.generation = Math.max(this.generation, Number(a.generation));
    this.#grant(a.credits);
  }

  /** Keeps a rejection for flush; false when it was heard before. */
  reject(r: Rejection): boolean {
    if (r.sequence <= this.#told && this.#recent.has(r.sequence)) {
      return false;
    }
    this.#told = Math.max(this.#told, r.sequence);
    this.#recent.add(r.sequence);
    if (this.#recent.size > maxRecent) {
      this.#recent = new Set([...this.#recent].slice(maxRecent / 2));
    }
    this.counts.rejected++;
    if (this.#rejected.length < maxKept) {
      this.#rejected.push(r);
    }
    return true;
  }

  /** Goes back to where the server wants it, once it wants it. */
  refuse(r: Refusal, retryAfterMs: number, now: number): void {
    this.counts.refused++;
    const expected = Number(r.expectedSequence);
    if (expected >= this.first && expected <= this.sent) {
      for (let seq = expected; seq <= this.sent; seq++) {
        this.#unacked -= this.#at(seq).size;
      }
      this.#unacked = Math.max(0, this.#unacked);
      this.sent = expected - 1;
      this.#taken = Math.max(this.#unknown, this.sent);
      this.rewinds++;
    }
    this.#grant(r.credits);
    if (retryAfterMs > 0) {
      this.#hold = now + retryAfterMs;
    }
  }

  status(s: SessionStatus): void {
    this.#grant(s.credits);
    this.#batch = s.suggestedBatchSize > 0 ? Math.min(this.#maxBatch, s.suggestedBatchSize) : this.#maxBatch;
  }

  end(c: WireClosed): void {
    this.closed = {
      finalSequence: Number(c.finalSequence),
      accepted: Number(c.accepted),
      rejected: Number(c.rejected),
      refused: Number(c.refused),
      duplicates: Number(c.duplicates),
      inferred: false,
    };
    this.#raise(AckLevel.VISIBLE, this.closed.finalSequence);
  }

  /**
   * Makes a good end of an error that says the session is closed, when it was
   * this session that closed it and everything is known to be kept: only the
   * answer was lost, with the stream.
   */
  inferEnd(): boolean {
    if (!this.draining || this.detaching || this.acked(AckLevel.DURABLE) < this.last || !this.#toldToClose) {
      return false;
    }
    this.closed = { finalSequence: this.last, accepted: 0, rejected: 0, refused: 0, duplicates: 0, inferred: true };
    this.#raise(AckLevel.VISIBLE, this.last);
    return true;
  }

  /** Whether a session that the server does not know may begin anew at 1. */
  get nothingKept(): boolean {
    return this.acked(AckLevel.DURABLE) === 0 && this.first === 1;
  }

  /** The rejections since this was last asked. */
  takeRejected(): Rejection[] {
    const list = this.#rejected;
    this.#rejected = [];
    return list;
  }

  /** Everything through a number has reached a level, and so those below. */
  #raise(level: AckLevel, through: number): void {
    if (level < AckLevel.ACCEPTED || level > AckLevel.INDEXED) {
      return; // of a newer server
    }
    for (let l: number = level; l >= (AckLevel.ACCEPTED as number); l--) {
      this.#acked[l] = Math.max(this.#acked[l] ?? 0, through);
    }
    const durable = this.acked(AckLevel.DURABLE);
    while (this.first <= durable && this.first <= this.last) {
      const { size } = this.#at(this.first);
      if (this.first <= this.sent) {
        this.#unacked = Math.max(0, this.#unacked - size);
      }
      this.heldBytes -= size;
      this.#held[this.#head++] = undefined;
      this.first++;
    }
    if (this.#head > 1024 && this.#head > this.#held.length / 2) {
      this.#held = this.#held.slice(this.#head);
      this.#head = 0;
    }
  }

  #grant(c: Credits | undefined): void {
    if (c !== undefined && Number(c.throughSequence) >= this.#through) {
      this.#through = Number(c.throughSequence);
      this.#bytes = Number(c.bytes);
    }
  }

  #at(seq: number): Held {
    const h = this.#held[this.#head + seq - this.first];
    if (h === undefined) {
      throw new RangeError(`number ${String(seq)} is not held`);
    }
    return h;
  }
}
