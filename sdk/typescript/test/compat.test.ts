// A session and single calls against a server that is newer than the SDK:
// fields, values, frames and reasons that it does not know.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { createServer as createHttp1 } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import { once } from "node:events";
import { create, type DescMessage, isMessage, type Message, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { type Client, EngramError, RejectedError, type Stored } from "@engram-stream/client/node";
import { GetStatusResponseSchema, AdminService } from "../dist/gen/engram/v1/admin_service_pb.js";
import { GetObservationsResponseSchema, MemoryService, ObserveResponseSchema } from "../dist/gen/engram/v1/memory_service_pb.js";
import { RecallResponseSchema } from "../dist/gen/engram/v1/recall_pb.js";
import { GetSpaceResponseSchema, SpaceService } from "../dist/gen/engram/v1/space_service_pb.js";
import { fault, Model, type Response, response, roomy } from "./model.js";
import { client, node, numbers, patience, type Transport, transports, vectorOf } from "./transports.js";

/** A value that no enum has. */
const later = 99 as never;

/** Puts fields that no message has into m and all below it. */
function newer<T>(m: T): T {
  const into = (value: unknown): void => {
    if (Array.isArray(value)) {
      value.forEach(into);
    } else if (isMessage(value)) {
      Object.values(value).forEach(into);
      (value as Message).$unknown = [
        { no: 99001, wireType: WireType.Varint, data: Uint8Array.of(7) },
        { no: 99002, wireType: WireType.Bit64, data: new Uint8Array(8).fill(7) },
        { no: 99003, wireType: WireType.LengthDelimited, data: Uint8Array.of(4, 0xff, 0, 0xfe, 1) },
      ];
    } else if (typeof value === "object" && value !== null && "case" in value && "value" in value) {
      into(value.value); // of a oneof
    }
  };
  into(m);
  return m;
}

/** Makes an answer of a newer server. */
function answer<D extends DescMessage>(schema: D, init: MessageInitShape<D>): MessageShape<D> {
  return newer(create(schema, init));
}

const status = (): Response => response({ case: "status", value: { state: later, cause: "a cause of its own", pressure: 0.5, credits: roomy } });

test("a session goes on over unknown frames, states, levels and reasons", patience, async (t) => {
  const model = await Model.start(t, async function* (s) {
    yield newer(await s.welcome());
    if (s.n === 1) {
      yield newer(response({ case: "ack", value: { status: later, throughSequence: 1_000_000n, credits: roomy } }));
      yield { case: undefined }; // a frame of a kind that is not known
      yield newer(status());
      s.keep(await s.batch());
      yield newer(response({ case: "goAway", value: { reason: "REBALANCED", resumable: true } }));
      return;
    }
    for await (const frame of s.serve()) {
      yield newer(frame);
      yield { case: undefined };
    }
  });
  const session = await client(t, node, model.address).openSession("notes");
  const acks = session.acks();
  const pressure = session.pressure();
  for (let i = 1; i <= 40; i++) {
    await session.observe({ id: String(i), vector: vectorOf(i) });
  }
  const told = await pressure.next();
  assert.equal(told.done === true ? "" : told.value.state, "UNKNOWN_99");
  assert.equal((await session.close()).accepted, 40);
  assert.deepEqual(model.kept, numbers(1, 40));
  assert.deepEqual([session.stats.reconnects, session.stats.durable], [1, 40]);
  const levels = new Set<string>();
  for await (const ack of acks) {
    levels.add(ack.level);
  }
  assert.ok(levels.has("UNKNOWN_99"), `acks of ${[...levels].join()} were told`);
});

/** A server whose single answers are newer than the SDK. */
async function start(t: TestContext, via: Transport): Promise<Client> {
  const observation = { id: "one", content: "the kettle", priority: later, embedding: { values: [1, 2] }, metadata: { n: 1 } };
  const routes = (router: ConnectRouter) => {
    router.service(MemoryService, {
      observe: () => answer(ObserveResponseSchema, { observationIds: ["one", ""], rejections: [{ sequence: 2n, reason: "TOO_SAD", message: "m" }] }),
      recall: () => answer(RecallResponseSchema, { results: [{ observation, similarity: 0.5 }], snapshot: { generation: 7n } }),
      getObservations: () => answer(GetObservationsResponseSchema, { observations: [{ observation }] }),
    });
    router.service(SpaceService, {
      getSpace: () => answer(GetSpaceResponseSchema, { space: { id: "notes", metric: later, state: later, index: { scannedBy: later, codeRecall: 0.5, policy: later }, memory: { used: 8n } } }),
      deleteSpace: () => {
        throw fault(Code.FailedPrecondition, "LEGAL_HOLD");
      },
    });
    const status = { state: later, lanes: [{ priority: later }], memory: { level: later, used: 8n }, journal: { diskLevel: later }, indexPolicies: [{ policy: later, spaces: 3n }] };
    router.service(AdminService, { getStatus: () => answer(GetStatusResponseSchema, { status }) });
  };
  const adapter = connectNodeAdapter({ routes });
  const server = via === node ? createHttp2(adapter) : createHttp1(adapter);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const at = server.address();
  return client(t, via, typeof at === "object" && at !== null ? `127.0.0.1:${String(at.port)}` : "");
}

for (const via of transports) {
  test(`answers are read for what is known in them, by ${via.name}`, patience, async (t) => {
    const c = await start(t, via);
    const check = (o: Stored["observation"]) => {
      assert.deepEqual([o.id, o.content, [...(o.vector ?? [])], o.metadata, o.priority], ["one", "the kettle", [1, 2], { n: 1 }, undefined]);
    };
    const found = await c.recall("notes", { text: "kettle" });
    assert.equal(found.generation, 7);
    const [result] = found.results;
    assert.ok(result);
    check(result.observation);
    const [stored] = (await c.get("notes", ["one"])).found;
    assert.ok(stored);
    check(stored.observation);
    const space = await c.getSpace("notes");
    assert.deepEqual([space.id, space.metric], ["notes", undefined]);
    assert.deepEqual([space.index.scannedBy, space.index.policy, space.index.codeRecall, space.memory.used], [undefined, undefined, 0.5, 8]);
    const told = await c.status();
    assert.deepEqual([told.state, told.memory?.level, told.memory?.used, told.journal?.diskLevel], [99, 99, 8n, 99]);
    assert.deepEqual(told.indexPolicies.map((p) => [p.policy, p.spaces]), [[99, 3n]]);
    await assert.rejects(c.deleteSpace("notes"), (e) => e instanceof EngramError && e.code === "failed_precondition" && e.reason === "LEGAL_HOLD");
    await assert.rejects(
      c.observe("notes", [{ content: "a" }, { content: "b" }]),
      (e) => e instanceof RejectedError && e.rejections[0]?.reason === "TOO_SAD",
    );
  });
}
