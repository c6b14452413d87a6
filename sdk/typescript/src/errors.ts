// What can go wrong, as typed errors. A failure is either what the server
// answered (EngramError), or says that observations were not kept for good
// (RejectedError). Waits that are broken off reject with the signal's reason.
import { Code, ConnectError } from "@connectrpc/connect";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { Rejection as WireRejection } from "./gen/engram/v1/session_pb.js";

/** What the server answered in place of a result, or why it could not be asked. */
export class EngramError extends Error {
  override readonly name = "EngramError";
  /** The status code, as the Connect protocol spells it: `not_found`, … */
  readonly code: string;
  /** A stable word to tell failures apart, such as `QUEUE_FULL`. */
  readonly reason: string;
  /** The offending field; empty when there is none. */
  readonly field: string;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** When a retry may help, in milliseconds; meaningful with `retryable`. */
  readonly retryAfterMs: number;

  constructor(message: string, init: ErrorInit) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = init.code;
    this.reason = init.reason;
    this.field = init.field ?? "";
    this.retryable = init.retryable ?? false;
    this.retryAfterMs = init.retryAfterMs ?? 0;
  }
}

/** The parts of an {@link EngramError}. */
export interface ErrorInit {
  code: string;
  reason: string;
  field?: string;
  retryable?: boolean;
  retryAfterMs?: number;
  cause?: unknown;
}

/** One observation that was not kept, for good. */
export interface Rejection {
  /** Its number in the session; without a session, its position from 1. */
  sequence: number;
  /** The id it had. */
  id: string;
  /** A stable word, such as `ID_CONFLICT`. */
  reason: string;
  /** For people: the field, the value's size and the limit. */
  message: string;
}

/** Says that observations were not kept; the session goes on. */
export class RejectedError<Answer = undefined> extends Error {
  override readonly name = "RejectedError";
  /** What was rejected and not yet told by an earlier RejectedError; at most 10,000. */
  readonly rejections: readonly Rejection[];
  /** The whole answer, when it was a call that was answered so. */
  readonly answer: Answer;

  constructor(rejections: readonly Rejection[], answer: Answer) {
    const first = rejections[0];
    const more = rejections.length > 1 ? ` (and ${String(rejections.length - 1)} more)` : "";
    super(`${first?.reason ?? ""}: ${first?.message ?? ""}${more}`);
    this.rejections = rejections;
    this.answer = answer;
  }
}

/** The error of calls on a session or client that was closed. */
export function closedError(): EngramError {
  return new EngramError("it is closed", { code: "failed_precondition", reason: "CLOSED" });
}

/** The error of `observe` on a full session that was opened with `nonBlocking`. */
export function fullError(): EngramError {
  return new EngramError("the session's buffer is full", { code: "resource_exhausted", reason: "BUFFER_FULL", retryable: true });
}

/** The error of a value that breaks a rule before it is sent. */
export function invalid(field: string, message: string, reason = "INVALID_FIELD"): EngramError {
  return new EngramError(message, { code: "invalid_argument", reason, field });
}

/** The error of a wait or call that took too long. */
export function deadlineError(ms: number): EngramError {
  return new EngramError(`it took longer than ${String(ms)} ms`, { code: "deadline_exceeded", reason: "DEADLINE" });
}

/** The error of a connection, as opposed to one that the server reports. */
export function transportError(message: string, cause?: unknown): EngramError {
  return new EngramError(message, { code: "unavailable", reason: "TRANSPORT", retryable: true, cause });
}

/** Reports whether what was asked for is not there. */
export const isNotFound = (e: unknown): e is EngramError => has(e, "not_found");
/** Reports whether what was sent breaks a rule: `field` says where. */
export const isInvalid = (e: unknown): e is EngramError => has(e, "invalid_argument");
/** Reports whether something else is there already by that id or name. */
export const isConflict = (e: unknown): e is EngramError => has(e, "already_exists");
/** Reports whether the server could not be reached, or takes nothing now. */
export const isUnavailable = (e: unknown): e is EngramError => has(e, "unavailable");
/** Reports whether the server had no room. */
export const isRefused = (e: unknown): e is EngramError => has(e, "resource_exhausted");

