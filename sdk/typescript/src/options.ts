// The settings of calls and sessions.
import { AckLevel } from "./gen/engram/v1/session_pb.js";
import { invalid, type Rejection } from "./errors.js";
import type { Priority } from "./observation.js";

/** How far an observation has come, in the order in which levels are reached. */
export type Level =
  /** In memory: a crash may lose it. */
  | "accepted"
  /** On stable storage. */
  | "durable"
  /** Recall finds it. */
  | "visible"
  /** In the structure its space aims at. */
  | "indexed";

/** In the order of AckLevel, from 1. */
const levels = ["accepted", "durable", "visible", "indexed"] as const;
const levelNumbers = { accepted: AckLevel.ACCEPTED, durable: AckLevel.DURABLE, visible: AckLevel.VISIBLE, indexed: AckLevel.INDEXED } as const;

/** @internal */
export function levelToWire(l: Level, field: string): AckLevel {
  const wire = levelNumbers[l] as AckLevel | undefined;
  if (wire === undefined) {
    throw invalid(field, `${field} is ${JSON.stringify(l)}, which is no level`);
  }
  return wire;
}

/** @internal */
export function levelOf(wire: AckLevel): Ack["level"] {
  return levels[wire - 1] ?? `UNKNOWN_${String(wire)}`;
}

/** What every call takes. */
export interface CallOptions {
  /** Breaks the call off; it then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Milliseconds until the call fails with `deadline_exceeded`. */
  timeoutMs?: number | undefined;
  /** Headers of this call alone. */
  headers?: HeadersInit | undefined;
}

/** How far a session has come: every number up to `through` was decided. */
export interface Ack {
  /** A level of a newer server is passed on under its number. */
  level: Level | `UNKNOWN_${string}`;
  through: number;
  /** The generation at which the last of them is visible, if it is. */
  generation: number;
}

/** The pressure on a session, as the server tells it. */
export interface Status {
  /** ACTIVE, PAUSED, WARNING, BACKPRESSURE, OVERLOADED, ERROR, DRAINING, CLOSED. */
  state: string;
  /** What causes it, such as `queue_items`. */
  cause: string;
  /** 0 is idle, 1 is full. */
  pressure: number;
  queueDepth: number;
  queueCapacity: number;
  retryAfterMs: number;
  /** A batch size that suits the pressure; 0 when the server names none. */
  suggestedBatch: number;
}

/** A session's counts. */
export interface Stats {
  /** Handed to `observe`. */
  observed: number;
  /** Sent, the first time. */
  sent: number;
  /** Sent again. */
  resent: number;
  /** Through which everything is decided durably. */
  durable: number;
  /** Through which everything decided is visible. */
  visible: number;
  rejected: number;
  /** Refusals heard. */
  refused: number;
  reconnects: number;
}

/** What the server counted over the life of a session. */
export interface Closed {
  finalSequence: number;
  accepted: number;
  rejected: number;
  refused: number;
  duplicates: number;
  /**
   * The answer was lost with its stream and the session turned out to be closed:
   * everything is kept, and only `finalSequence` is known.
   */
  inferred: boolean;
}

/** The settings of a session. */
export interface SessionOptions {
  /** Breaks the opening off; has no effect on the open session. */
  signal?: AbortSignal | undefined;
  /** Headers of the session's streams. */
  headers?: HeadersInit | undefined;
  /** Fails with NOT_FOUND in place of creating the space. */
  mustExist?: boolean | undefined;
  /** Goes on with the session of this id, opened by an earlier process. */
  resume?: string | undefined;
  /** The lane of the session. */
  priority?: Priority | undefined;
  /** The level that `flush` waits for; `visible` without it. */
  flushTo?: Level | undefined;
  /** Observations in a frame: 64 without it, 256 in a browser. */
  batch?: number | undefined;
  /** Encoded bytes in a frame; 1 MiB without it. */
  batchBytes?: number | undefined;
  /** How long an observation waits for company, in ms; 2 without it. */
  lingerMs?: number | undefined;
  /** Observations held until they are on stable storage; 16,384 without it. */
  buffer?: number | undefined;
  /** Their encoded bytes; 64 MiB without it. */
  bufferBytes?: number | undefined;
  /** `observe` rejects with BUFFER_FULL in place of waiting for room. */
  nonBlocking?: boolean | undefined;
  /** How long the server may take to answer an opening, in ms; 10,000 without it. */
  connectTimeoutMs?: number | undefined;
  /**
   * How long the session goes on without a stream on which anything is acked, in
   * ms; 300,000 without it. Time asleep does not count.
   */
  reconnectForMs?: number | undefined;
  /** Called when numbers have reached a level. What a callback throws, the next `flush` or `close` throws. */
  onAck?: ((ack: Ack) => void) | undefined;
  /** Called for each observation that was not kept, for good. */
  onRejection?: ((rejection: Rejection) => void) | undefined;
  /** Called when the pressure on the session changes. */
  onStatus?: ((status: Status) => void) | undefined;
}

/** @internal The settings that a session runs with. */
export interface Settings {
  flushTo: AckLevel;
  batch: number;
  batchBytes: number;
  lingerMs: number;
  buffer: number;
  bufferBytes: number;
  connectTimeoutMs: number;
  reconnectForMs: number;
}

/** @internal */
export function settingsOf(o: SessionOptions, defaultBatch: number): Settings {
  return {
    flushTo: levelToWire(o.flushTo ?? "visible", "flushTo"),
    batch: atLeast(1, o.batch ?? defaultBatch, "batch"),
    batchBytes: atLeast(1, o.batchBytes ?? 1 << 20, "batchBytes"),
    lingerMs: atLeast(0, o.lingerMs ?? 2, "lingerMs"),
    buffer: atLeast(1, o.buffer ?? 16_384, "buffer"),
    bufferBytes: atLeast(1, o.bufferBytes ?? 64 << 20, "bufferBytes"),
    connectTimeoutMs: atLeast(1, o.connectTimeoutMs ?? 10_000, "connectTimeoutMs"),
    reconnectForMs: atLeast(0, o.reconnectForMs ?? 300_000, "reconnectForMs"),
  };
}

function atLeast(min: number, n: number, field: string): number {
  if (Number.isNaN(n) || n < min) {
    throw invalid(field, `${field} is ${String(n)}; it has to be at least ${String(min)}`);
  }
  return n;
}
