// A stream to the server, both ways, in frames. There are two kinds: one real
// (Node), one made of calls (browsers); a session cannot tell them apart.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { MemoryStreamResponse } from "./gen/engram/v1/memory_service_pb.js";
import type { RecallRequestSchema } from "./gen/engram/v1/recall_pb.js";
import type { AckLevel } from "./gen/engram/v1/session_pb.js";
import type { Priority as WirePriority } from "./gen/engram/v1/observation_pb.js";
import type { Held } from "./encode.js";

/** A frame from the client. */
export type ClientFrame =
  | ({ kind: "init" } & Introduction)
  | { kind: "observations"; first: number; list: Held[] }
  | { kind: "recall"; id: bigint; request: MessageInitShape<typeof RecallRequestSchema> }
  | { kind: "close"; last: number };

/** The first frame of every stream. */
export interface Introduction {
  space: string;
  mustExist: boolean;
  /** "" opens a session. */
  sessionId: string;
  /** The server is not known to have kept anything of the session. */
  fresh: boolean;
  /** The highest number that the server may have taken of the session. */
  taken: number;
  priority: WirePriority;
  ackLevels: AckLevel[];
}

/** A frame from the server. */
export type ServerFrame = MemoryStreamResponse["frame"];

/** What a stream is opened with. */
export interface DuplexCall {
  signal: AbortSignal;
  headers: Headers;
  /** The session recalls on the stream. */
  recalls: boolean;
}

/**
 * Opens a stream. Frames are taken from `outgoing` as the stream has room for
 * them. The stream ends when the result is at its end or throws, and when the
 * signal is aborted; the one who opened it aborts the signal in any case.
 */
export interface Duplex {
  open(outgoing: AsyncIterable<ClientFrame>, call: DuplexCall): AsyncIterable<ServerFrame>;
  /** The number, in the message that carries them, of the field of observations. */
  readonly observationsField: number;
  /** How many observations go into a frame unless the session says otherwise. */
  readonly defaultBatch: number;
}
