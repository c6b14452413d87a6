// How a space is searched and what memory it takes, as applications see it.
import { IndexPolicy as WirePolicy, type IndexStatus as WireIndex, ScanCodes as WireCodes, type SpaceMemory as WireMemory } from "./gen/engram/v1/space_pb.js";

/** What rows that are scanned are compared by first: codes, or the vectors themselves. */
export type ScanCodes = "none" | "1-bit" | "7-bit";

/**
 * How the rows that wait for the graph of a space are dealt with: inserted as
 * configured (`full`), inserted with a `narrow` search since too many wait, or
 * `paused` since what comes in needs the processors. They are scanned meanwhile.
 */
export type IndexPolicy = "full" | "narrow" | "paused";

/** How a space is searched. */
export interface IndexStatus {
  /** Undefined while the space is asleep, and for codes of a newer server. */
  scannedBy: ScanCodes | undefined;
  /** The recall@10 that these codes had in their last trial, 0..1; 0 without codes. */
  codeRecall: number;
  /** How many of the nearest by code are compared anew by their vectors; 0 without codes. */
  codeCandidates: number;
  /** How many rows the space had at that trial; 0 without codes. */
  codeTrialRows: number;
  /** Memory is short: codes were dropped, or none are made. Recalls are slower, and lose nothing. */
  codesWithheld: boolean;
  /** Undefined for a policy of a newer server. */
  policy: IndexPolicy | undefined;
}

/** The memory a space takes that the system cannot drop and read again from a file, in bytes. */
export interface SpaceMemory {
  /** The sum of what follows. */
  used: number;
  /** Rows that are not in files yet, with their vectors. */
  rows: number;
  /** What finds rows by id. */
  ids: number;
  /** What rows are compared by in place of their vectors. */
  codes: number;
  graph: number;
  /** What finds rows by metadata and context. */
  filters: number;
  /** Marks of sessions, and the space itself. */
  rest: number;
  /** What `used` may come to; 0 is no bound of its own. */
  limit: number;
}

const codes: Partial<Record<WireCodes, ScanCodes>> = { [WireCodes.NONE]: "none", [WireCodes.ONE_BIT]: "1-bit", [WireCodes.SEVEN_BIT]: "7-bit" };
const policies: Partial<Record<WirePolicy, IndexPolicy>> = { [WirePolicy.FULL]: "full", [WirePolicy.NARROW]: "narrow", [WirePolicy.PAUSED]: "paused" };

/** @internal */
export function indexStatusOf(m: WireIndex | undefined): IndexStatus {
  return {
    scannedBy: codes[m?.scannedBy ?? WireCodes.UNSPECIFIED],
    codeRecall: m?.codeRecall ?? 0,
    codeCandidates: m?.codeCandidates ?? 0,
    codeTrialRows: Number(m?.codeTrialRows ?? 0n),
    codesWithheld: m?.codesWithheld ?? false,
    policy: policies[m?.policy ?? WirePolicy.UNSPECIFIED],
  };
}

/** @internal */
export function spaceMemoryOf(m: WireMemory | undefined): SpaceMemory {
  return {
    used: Number(m?.used ?? 0n),
    rows: Number(m?.rows ?? 0n),
    ids: Number(m?.ids ?? 0n),
    codes: Number(m?.codes ?? 0n),
    graph: Number(m?.graph ?? 0n),
    filters: Number(m?.filters ?? 0n),
    rest: Number(m?.rest ?? 0n),
    limit: Number(m?.limit ?? 0n),
  };
}
