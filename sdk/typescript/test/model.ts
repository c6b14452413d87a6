// A server that plays scripts: what a real one cannot be brought to do on demand.
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { MemoryService, type MemoryStreamRequest, type MemoryStreamResponse, MemoryStreamResponseSchema } from "../dist/gen/engram/v1/memory_service_pb.js";
import { AckLevel, type Credits, CreditsSchema, type ObservationBatch, type SessionClose } from "../dist/gen/engram/v1/session_pb.js";

export type Response = MemoryStreamResponse["frame"];

/** A grant that bounds nothing. */
export const roomy = credits(1_000_000_000, 2 ** 40);

export function credits(through: number, bytes: number): Credits {
  return create(CreditsSchema, { throughSequence: BigInt(through), bytes: BigInt(bytes) });
}

/** The error of a real server. */
export function fault(code: Code, reason: string): ConnectError {
  const e = new ConnectError(reason, code);
  const text = new TextEncoder().encode(reason);
  e.details.push({ type: "google.rpc.ErrorInfo", value: new Uint8Array([0x0a, text.length, ...text]) });
  return e;
}

/** One stream, as its script sees it. */
export class Stream {
  readonly n: number; // streams are counted from 1
  readonly headers: Headers;
  readonly #model: Model;
  readonly #frames: AsyncIterator<MemoryStreamRequest>;

  constructor(model: Model, n: number, frames: AsyncIterator<MemoryStreamRequest>, headers: Headers) {
    this.#model = model;
    this.n = n;
    this.#frames = frames;
    this.headers = headers;
  }

  /** The next frame; undefined at the end. */
  async receive(): Promise<MemoryStreamRequest["frame"] | undefined> {
    const r = await this.#frames.next();
    return r.done === true ? undefined : r.value.frame;
  }

  /** The next batch. */
  async batch(): Promise<ObservationBatch> {
    const f = await this.receive();
    if (f?.case !== "observations") {
      throw new ConnectError(`${String(f?.case)} came in place of observations`, Code.Internal);
    }
    return f.value;
  }

  /** Takes the init and says where the session stands. */
  async welcome(grant: Credits = roomy, maxBatchSize = 0): Promise<Response> {
    const f = await this.receive();
    if (f?.case !== "init") {
      throw new ConnectError("the first frame is not init", Code.Internal);
    }
    const { durable, kept } = this.#model;
    const value = { sessionId: "model", nextSequence: BigInt(kept.length + 1), durableSequence: BigInt(durable), credits: grant, maxBatchSize };
    return response({ case: "initAck", value });
  }

  /** Takes a batch, of which the beginning may be known. */
  keep(b: ObservationBatch): number {
    const { kept } = this.#model;
    const first = Number(b.firstSequence);
    if (first > kept.length + 1) {
      throw new ConnectError(`number ${String(first)} came after ${String(kept.length)}`, Code.Internal);
    }
    kept.push(...b.observations.slice(kept.length + 1 - first).map((o) => o.id));
    return kept.length;
  }

  /** Acks durable and visible. */
  *ack(through: number, grant: Credits = roomy): Iterable<Response> {
    this.#model.durable = through;
    for (const status of [AckLevel.DURABLE, AckLevel.VISIBLE]) {
      yield response({ case: "ack", value: { status, throughSequence: BigInt(through), generation: BigInt(through), credits: grant } });
    }
  }

  end(c: SessionClose): Response {
    const n = BigInt(this.#model.kept.length);
    if (c.lastSequence !== n) {
      throw new ConnectError(`closed at ${String(c.lastSequence)} after ${String(n)}`, Code.Internal);
    }
    return response({ case: "closed", value: { finalSequence: n, accepted: n } });
  }

  /** Takes everything that comes, as it should be. */
  async *serve(): AsyncIterable<Response> {
    for (;;) {
      const f = await this.receive();
      if (f?.case === "observations") {
        yield* this.ack(this.keep(f.value));
      } else if (f?.case === "close") {
        yield this.end(f.value);
        return;
      } else if (f === undefined) {
        return;
      }
    }
  }
}

type Shape = Parameters<typeof create<typeof MemoryStreamResponseSchema>>[1];

export function response(frame: NonNullable<NonNullable<Shape>["frame"]>): Response {
  return create(MemoryStreamResponseSchema, { frame }).frame;
}

export class Model {
  kept: string[] = [];
  durable = 0;
  streams = 0;
  address = "";
  readonly #server: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor(script: (s: Stream) => AsyncIterable<Response>) {
    const run = async function* (this: Model, frames: AsyncIterable<unknown>, context: HandlerContext) {
      const it = frames[Symbol.asyncIterator]() as AsyncIterator<MemoryStreamRequest>;
      for await (const frame of script(new Stream(this, ++this.streams, it, context.requestHeader))) {
        yield { frame } as never;
      }
    }.bind(this);
    const routes = (router: ConnectRouter) => router.service(MemoryService, { observeStream: run, memoryStream: run });
    this.#server = createServer(connectNodeAdapter({ routes }));
    this.#server.on("session", (s) => {
      this.#sessions.add(s);
      s.on("close", () => this.#sessions.delete(s));
      s.on("error", () => undefined); // of clients that leave
    });
  }

  /** Starts it for one test, which ends it. */
  static async start(t: TestContext, script: (s: Stream) => AsyncIterable<Response>): Promise<Model> {
    const m = new Model(script);
    m.#server.listen(0, "127.0.0.1");
    await once(m.#server, "listening");
    const at = m.#server.address();
    m.address = typeof at === "object" && at !== null ? `127.0.0.1:${String(at.port)}` : "";
    t.after(() => {
      for (const s of m.#sessions) {
        s.destroy();
      }
      m.#server.close();
    });
    return m;
  }
}
