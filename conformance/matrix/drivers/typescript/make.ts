// Observations by formula; see the README of the matrix.
import type { Observation } from "@engram-stream/client/node";

export interface Recipe {
  dimension?: number;
  seed?: number;
  ids?: string;
  content?: string;
  full?: boolean;
  set?: {
    id?: string;
    content?: string;
    content_bytes?: number;
    vector?: number[] | "nan" | "inf";
    half_precision?: boolean;
    replace?: boolean;
    confidence?: number;
  };
}

export function vectorOf(n: number, { dimension = 8, seed = 0 }: Recipe = {}): Float32Array {
  return Float32Array.from({ length: dimension }, (_, j) => (((31 * n + 17 * j + 7 * seed + (n % 89) * (j % 13)) % 101) - 50) / 64);
}

export function observationOf(n: number, r: Recipe = {}): Observation {
  const { dimension = 8, ids = "o-", content = "note ", set = {} } = r;
  const o: Observation = { metadata: { n, odd: n % 2 === 1, tag: `t${String(n % 3)}` } };
  if (dimension > 0) o.vector = vectorOf(n, r);
  if (ids !== "") o.id = `${ids}${String(n)}`;
  if (content !== "") o.content = `${content}${String(n)}`;
  if (r.full === true) {
    o.observedAt = new Date(Date.UTC(2026, 0, 1) + n * 1000);
    o.confidence = (n % 9) / 8;
    o.importance = (n % 5) / 4;
    o.emotionalValence = (n % 5) / 2 - 1;
    o.decayRate = (n % 3) / 4;
    o.context = { location: `room ${String(n % 4)}`, participants: ["ann", `p${String(n)}`], reason: `why ${String(n)}`, method: "said" };
  }
  if (set.id !== undefined) o.id = set.id;
  if (set.content !== undefined) o.content = set.content;
  if (set.content_bytes !== undefined) o.content = "x".repeat(set.content_bytes);
  if (set.half_precision !== undefined) o.halfPrecision = set.half_precision;
  if (set.replace !== undefined) o.replace = set.replace;
  if (set.confidence !== undefined) o.confidence = set.confidence;
  if (set.vector === "nan" || set.vector === "inf") {
    const v = vectorOf(n, r);
    v[0] = set.vector === "nan" ? NaN : Infinity;
    o.vector = v;
  } else if (set.vector !== undefined) {
    o.vector = set.vector;
  }
  return o;
}
