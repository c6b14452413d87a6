// Observations are encoded by hand, once, when they are observed: into slabs in
// which those that follow each other lie side by side, so that a batch is a few
// stretches of bytes and sending one again costs nothing. Only what is rare
// (metadata, context, times) goes through the general encoder.
// The format: https://protobuf.dev/programming-guides/encoding/
import { create, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ObservationSchema, VectorEncoding } from "./gen/engram/v1/observation_pb.js";
import { invalid } from "./errors.js";
import { type Observation, priorityToWire } from "./observation.js";
import { writeF16, writeF32 } from "./vector.js";

/** An encoded observation: a stretch of a slab, tag and length included. */
export interface Held {
  slab: Uint8Array;
  start: number;
  end: number;
  /** Encoded bytes without tag and length: what credits count. */
  size: number;
}

/** W3C trace context. */
export interface TraceContext {
  traceparent: string;
  tracestate?: string | undefined;
}

const slabBytes = 256 * 1024;

/**
 * Larger observations are not sent. Servers take far less and say so by a
 * rejection; one that fits into no frame would end the whole stream.
 */
export const maxObservationBytes = 15 * 1024 * 1024;

const utf8 = new TextEncoder();

/** Encodes observations as elements of a repeated field, one after another. */
export class Encoder {
  #slab = new Uint8Array(0);
  #at = 0;
  readonly #tag: number;

  /** `field` is the number of the repeated field, below 16. */
  constructor(field: number) {
    this.#tag = (field << 3) | 2;
  }

