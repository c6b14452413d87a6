// The client: everything that can be asked of a server.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client as WireClient } from "@connectrpc/connect";
import type { AdminService, BackupResponse, ServerStatus, SessionInfo } from "./gen/engram/v1/admin_service_pb.js";
import type { GetObservationsRequestSchema, ListObservationsRequestSchema, MemoryService } from "./gen/engram/v1/memory_service_pb.js";
import type { SpaceService } from "./gen/engram/v1/space_service_pb.js";
import { type Observed, type ObserveOptions, observationsOfCall, observeRequest, streaming, unary } from "./calls.js";
import { Core, type OnWake } from "./core.js";
import type { Duplex } from "./duplex.js";
import { Encoder, type TraceContext } from "./encode.js";
import { closedError, RejectedError, rejectionOf, transportError } from "./errors.js";
import { type Filter, filterToWire } from "./filter.js";
import { type Observation, type Stored, storedOf } from "./observation.js";
import { type CallOptions, levelToWire, type SessionOptions, settingsOf } from "./options.js";
import { type Cue, type Recall, recallOf, recallRequest, type RecallOptions, type Result, resultOf } from "./recall.js";
import { Recalls } from "./recalls.js";
import { Memory, Session } from "./session.js";
import { duration, type NewSpace, newSpaceToWire, quotasToWire, retentionToWire, type Space, type SpaceChange, spaceOf } from "./spaces.js";

/** @internal What a client speaks through. */
export interface Wire {
  memory: WireClient<typeof MemoryService>;
  spaces: WireClient<typeof SpaceService>;
  admin: WireClient<typeof AdminService>;
  duplex: Duplex;
  trace: (() => TraceContext | undefined) | undefined;
  onWake: OnWake | undefined;
  close: () => void;
}

/** What a listing takes. */
export interface ListOptions extends CallOptions {
  /** Only observations of generations above this one. */
  since?: number | undefined;
  filter?: Filter | undefined;
  /** The generation to list; the newest without it. */
  at?: number | undefined;
  /** Has the observations carry their vectors. */
  vectors?: boolean | undefined;
}

/** What watching a space takes. */
export interface WatchOptions extends CallOptions {
  /** From the generation after this one on; from now on without it. */
  since?: number | undefined;
  filter?: Filter | undefined;
  /** Has the observations carry their vectors. */
  vectors?: boolean | undefined;
}

/** What a checkpoint wrote. */
export interface Checkpoint {
  /** The number of the catalog that is now in force. */
  catalog: number;
  /** In the journal, from which a start would read. */
  position: number;
  /** Spaces that were written. */
  spaces: number;
  bytes: number;
}

const everything = { content: true, embedding: true, metadata: true };

/** A client of one server. It connects when it is first used. */
export class Client {
  readonly #connection: Wire;
  readonly #open = new Set<Core>();
  #closed = false;

  /** @internal Made by `connect`. */
  constructor(wire: Wire) {
    this.#connection = wire;
  }

