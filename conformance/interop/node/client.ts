// Observes, recalls and streams by connect-node in all three protocols, and
// prints what the server answered: a JSON list with an object per protocol.
// Usage: node client.mjs HOST:PORT < exchange.json
import { readFileSync } from "node:fs";
import { create, fromJson, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import {
  MemoryService,
  ObserveResponseSchema,
  ObserveStreamRequestSchema,
  ObserveStreamResponseSchema,
  type ObserveStreamRequest,
} from "../../../sdk/typescript/src/gen/engram/v1/memory_service_pb.js";
import { RecallResponseSchema } from "../../../sdk/typescript/src/gen/engram/v1/recall_pb.js";
import { AckLevel, ObservationBatchSchema } from "../../../sdk/typescript/src/gen/engram/v1/session_pb.js";

/** What to send: JSON of the contract, on standard input. */
const given = JSON.parse(readFileSync(0, "utf8"));
const facts = fromJson(ObservationBatchSchema, given.Facts).observations;
const batch = fromJson(ObservationBatchSchema, given.Batch);
const question: string = given.Question;
const last = BigInt(batch.observations.length);

/** Frames are pushed in as the answers come, and leave as they are asked for. */
class Outbox implements AsyncIterable<ObserveStreamRequest> {
  private waiting: ObserveStreamRequest[] = [];
  private wake = () => {};
  private ended = false;

  push(frame: ObserveStreamRequest) {
    this.waiting.push(frame);
    this.wake();
  }

  end() {
    this.ended = true;
    this.wake();
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      const next = this.waiting.shift();
      if (next) {
        yield next;
      } else if (this.ended) {
        return;
      } else {
        await new Promise<void>((resolve) => (this.wake = resolve));
      }
    }
  }
}

async function speak(name: string, transport: Transport) {
  const client = createClient(MemoryService, transport);
  const space = `connect-node-${name}`;
  const ask = (space: string) =>
    client.recall({ space, cue: { case: "text", value: question } });

  const observed = await client.observe({ space, observations: facts });
  const recalled = await ask(space);

  const frames = [];
  let streamRecalled;
  const outbox = new Outbox();
  const say = (frame: MessageInitShape<typeof ObserveStreamRequestSchema>["frame"]) =>
    outbox.push(create(ObserveStreamRequestSchema, { frame }));
  say({ case: "init", value: { space: `${space}-stream` } });
  for await (const res of client.observeStream(outbox)) {
    frames.push(toJson(ObserveStreamResponseSchema, res));
    if (res.frame.case === "initAck") {
      say({ case: "observations", value: batch });
    } else if (
      res.frame.case === "ack" &&
      res.frame.value.status === AckLevel.VISIBLE &&
      res.frame.value.throughSequence === last &&
      streamRecalled === undefined
    ) {
      streamRecalled = await ask(`${space}-stream`);
      say({ case: "close", value: { drain: true, lastSequence: last } });
      outbox.end();
    }
  }
  return {
    client: name,
    observed: toJson(ObserveResponseSchema, observed),
    recalled: toJson(RecallResponseSchema, recalled),
    frames,
    streamRecalled: streamRecalled && toJson(RecallResponseSchema, streamRecalled),
  };
}

const baseUrl = `http://${process.argv[2]}`;
const sessionManager = new Http2SessionManager(baseUrl);
const options = { baseUrl, httpVersion: "2" as const, sessionManager };
const reports = [
  await speak("connect", createConnectTransport(options)),
  await speak("grpc", createGrpcTransport(options)),
  await speak("grpc-web", createGrpcWebTransport(options)),
];
sessionManager.abort();
console.log(JSON.stringify(reports));
