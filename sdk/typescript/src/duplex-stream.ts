// The real stream: ObserveStream or MemoryStream, over HTTP/2.
import { create, type MessageShape } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import type { Client } from "@connectrpc/connect";
import {
  type MemoryService,
  type MemoryStreamRequest,
  MemoryStreamRequestSchema,
  ObserveStreamRequestSchema,
  StreamRecallSchema,
} from "./gen/engram/v1/memory_service_pb.js";
import { SessionCloseSchema, SessionInitSchema } from "./gen/engram/v1/session_pb.js";
import type { ClientFrame, Duplex, DuplexCall, ServerFrame } from "./duplex.js";
import { type Held, stretches, varintLength, writeVarint } from "./encode.js";

export class StreamDuplex implements Duplex {
  readonly observationsField = 2; // of ObservationBatch
  readonly defaultBatch = 64;
  readonly #memory: Client<typeof MemoryService>;

  constructor(memory: Client<typeof MemoryService>) {
    this.#memory = memory;
  }

  async *open(outgoing: AsyncIterable<ClientFrame>, call: DuplexCall): AsyncIterable<ServerFrame> {
    const options = { signal: call.signal, headers: call.headers, timeoutMs: 0 };
    const stream = call.recalls
      ? this.#memory.memoryStream(messages(MemoryStreamRequestSchema, outgoing), options)
      : this.#memory.observeStream(messages(ObserveStreamRequestSchema, outgoing), options);
    for await (const m of stream) {
      yield m.frame;
    }
  }
}

/** Recalls go on a MemoryStream alone; the other frames are the same. */
type RequestSchema = typeof MemoryStreamRequestSchema | typeof ObserveStreamRequestSchema;

async function* messages<S extends RequestSchema>(schema: S, outgoing: AsyncIterable<ClientFrame>): AsyncIterable<MessageShape<S>> {
  for await (const f of outgoing) {
    const m = create(schema);
    if (f.kind === "observations") {
      // Encoded already: as an unknown field of the message it goes out as it is.
      m.$unknown = [{ no: 2, wireType: WireType.LengthDelimited, data: batch(f.first, f.list) }];
    } else {
      m.frame = frame(f);
    }
    yield m;
  }
}

function frame(f: Exclude<ClientFrame, { kind: "observations" }>): MemoryStreamRequest["frame"] {
  switch (f.kind) {
    case "init": {
      const { space, mustExist, sessionId, priority, ackLevels } = f;
      return { case: "init", value: create(SessionInitSchema, { space, mustExist, sessionId, priority, ackLevels }) };
    }
    case "recall":
      return { case: "recall", value: create(StreamRecallSchema, { requestId: f.id, recall: f.request }) };
    case "close":
      return { case: "close", value: create(SessionCloseSchema, { drain: true, lastSequence: BigInt(f.last) }) };
  }
}

/** An ObservationBatch with its length before it. */
function batch(first: number, list: readonly Held[]): Uint8Array<ArrayBuffer> {
  const parts = stretches(list);
  let length = 1 + varintLength(first);
  for (const p of parts) {
    length += p.length;
  }
  const out = new Uint8Array(varintLength(length) + length);
  let at = writeVarint(length, out, 0);
  out[at++] = 0x08; // first_sequence
  at = writeVarint(first, out, at);
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}
