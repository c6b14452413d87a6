// The shapes of calls that carry more than messages: what they take, and how
// they fail.
import { create } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import type { CallOptions as WireCallOptions } from "@connectrpc/connect";
import { type ObserveRequest, ObserveRequestSchema } from "./gen/engram/v1/memory_service_pb.js";
import { type Held, stretches } from "./encode.js";
import { fromWire, type Rejection } from "./errors.js";
import type { CallOptions, Level } from "./options.js";
import { throwIfAborted } from "./waiting.js";

/** The settings of an observe in one call. */
export interface ObserveOptions extends CallOptions {
  /** How far the batch must have come before the answer; `visible` without it. */
  waitFor?: Exclude<Level, "accepted"> | undefined;
  /** Fails with NOT_FOUND in place of creating the space. */
  mustExist?: boolean | undefined;
  /**
   * Numbers the batch on within a session, so that a retry applies nothing twice.
   * With an empty id and first 1 a session is opened, and named in the answer;
   * `nextSequence` is the first of the next batch.
   */
  session?: { id: string; first: number } | undefined;
}

/** What became of a batch. */
export interface Observed {
  /** One for each observation. */
  ids: string[];
  /** The generation at which everything kept is visible. */
  generation: number;
  /** How many were there already with the same content. */
  duplicates: number;
  /** What was not kept; an Observed with any is carried by a RejectedError. */
  rejections: Rejection[];
  sessionId: string;
  nextSequence: number;
}

/** @internal The field of ObserveRequest that holds the observations. */
export const observationsOfCall = 4;

/** @internal A request whose observations are encoded already. */
export function observeRequest(init: Partial<Omit<ObserveRequest, "observations">>, list: readonly Held[]): ObserveRequest {
  const m = create(ObserveRequestSchema, init as object);
  const parts = stretches(list);
  const [head] = parts;
  if (head !== undefined) {
    // As an unknown field they go out as they are. Its tag is written by the
    // encoder, so the one at the beginning is left out.
    const data = new Uint8Array(parts.reduce((n, p) => n + p.length, -1));
    let at = 0;
    for (const p of parts) {
      const rest = p === head ? p.subarray(1) : p;
      data.set(rest, at);
      at += rest.length;
    }
    m.$unknown = [{ no: observationsOfCall, wireType: WireType.LengthDelimited, data }];
  }
  return m;
}

/** @internal */
export function wireOptions(o: CallOptions | undefined): WireCallOptions {
  return {
    ...(o?.signal === undefined ? {} : { signal: o.signal }),
    ...(o?.timeoutMs === undefined ? {} : { timeoutMs: o.timeoutMs }),
    ...(o?.headers === undefined ? {} : { headers: o.headers }),
  };
}

/** @internal Makes a call, and an error of this package of what it throws. */
export async function unary<T>(call: (o: WireCallOptions) => Promise<T>, o: CallOptions | undefined): Promise<T> {
  throwIfAborted(o?.signal);
  try {
    return await call(wireOptions(o));
  } catch (e) {
    throwIfAborted(o?.signal);
    throw fromWire(e);
  }
}

/** @internal Makes a streaming call; leaving the loop ends it. */
export async function* streaming<T>(call: (o: WireCallOptions) => AsyncIterable<T>, o: CallOptions | undefined): AsyncGenerator<T> {
  throwIfAborted(o?.signal);
  const abort = new AbortController();
  const onAbort = () => {
    abort.abort(o?.signal?.reason);
  };
  o?.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    yield* call({ ...wireOptions(o), signal: abort.signal });
  } catch (e) {
    throwIfAborted(o?.signal);
    throw fromWire(e);
  } finally {
    o?.signal?.removeEventListener("abort", onAbort);
    abort.abort();
  }
}
