// What is remembered, as applications see it.
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type { JsonObject } from "@bufbuild/protobuf";
import {
  type Observation as WireObservation,
  Priority as WirePriority,
  type StoredObservation,
} from "./gen/engram/v1/observation_pb.js";
import { invalid } from "./errors.js";
import { unpacked, type Vector } from "./vector.js";

/** The lane an observation waits in. Left out: the session's, or `normal`. */
export type Priority = "high" | "normal" | "low";

/** One thing to remember: a text, a vector, or both. */
export interface Observation {
  /**
   * Names it within its space: 1–128 bytes. Sending it again with the same
   * content changes nothing. Left out: derived by the server.
   */
  id?: string | undefined;
  /** The text. Without a vector the space's embedder makes one of it. */
  content?: string | undefined;
  /**
   * As long as the space's dimension. It is copied: the caller may use the
   * array again once `observe` has been called.
   */
  vector?: Vector | undefined;
  /**
   * Sends the vector as binary16: half the bytes, three decimal digits.
   * Components beyond ±65504 become infinite and are rejected.
   */
  halfPrecision?: boolean | undefined;
  /** Left out: when it is received. */
  observedAt?: Date | undefined;
  /** From then on no recall returns it. Left out: never. */
  expiresAt?: Date | undefined;
  /** 0..1. Left out: 0.7. */
  confidence?: number | undefined;
  /** 0..1. */
  importance?: number | undefined;
  /** −1..1. */
  emotionalValence?: number | undefined;
  /** ≥ 0. */
  decayRate?: number | undefined;
  /** Where, with whom, why and how. */
  context?: ObservationContext | undefined;
  /** Anything else, as a JSON object; filters reach into it. */
  metadata?: JsonObject | undefined;
  priority?: Priority | undefined;
  /** Overwrites what the space holds under `id`. */
  replace?: boolean | undefined;
  /** W3C trace context; left out, the client's `trace` is asked for it. */
  traceparent?: string | undefined;
  tracestate?: string | undefined;
}

/** Where, with whom, why and how something was observed. */
export interface ObservationContext {
  location?: string | undefined;
  participants?: readonly string[] | undefined;
  reason?: string | undefined;
  method?: string | undefined;
}

/** An observation as a recall or a read returns it. */
export interface Remembered extends Observation {
  id: string;
  content: string;
  vector?: Float32Array | undefined;
}

/** An observation as a space holds it. */
export interface Stored {
  observation: Remembered;
  /** The generation under which it became visible. */
  generation: number;
  committedAt: Date | undefined;
  /** Why it is kept from recall; empty if it is not. */
  quarantine: string;
}

const priorities = { high: WirePriority.HIGH, normal: WirePriority.NORMAL, low: WirePriority.LOW } as const;

/** @internal */
export function priorityToWire(p: Priority | undefined, field = "priority"): WirePriority {
  if (p === undefined) {
    return WirePriority.UNSPECIFIED;
  }
  const wire = priorities[p] as WirePriority | undefined;
  if (wire === undefined) {
    throw invalid(field, `${field} is ${JSON.stringify(p)}; it has to be high, normal or low`);
  }
  return wire;
}

/** @internal */
export function observationOf(m: WireObservation | undefined): Remembered {
  const o: Remembered = { id: m?.id ?? "", content: m?.content ?? "" };
  if (m === undefined) {
    return o;
  }
  if (m.confidence !== undefined) {
    o.confidence = m.confidence;
  }
  o.importance = m.importance;
  o.emotionalValence = m.emotionalValence;
  o.decayRate = m.decayRate;
  o.replace = m.replace;
  const priority = (["high", "normal", "low"] as const)[m.priority - 1];
  if (priority !== undefined) {
    o.priority = priority;
  }
  if (m.observedAt !== undefined) {
    o.observedAt = timestampDate(m.observedAt);
  }
  if (m.expiresAt !== undefined) {
    o.expiresAt = timestampDate(m.expiresAt);
  }
  if (m.context !== undefined) {
    const { location, participants, reason, method } = m.context;
    o.context = { location, participants, reason, method };
  }
  if (m.metadata !== undefined) {
    o.metadata = m.metadata;
  }
  if (m.traceparent !== "") {
    o.traceparent = m.traceparent;
  }
  if (m.tracestate !== "") {
    o.tracestate = m.tracestate;
  }
  const vector = m.embedding && unpacked(m.embedding);
  if (vector !== undefined) {
    o.vector = vector;
  }
  return o;
}

/** @internal */
export function storedOf(s: StoredObservation): Stored {
  return {
    observation: observationOf(s.observation),
    generation: Number(s.generation),
    committedAt: momentAfter(s.committedAt),
    quarantine: s.quarantineReason,
  };
}

/** @internal */
export function moment(t: Timestamp | undefined): Date | undefined {
  return t && timestampDate(t);
}

/** @internal Rounded up to a millisecond: so that a recall `asOf` it sees what was committed then. */
export function momentAfter(t: Timestamp | undefined): Date | undefined {
  return t && new Date(Number(t.seconds) * 1000 + Math.ceil(t.nanos / 1e6));
}