  /** What every call goes by; none is made once the client is closed. */
  get #wire(): Wire {
    if (this.#closed) {
      throw closedError();
    }
    return this.#connection;
  }

  /** Opens a session, or resumes one. */
  async openSession(space: string, options: SessionOptions = {}): Promise<Session> {
    const core = await this.#begin(space, options);
    return new Session(core, ...this.#forSession(options));
  }

  /** Opens a session that recalls on its own stream. */
  async openMemory(space: string, options: SessionOptions = {}): Promise<Memory> {
    const recalls = new Recalls();
    const core = await this.#begin(space, options, recalls);
    return new Memory(recalls, core, ...this.#forSession(options));
  }

  async #begin(space: string, options: SessionOptions, recalls?: Recalls): Promise<Core> {
    const { duplex, onWake } = this.#wire;
    const core = new Core(space, duplex, options, settingsOf(options, duplex.defaultBatch), recalls, onWake);
    await core.open();
    core.onEnd = () => this.#open.delete(core);
    this.#open.add(core);
    return core;
  }

  #forSession(o: SessionOptions): [Encoder, boolean, (() => TraceContext | undefined) | undefined] {
    return [new Encoder(this.#wire.duplex.observationsField), o.nonBlocking ?? false, this.#wire.trace];
  }

  /**
   * Takes a batch in one call. Retrying it is safe for observations with ids of
   * their own, and within a session; use {@link openSession} to stream. Rejects
   * with a {@link RejectedError} that carries the whole answer when some were not
   * kept.
   */
  async observe(space: string, observations: Observation | readonly Observation[], options: ObserveOptions = {}): Promise<Observed> {
    const encoder = new Encoder(observationsOfCall);
    const list = "length" in observations ? observations : [observations];
    const held = list.map((o) => encoder.encode(o, this.#wire.trace?.()));
    const { session, waitFor, mustExist = false } = options;
    const request = observeRequest(
      {
        space,
        mustExist,
        sessionId: session?.id ?? "",
        firstSequence: BigInt(session?.first ?? 0),
        ...(waitFor === undefined ? {} : { waitFor: levelToWire(waitFor, "waitFor") }),
      },
      held,
    );
    const m = await unary((o) => this.#wire.memory.observe(request, o), options);
    const answer = {
      ids: m.observationIds,
      generation: Number(m.generation),
      duplicates: m.duplicates,
      rejections: m.rejections.map(rejectionOf),
      sessionId: m.sessionId,
      nextSequence: Number(m.nextSequence),
    };
    if (answer.rejections.length > 0) {
      throw new RejectedError<Observed>(answer.rejections, answer);
    }
    return answer;
  }

  /** Finds the observations of a space nearest to a cue. */
  async recall(space: string, cue: Cue, options: RecallOptions = {}): Promise<Recall> {
    const request = recallRequest(space, cue, options);
    const m = await unary((o) => this.#wire.memory.recall(request, o), options);
    return recallOf(m.results, m.snapshot, m.stats);
  }

  /** As {@link recall}, with the results as they come, all of one generation. */
  async *recallStream(space: string, cue: Cue, options: RecallOptions & { increment?: number } = {}): AsyncGenerator<Result> {
    const request = { recall: recallRequest(space, cue, options), increment: options.increment ?? 0 };
    for await (const m of streaming((o) => this.#wire.memory.recallStream(request, o), options)) {
      yield* m.results.map(resultOf);
    }
  }

  /** Reads observations by id, with their vectors. */
  async get(space: string, ids: readonly string[], options?: CallOptions): Promise<{ found: Stored[]; missing: string[]; generation: number }> {
    const request: MessageInitShape<typeof GetObservationsRequestSchema> = { space, ids: [...ids] };
    const m = await unary((o) => this.#wire.memory.getObservations(request, o), options);
    return { found: m.observations.map(storedOf), missing: m.missingIds, generation: Number(m.generation) };
  }

  /** Goes through the observations of a space in generation order, all of one generation. */
  async *list(space: string, options: ListOptions = {}): AsyncGenerator<Stored> {
    const request: MessageInitShape<typeof ListObservationsRequestSchema> = {
      space,
      pageSize: 500,
      pageToken: "",
      sinceGeneration: BigInt(options.since ?? 0),
      at: BigInt(options.at ?? 0),
      ...(options.filter === undefined ? {} : { filter: filterToWire(options.filter) ?? {} }),
      ...(options.vectors === true ? { include: everything } : {}),
    };
    do {
      const m = await unary((o) => this.#wire.memory.listObservations(request, o), options);
      yield* m.observations.map(storedOf);
      request.pageToken = m.nextPageToken;
    } while (request.pageToken !== "");
  }

  /** Deletes by ids, or what matches a filter, and resolves to how many there were. */
  async forget(space: string, what: readonly string[] | { where: Filter }, options?: CallOptions): Promise<{ forgotten: number; generation: number }> {
    const request = "where" in what ? { space, filter: filterToWire(what.where) ?? {} } : { space, ids: [...what] };
    const m = await unary((o) => this.#wire.memory.forget(request, o), options);
    return { forgotten: Number(m.forgotten), generation: Number(m.generation) };
  }

  /** Yields the observations of a space as they become visible. */
  async *watchSpace(space: string, options: WatchOptions = {}): AsyncGenerator<Stored> {
    const request = {
      space,
      ...(options.since === undefined ? {} : { sinceGeneration: BigInt(options.since) }),
      ...(options.filter === undefined ? {} : { filter: filterToWire(options.filter) ?? {} }),
      ...(options.vectors === true ? { include: everything } : {}),
    };
    for await (const m of streaming((o) => this.#wire.memory.watchSpace(request, o), options)) {
      yield* m.observations.map(storedOf);
    }
  }

  /** Creates a space; `created` is false when it was there already, with these settings. */
  async createSpace(id: string, settings: NewSpace = {}, options?: CallOptions): Promise<{ space: Space; created: boolean }> {
    const m = await unary((o) => this.#wire.spaces.createSpace(newSpaceToWire(id, settings), o), options);
    return { space: spaceOf(m.space), created: m.created };
  }

  /** Reads a space and its statistics. */
  async getSpace(id: string, options?: CallOptions): Promise<Space> {
    const m = await unary((o) => this.#wire.spaces.getSpace({ space: id }, o), options);
    return spaceOf(m.space);
  }

  /** Goes through the spaces whose names begin with a prefix, by name. */
  async *listSpaces(prefix = "", options?: CallOptions): AsyncGenerator<Space> {
    let pageToken = "";
    do {
      const m = await unary((o) => this.#wire.spaces.listSpaces({ prefix, pageToken }, o), options);
      yield* m.spaces.map(spaceOf);
      pageToken = m.nextPageToken;
    } while (pageToken !== "");
  }

  /** Changes retention, quotas or the index threshold of a space. */
  async updateSpace(id: string, change: SpaceChange, options?: CallOptions): Promise<Space> {
    const now = change.retention === undefined && change.quotas === undefined ? undefined : await this.getSpace(id, options);
    const request = {
      space: id,
      ...(change.indexThreshold === undefined ? {} : { indexThreshold: BigInt(change.indexThreshold) }),
      ...(change.quotas === undefined ? {} : { quotas: quotasToWire({ ...now?.quotas, ...change.quotas }) }),
      ...(change.retention === undefined ? {} : { retention: retentionToWire({ ...now?.retention, ...change.retention }) }),
    };
    const m = await unary((o) => this.#wire.spaces.updateSpace(request, o), options);
    return spaceOf(m.space);
  }

  /** Deletes a space and everything in it; resolves to how many observations there were. */
  async deleteSpace(id: string, options?: CallOptions): Promise<number> {
    const m = await unary((o) => this.#wire.spaces.deleteSpace({ space: id }, o), options);
    return Number(m.forgotten);
  }

  /** Asks how the server is doing; see the contract for each field. */
  async status(options?: CallOptions): Promise<ServerStatus> {
    const m = await unary((o) => this.#wire.admin.getStatus({}, o), options);
    if (m.status === undefined) {
      throw transportError("the server's answer has no status");
    }
    return m.status;
  }

  /** Yields the status again and again, every second unless said otherwise. */
  async *watchStatus(options: CallOptions & { intervalMs?: number } = {}): AsyncGenerator<ServerStatus> {
    const request = options.intervalMs === undefined ? {} : { interval: duration(options.intervalMs) };
    for await (const m of streaming((o) => this.#wire.admin.watchStatus(request, o), options)) {
      if (m.status !== undefined) {
        yield m.status;
      }
    }
  }

  /** Goes through the sessions, of one space unless it is empty. */
  async *listSessions(space = "", options?: CallOptions): AsyncGenerator<SessionInfo> {
    let pageToken = "";
    do {
      const m = await unary((o) => this.#wire.admin.listSessions({ space, pageToken }, o), options);
      yield* m.sessions;
      pageToken = m.nextPageToken;
    } while (pageToken !== "");
  }

  /** Ends a session: its stream is told to go, and it cannot be resumed. */
  async closeSession(id: string, reason = "", options?: CallOptions): Promise<SessionInfo | undefined> {
    const m = await unary((o) => this.#wire.admin.closeSession({ sessionId: id, reason }, o), options);
    return m.session;
  }

  /**
   * Has the server write a checkpoint, and resolves when it is on stable storage.
   * With `erase`, nothing that was forgotten is left on its disk then.
   */
  async checkpoint(options: CallOptions & { erase?: boolean } = {}): Promise<Checkpoint> {
    const m = await unary((o) => this.#wire.admin.checkpoint({ erase: options.erase ?? false }, o), options);
    return { catalog: Number(m.catalog), position: Number(m.position), spaces: Number(m.spaces), bytes: Number(m.bytes) };
  }

  /** Yields the parts of a backup; it ends without an error only when it is whole. */
  async *backup(options?: CallOptions): AsyncGenerator<BackupResponse> {
    let whole = false;
    for await (const m of streaming((o) => this.#wire.admin.backup({}, o), options)) {
      whole = m.part.case === "end";
      yield m;
    }
    if (!whole) {
      throw transportError("the backup ended before its last part");
    }
  }

  /** Closes the connection: later calls reject with CLOSED. Sessions are to be closed by themselves, before. */
  close(): void {
    this.#closed = true;
    for (const core of this.#open) {
      core.abandon();
    }
    this.#connection.close();
  }
}