  /** Throws INVALID_FIELD for what cannot be encoded, TOO_LARGE for too much. */
  encode(o: Observation, trace?: TraceContext): Held {
    const id = utf8Length(o.id, "id");
    const content = utf8Length(o.content, "content");
    const vector = o.vector;
    const data = vector === undefined ? 0 : vector.length * (o.halfPrecision === true ? 2 : 4);
    const packed = vector === undefined ? 0 : delimited(data) + 2; // data, encoding
    const embedding = vector === undefined ? 0 : delimited(packed);
    const rest = hasRest(o, trace) ? encodeRest(o, trace) : undefined;
    const size =
      (id > 0 ? delimited(id) : 0) +
      (content > 0 ? delimited(content) : 0) +
      (vector === undefined ? 0 : delimited(embedding)) +
      (rest?.length ?? 0);
    if (size > maxObservationBytes) {
      throw invalid("observation", `the observation has ${String(size)} bytes; the limit is ${String(maxObservationBytes)}`, "TOO_LARGE");
    }
    const start = this.#room(delimited(size));
    const slab = this.#slab;
    slab[this.#at++] = this.#tag;
    this.#varint(size);
    if (id > 0) {
      this.#string(0x0a, o.id ?? "", id);
    }
    if (content > 0) {
      this.#string(0x12, o.content ?? "", content);
    }
    if (vector !== undefined) {
      slab[this.#at++] = 0x1a; // Observation.embedding
      this.#varint(embedding);
      slab[this.#at++] = 0x12; // Embedding.packed
      this.#varint(packed);
      slab[this.#at++] = 0x0a; // PackedVector.data
      this.#varint(data);
      (o.halfPrecision === true ? writeF16 : writeF32)(vector, slab, this.#at);
      this.#at += data;
      slab[this.#at++] = 0x10; // PackedVector.encoding
      slab[this.#at++] = o.halfPrecision === true ? VectorEncoding.F16_LE : VectorEncoding.F32_LE;
    }
    if (rest !== undefined) {
      slab.set(rest, this.#at);
      this.#at += rest.length;
    }
    return { slab, start, end: this.#at, size };
  }

  /** Makes room for n bytes and gives where they begin. */
  #room(n: number): number {
    if (this.#at + n > this.#slab.length) {
      this.#slab = new Uint8Array(Math.max(slabBytes, n));
      this.#at = 0;
    }
    return this.#at;
  }

  #varint(n: number): void {
    this.#at = writeVarint(n, this.#slab, this.#at);
  }

  #string(tag: number, s: string, length: number): void {
    this.#slab[this.#at++] = tag;
    this.#varint(length);
    if (length === s.length && length < 64) {
      for (let i = 0; i < length; i++) {
        this.#slab[this.#at++] = s.charCodeAt(i); // all of it is ASCII
      }
      return;
    }
    utf8.encodeInto(s, this.#slab.subarray(this.#at));
    this.#at += length;
  }
}

/** Joins what lies side by side. */
export function stretches(list: readonly Held[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  let run: { slab: Uint8Array; start: number; end: number } | undefined;
  for (const h of list) {
    if (run?.slab === h.slab && run.end === h.start) {
      run.end = h.end;
      continue;
    }
    if (run !== undefined) {
      out.push(run.slab.subarray(run.start, run.end));
    }
    run = { slab: h.slab, start: h.start, end: h.end };
  }
  if (run !== undefined) {
    out.push(run.slab.subarray(run.start, run.end));
  }
  return out;
}

/** Writes a non-negative integer below 2^53 and gives where it ends. */
export function writeVarint(n: number, out: Uint8Array, at: number): number {
  while (n > 0x7f) {
    out[at++] = (n % 0x80) | 0x80;
    n = Math.floor(n / 0x80);
  }
  out[at++] = n;
  return at;
}

/** The bytes that a non-negative integer below 2^53 takes. */
export function varintLength(n: number): number {
  let bytes = 1;
  for (; n > 0x7f; n = Math.floor(n / 0x80)) {
    bytes++;
  }
  return bytes;
}

/** The bytes of a field with a one-byte tag and a content of n bytes. */
function delimited(n: number): number {
  return 1 + varintLength(n) + n;
}

/** The length of s in UTF-8; throws for a string that has none. */
function utf8Length(s: string | undefined, field: string): number {
  if (s === undefined) {
    return 0;
  }
  let n = s.length;
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c < 0x80) {
      continue;
    }
    if (c < 0x800) {
      n += 1;
    } else if (c < 0xd800 || c > 0xdfff) {
      n += 2;
    } else {
      const low = s.charCodeAt(i + 1);
      if (c > 0xdbff || !(low >= 0xdc00 && low <= 0xdfff)) {
        throw invalid(field, `${field} is not well-formed: half a surrogate pair at ${String(i)}`);
      }
      n += 2; // a pair is two units and four bytes
      i++;
    }
  }
  return n;
}

function hasRest(o: Observation, trace: TraceContext | undefined): boolean {
  return (
    trace !== undefined ||
    o.observedAt !== undefined ||
    o.expiresAt !== undefined ||
    o.confidence !== undefined ||
    o.importance !== undefined ||
    o.emotionalValence !== undefined ||
    o.decayRate !== undefined ||
    o.context !== undefined ||
    o.metadata !== undefined ||
    o.priority !== undefined ||
    o.replace !== undefined ||
    o.traceparent !== undefined ||
    o.tracestate !== undefined
  );
}

/** Encodes everything but id, content and vector. */
function encodeRest(o: Observation, trace: TraceContext | undefined): Uint8Array {
  checkWellFormed(o.context?.location, "context.location", 0);
  checkWellFormed(o.context?.reason, "context.reason", 0);
  checkWellFormed(o.context?.method, "context.method", 0);
  checkWellFormed(o.context?.participants as JsonValue | undefined, "context.participants", 0);
  checkWellFormed(o.metadata, "metadata", 0);
  const traced = o.traceparent === undefined ? trace : { traceparent: o.traceparent, tracestate: o.tracestate };
  const m = create(ObservationSchema, {
    importance: o.importance ?? 0,
    emotionalValence: o.emotionalValence ?? 0,
    decayRate: o.decayRate ?? 0,
    priority: priorityToWire(o.priority),
    replace: o.replace ?? false,
    traceparent: traced?.traceparent ?? "",
    tracestate: traced?.tracestate ?? "",
  });
  m.confidence = o.confidence;
  if (o.observedAt !== undefined) {
    m.observedAt = timestampFromDate(validDate(o.observedAt, "observedAt"));
  }
  if (o.expiresAt !== undefined) {
    m.expiresAt = timestampFromDate(validDate(o.expiresAt, "expiresAt"));
  }
  if (o.context !== undefined) {
    const { location = "", participants = [], reason = "", method = "" } = o.context;
    m.context = { $typeName: "engram.v1.ObservationContext", location, participants: [...participants], reason, method };
  }
  m.metadata = o.metadata;
  try {
    return toBinary(ObservationSchema, m);
  } catch (e) {
    const said = e instanceof Error ? e.message : String(e);
    throw invalid("observation", `the observation cannot be encoded: ${said}`);
  }
}

function validDate(d: Date, field: string): Date {
  if (Number.isNaN(d.getTime())) {
    throw invalid(field, `${field} is an invalid date`);
  }
  return d;
}

const maxNesting = 100;

/** Throws when a string in v is not well-formed, or v is nested too deeply. */
function checkWellFormed(v: JsonValue | undefined, field: string, depth: number): void {
  if (typeof v === "string") {
    utf8Length(v, field);
  } else if (typeof v === "number") {
    if (!Number.isFinite(v)) {
      throw invalid(field, `${field} is ${String(v)}, which JSON has not`);
    }
  } else if (depth > maxNesting) {
    throw invalid(field, `${field} is nested more than ${String(maxNesting)} deep`);
  } else if (Array.isArray(v)) {
    for (const x of v) {
      checkWellFormed(x, field, depth + 1);
    }
  } else if (v !== undefined && typeof v === "object" && v !== null) {
    for (const [key, x] of Object.entries(v)) {
      utf8Length(key, field);
      checkWellFormed(x, `${field}.${key}`, depth + 1);
    }
  }
}
