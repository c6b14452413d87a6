// Memory spaces, as applications see them.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Duration, type DurationSchema, durationMs } from "@bufbuild/protobuf/wkt";
import { Metric as WireMetric, type Space as WireSpace } from "./gen/engram/v1/space_pb.js";
import { type CreateSpaceRequestSchema } from "./gen/engram/v1/space_service_pb.js";
import { invalid } from "./errors.js";
import { moment } from "./observation.js";
import { type IndexStatus, indexStatusOf, type SpaceMemory, spaceMemoryOf } from "./spacestatus.js";

/** How a space compares vectors; `cosine` unless said otherwise. */
export type Metric = "cosine" | "dot" | "euclidean";

const metrics = { cosine: WireMetric.COSINE, dot: WireMetric.DOT, euclidean: WireMetric.EUCLIDEAN } as const;

/** Bounds of what a space may take; what goes beyond is refused. Zero is the server's limit. */
export interface Quotas {
  observations: number;
  /** Vectors included. */
  bytes: number;
}

/** What a space forgets by itself. Zero is never. */
export interface Retention {
  maxAgeMs: number;
  maxObservations: number;
  /** Vectors included. */
  maxBytes: number;
}

/** A memory space and its statistics. */
export interface Space {
  id: string;
  /** The length of its vectors; 0 until the first observation fixes it. */
  dimension: number;
  /** Undefined for a metric of a newer server. */
  metric: Metric | undefined;
  /** The kind of what embeds its texts. */
  embedder: string;
  embedderModel: string;
  generation: number;
  observations: number;
  /** Rows that the graph does not hold yet, and that are scanned. */
  unindexed: number;
  bytes: number;
  quarantined: number;
  indexThreshold: number;
  createdAt: Date | undefined;
  quotas: Quotas;
  retention: Retention;
  /** How long `at` and `asOf` reach back. */
  historyWindowMs: number;
  /** Its rows are on disk alone until something asks for them. */
  asleep: boolean;
  /** Deleted, replaced or quarantined: no recall finds them. */
  deadRows: number;
  /** Rows with their vectors in memory, dead ones included. */
  residentRows: number;
  /** Rows with their vectors in files that are mapped, dead ones included. */
  mappedRows: number;
  /** How it is searched. */
  index: IndexStatus;
  /** What memory it takes, by what takes it. */
  memory: SpaceMemory;
}

/** Describes a space to create. What is left out is the server's default. */
export interface NewSpace {
  dimension?: number | undefined;
  metric?: Metric | undefined;
  /** `none`, `hashing` or `openai`. */
  embedder?: string | undefined;
  /** From how many rows on a graph is built. */
  indexThreshold?: number | undefined;
  quotas?: Partial<Quotas> | undefined;
  retention?: Partial<Retention> | undefined;
  historyWindowMs?: number | undefined;
}

/** Says what to change of a space; what is left out stays. */
export interface SpaceChange {
  indexThreshold?: number | undefined;
  quotas?: Partial<Quotas> | undefined;
  retention?: Partial<Retention> | undefined;
}

/** @internal */
export function spaceOf(m: WireSpace | undefined): Space {
  return {
    id: m?.id ?? "",
    dimension: m?.dimension ?? 0,
    metric: (["cosine", "dot", "euclidean"] as const)[(m?.metric ?? WireMetric.COSINE) - 1],
    embedder: m?.embedder?.kind ?? "",
    embedderModel: m?.embedder?.model ?? "",
    generation: Number(m?.generation ?? 0n),
    observations: Number(m?.observations ?? 0n),
    unindexed: Number(m?.unindexed ?? 0n),
    bytes: Number(m?.bytes ?? 0n),
    quarantined: Number(m?.quarantined ?? 0n),
    indexThreshold: Number(m?.indexThreshold ?? 0n),
    createdAt: moment(m?.createdAt),
    quotas: { observations: Number(m?.quotas?.maxObservations ?? 0n), bytes: Number(m?.quotas?.maxBytes ?? 0n) },
    retention: { maxAgeMs: millis(m?.retention?.maxAge), maxObservations: Number(m?.retention?.maxObservations ?? 0n), maxBytes: Number(m?.retention?.maxBytes ?? 0n) },
    historyWindowMs: millis(m?.historyWindow),
    asleep: m?.asleep ?? false,
    deadRows: Number(m?.deadRows ?? 0n),
    residentRows: Number(m?.residentRows ?? 0n),
    mappedRows: Number(m?.mappedRows ?? 0n),
    index: indexStatusOf(m?.index),
    memory: spaceMemoryOf(m?.memory),
  };
}

/** @internal */
export function newSpaceToWire(space: string, n: NewSpace): MessageInitShape<typeof CreateSpaceRequestSchema> {
  return {
    space,
    dimension: n.dimension ?? 0,
    metric: n.metric === undefined ? WireMetric.UNSPECIFIED : metricToWire(n.metric),
    embedder: n.embedder ?? "",
    ...(n.indexThreshold === undefined ? {} : { indexThreshold: BigInt(n.indexThreshold) }),
    ...(n.quotas === undefined ? {} : { quotas: quotasToWire(n.quotas) }),
    ...(n.retention === undefined ? {} : { retention: retentionToWire(n.retention) }),
    ...(n.historyWindowMs === undefined ? {} : { historyWindow: duration(n.historyWindowMs) }),
  };
}

/** @internal */
export function quotasToWire(q: Partial<Quotas>) {
  return { maxObservations: BigInt(q.observations ?? 0), maxBytes: BigInt(q.bytes ?? 0) };
}

/** @internal */
export function retentionToWire(r: Partial<Retention>) {
  return { maxAge: duration(r.maxAgeMs ?? 0), maxObservations: BigInt(r.maxObservations ?? 0), maxBytes: BigInt(r.maxBytes ?? 0) };
}

/** @internal */
export function duration(ms: number): MessageInitShape<typeof DurationSchema> {
  const seconds = Math.trunc(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) };
}

function millis(d: Duration | undefined): number {
  return d === undefined ? 0 : durationMs(d);
}

function metricToWire(m: Metric): WireMetric {
  const wire = metrics[m] as WireMetric | undefined;
  if (wire === undefined) {
    throw invalid("metric", `metric is ${JSON.stringify(m)}; it has to be cosine, dot or euclidean`);
  }
  return wire;
}
