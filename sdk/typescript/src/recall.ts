// Recalling: what is near a cue?
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { RecallRequestSchema, RecallResult, RecallStats, Snapshot } from "./gen/engram/v1/recall_pb.js";
import { type Filter, filterToWire } from "./filter.js";
import { momentAfter, observationOf, type Remembered } from "./observation.js";
import type { CallOptions } from "./options.js";
import { invalid } from "./errors.js";
import { packed, type Vector } from "./vector.js";

/**
 * What to look for: a text (in a space that has an embedder), a vector of the
 * space's dimension, or an observation by its id, which is itself left out. A
 * bare string is a text, a bare Float32Array a vector.
 */
export type Cue = string | Float32Array | { text: string } | { vector: Vector } | { id: string };

/** Which state of a space to answer from; everything visible now without it. */
export type Consistency =
  /** Waits until this generation is visible: read your own writes. */
  | { atLeast: number }
  /** Exactly this generation. */
  | { at: number }
  /** The last generation at or before this time. */
  | { asOf: Date };

/** The settings of a recall. */
export interface RecallOptions extends CallOptions {
  /** How many results there may be, 1..10,000; 10 without it. */
  limit?: number | undefined;
  /** Leaves out what is less similar. */
  minSimilarity?: number | undefined;
  /** Recalls only what matches. */
  filter?: Filter | undefined;
  consistency?: Consistency | undefined;
  /** The width of the graph search: higher finds more, more slowly. */
  effort?: number | undefined;
  /** Compares with every observation. */
  exact?: boolean | undefined;
  /** Has the results carry their vectors. */
  vectors?: boolean | undefined;
}

/** One observation that was found. */
export interface Result {
  observation: Remembered;
  similarity: number;
  /** The generation under which it became visible. */
  generation: number;
  /** Found through the graph rather than by the scan of fresh rows. */
  inGraph: boolean;
}

/** The answer to a recall: results of one generation, best first. */
export interface Recall {
  results: Result[];
  generation: number;
  /** When that generation was committed, rounded up: a recall `asOf` it sees that generation. */
  committedAt: Date | undefined;
  /** Rows that were scanned since no graph holds them yet. */
  unindexed: number;
  /** Age of the oldest durable row that is not visible yet; else 0. */
  stalenessMs: number;
  /** The space still reads its journal after a start: more may be there soon. */
  replaying: boolean;
  /** The generation it will have then. */
  recoverableGeneration: number;
  scanned: number;
  visited: number;
  /** Time inside the server. */
  tookMs: number;
}

/** @internal */
export function recallRequest(space: string, cue: Cue, o: RecallOptions): MessageInitShape<typeof RecallRequestSchema> {
  return {
    space,
    cue: cueToWire(cue),
    limit: count(o.limit, "limit"),
    ...(o.minSimilarity === undefined ? {} : { minSimilarity: o.minSimilarity }),
    ...(o.filter === undefined ? {} : { filter: filterToWire(o.filter) ?? {} }),
    ...(o.consistency === undefined ? {} : { consistency: { mode: consistencyToWire(o.consistency) } }),
    effort: count(o.effort, "effort"),
    exact: o.exact ?? false,
    ...(o.vectors === true ? { include: { content: true, embedding: true, metadata: true } } : {}),
  };
}

function count(n: number | undefined, field: string): number {
  if (n !== undefined && !(Number.isInteger(n) && n >= 0 && n < 2 ** 32)) {
    throw invalid(field, `${field} is ${String(n)}; it has to be a whole number from 0`);
  }
  return n ?? 0;
}

function cueToWire(cue: Cue) {
  if (typeof cue === "string") {
    return { case: "text" as const, value: cue };
  }
  if (cue instanceof Float32Array) {
    return { case: "embedding" as const, value: packed(cue) };
  }
  if ("text" in cue) {
    return { case: "text" as const, value: cue.text };
  }
  if ("vector" in cue) {
    return { case: "embedding" as const, value: packed(cue.vector) };
  }
  return { case: "observationId" as const, value: cue.id };
}

function consistencyToWire(c: Consistency) {
  if ("atLeast" in c) {
    return { case: "atLeast" as const, value: BigInt(c.atLeast) };
  }
  if ("at" in c) {
    return { case: "at" as const, value: BigInt(c.at) };
  }
  return { case: "asOf" as const, value: timestampFromDate(c.asOf) };
}

/** @internal */
export function recallOf(list: readonly RecallResult[], s: Snapshot | undefined, st: RecallStats | undefined): Recall {
  return {
    results: list.map(resultOf),
    generation: Number(s?.generation ?? 0n),
    committedAt: momentAfter(s?.committedAt),
    unindexed: Number(s?.unindexed ?? 0n),
    stalenessMs: s?.staleness ? durationMs(s.staleness) : 0,
    replaying: s?.replaying ?? false,
    recoverableGeneration: Number(s?.recoverableGeneration ?? 0n),
    scanned: Number(st?.scanned ?? 0n),
    visited: Number(st?.visited ?? 0n),
    tookMs: st?.took ? durationMs(st.took) : 0,
  };
}

/** @internal */
export function resultOf(r: RecallResult): Result {
  return { observation: observationOf(r.observation), similarity: r.similarity, generation: Number(r.generation), inGraph: r.inGraph };
}
