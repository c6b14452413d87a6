// What both entries export.
export { Client, type Checkpoint, type ListOptions, type WatchOptions } from "./client.js";
export type { Observed, ObserveOptions } from "./calls.js";
export type { ConnectOptions } from "./connecting.js";
export type { TraceContext } from "./encode.js";
export {
  EngramError,
  type ErrorInit,
  isConflict,
  isInvalid,
  isNotFound,
  isRefused,
  isUnavailable,
  reasonOf,
  RejectedError,
  type Rejection,
} from "./errors.js";
export { above, below, between, type Clause, eq, exists, type Filter, type FilterValue, oneOf } from "./filter.js";
export type { Observation, ObservationContext, Priority, Remembered, Stored } from "./observation.js";
export type { Ack, CallOptions, Closed, Level, SessionOptions, Stats, Status } from "./options.js";
export type { Consistency, Cue, Recall, RecallOptions, Result } from "./recall.js";
export { type ManyOptions, Memory, Session, type WaitOptions } from "./session.js";
export type { Metric, NewSpace, Quotas, Retention, Space, SpaceChange } from "./spaces.js";
export type { IndexPolicy, IndexStatus, ScanCodes, SpaceMemory } from "./spacestatus.js";
export type { Vector } from "./vector.js";
export type {
  BackupBegin,
  BackupChunk,
  BackupEnd,
  BackupResponse,
  CheckpointStatus,
  IndexPolicyStatus,
  JournalStatus,
  LaneStatus,
  MemoryStatus,
  ReplayStatus,
  ResourceLevel,
  ServerState,
  ServerStatus,
  SessionInfo,
  WorkerStatus,
} from "./gen/engram/v1/admin_service_pb.js";
export type { Credits, SessionState } from "./gen/engram/v1/session_pb.js";
export type { Priority as WirePriority } from "./gen/engram/v1/observation_pb.js";
export type { IndexPolicy as WireIndexPolicy } from "./gen/engram/v1/space_pb.js";