function has(e: unknown, code: string): boolean {
  return e instanceof EngramError && e.code === code;
}

/** The reason of an EngramError; "" for anything else. */
export function reasonOf(e: unknown): string {
  return e instanceof EngramError ? e.reason : "";
}

/** Spells a status code given by number, as the Connect protocol does. */
export function codeName(code: number): string {
  const name = Code[code];
  return name === undefined ? "unknown" : name.replace(/[a-z][A-Z]/g, (m) => `${m[0] ?? ""}_${m[1] ?? ""}`).toLowerCase();
}

/** @internal Makes an EngramError of what a call threw. */
export function fromWire(e: unknown): EngramError {
  if (e instanceof EngramError) {
    return e;
  }
  if (!(e instanceof ConnectError)) {
    return transportError(e instanceof Error ? e.message : String(e), e);
  }
  const out: ErrorInit = { code: codeName(e.code), reason: "", cause: e };
  for (const d of e.details) {
    if ("type" in d && d.type === "google.rpc.ErrorInfo") {
      readErrorInfo(d.value, out);
    } else if ("type" in d && d.type === "google.rpc.RetryInfo") {
      out.retryable = true;
      out.retryAfterMs = readRetryInfo(d.value);
    } else if ("type" in d && d.type === "buf.validate.Violations") {
      out.reason ||= "INVALID_FIELD";
      out.field ||= readViolation(d.value);
    }
  }
  if (out.reason === "") {
    // Nothing of the server's own.
    out.reason = e.code === Code.DeadlineExceeded ? "DEADLINE" : "TRANSPORT";
    out.retryable ??= e.code === Code.Unavailable;
  }
  return new EngramError(e.rawMessage, out);
}

/** @internal */
export function rejectionOf(r: WireRejection): Rejection {
  return { sequence: Number(r.sequence), id: r.observationId, reason: r.reason, message: r.message };
}

// The two details are read by hand: their schemas would weigh more than this.
// https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto

function readErrorInfo(bytes: Uint8Array, out: ErrorInit): void {
  eachField(bytes, (no, r) => {
    if (no === 1) {
      out.reason = r.string();
    } else if (no === 3) {
      let key = "";
      let value = "";
      eachField(r.bytes(), (part, entry) => {
        if (part === 1) {
          key = entry.string();
        } else if (part === 2) {
          value = entry.string();
        } else {
          return false;
        }
        return true;
      });
      if (key === "field") {
        out.field = value;
      }
    } else {
      return false;
    }
    return true;
  });
}

function readRetryInfo(bytes: Uint8Array): number {
  let ms = 0;
  eachField(bytes, (no, r) => {
    if (no !== 1) {
      return false;
    }
    eachField(r.bytes(), (part, d) => {
      if (part === 1) {
        ms += Number(d.int64()) * 1000;
      } else if (part === 2) {
        ms += d.int32() / 1e6;
      } else {
        return false;
      }
      return true;
    });
    return true;
  });
  return ms;
}

/** The field that the first of the violated rules is about. */
function readViolation(bytes: Uint8Array): string {
  const names: string[] = [];
  const path = [1, 5, 1]; // Violations.violations, Violation.field, FieldPath.elements
  const descend = (part: Uint8Array, depth: number): void => {
    eachField(part, (no, r) => {
      if (no === path[depth]) {
        descend(r.bytes(), depth + 1);
      } else if (depth === path.length && no === 2) {
        names.push(r.string()); // FieldPathElement.field_name
      } else {
        return false;
      }
      return true;
    });
  };
  descend(bytes, 0);
  return names.join(".");
}

/** Goes through the fields of a message; `read` says whether it took one. */
function eachField(bytes: Uint8Array, read: (no: number, r: BinaryReader) => boolean): void {
  const r = new BinaryReader(bytes);
  while (r.pos < r.len) {
    const [no, type] = r.tag();
    if (!read(no, r)) {
      r.skip(type, no);
    }
  }
}
