// What a client can do, against a real server, by both transports alike.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { above, connect, EngramError, eq, isNotFound, oneOf, RejectedError, type Ack, type Observed, type Status } from "@engram-stream/client/node";
import { client, idsIn, numbers, patience, serve, type Transport, transports, vectorOf } from "./transports.js";

function suite(via: Transport): void {
  test("keeps, recalls, reads, lists, watches and forgets", patience, async (t) => {
    const server = await serve(t);
    const c = client(t, via, server.address);
    const s = await c.openSession("notes");
    const observedAt = new Date("2026-01-02T03:04:05.678Z");
    assert.equal(
      await s.observe({
        id: "kettle",
        content: "the kettle is in the red box",
        observedAt,
        confidence: 0.9,
        importance: 0.5,
        context: { location: "kitchen", participants: ["Ann", "Bo"] },
        metadata: { room: "kitchen", shelf: 3, nested: { list: [1, "two", null, true] } },
      }),
      1,
    );
    await s.observe({ id: "cat", content: "the cat sleeps on the sofa", metadata: { room: "living room", shelf: 1 } });
    await s.flush();

    const found = await c.recall("notes", "where is the kettle?", { limit: 1, consistency: { atLeast: s.generation } });
    assert.equal(found.results.length, 1);
    const { observation } = found.results[0] ?? assert.fail();
    assert.equal(observation.content, "the kettle is in the red box");
    assert.deepEqual(observation.metadata, { room: "kitchen", shelf: 3, nested: { list: [1, "two", null, true] } });
    assert.deepEqual(observation.context?.participants, ["Ann", "Bo"]);
    assert.equal(observation.observedAt?.getTime(), observedAt.getTime());
    assert.equal(observation.confidence, Math.fround(0.9));
    assert.ok(found.generation >= s.generation);

    const others = await c.recall("notes", { id: "kettle" }, { filter: [eq("metadata.room", "living room")] });
    assert.deepEqual(others.results.map((r) => r.observation.id), ["cat"]);
    const filtered = await c.recall("notes", { text: "kettle" }, { filter: { none: [oneOf("metadata.shelf", [1, 2])], all: [above("observed_at", new Date("2026-01-01"))] } });
    assert.deepEqual(filtered.results.map((r) => r.observation.id), ["kettle"]);

    const { found: read, missing } = await c.get("notes", ["cat", "dog"]);
    assert.deepEqual([read.map((x) => x.observation.id), missing], [["cat"], ["dog"]]);
    assert.equal(read[0]?.observation.vector?.length, 384);

    const watched = new AbortController();
    const seen: string[] = [];
    await assert.rejects(
      async () => {
        for await (const x of c.watchSpace("notes", { since: 0, signal: watched.signal })) {
          seen.push(x.observation.id);
          if (seen.length === 2) {
            watched.abort(new Error("seen enough"));
          }
        }
      },
      { message: "seen enough" },
    );
    assert.deepEqual(seen, ["kettle", "cat"]);

    assert.equal((await c.forget("notes", ["cat", "dog"])).forgotten, 1);
    assert.equal((await c.forget("notes", { where: [eq("metadata.room", "kitchen")] })).forgotten, 1);
    assert.deepEqual(await idsIn(c, "notes"), []);
    assert.equal((await s.close()).accepted, 2);
  });

  test("recalls in increments, and on a session's own stream", patience, async (t) => {
    const server = await serve(t);
    const c = client(t, via, server.address);
    const m = await c.openMemory("stream");
    for (let i = 1; i <= 300; i++) {
      await m.observe({ id: String(i), vector: vectorOf(i) });
    }
    const own = await m.recall(vectorOf(300), { limit: 1, timeoutMs: 10_000 });
    assert.equal(own.results[0]?.observation.id, "300");
    await assert.rejects(m.recall("x".repeat(3)), EngramError); // the space has no embedder
    await m.observe({ id: "301", vector: vectorOf(301) });
    assert.equal((await m.recall({ vector: [...vectorOf(301)] }, { limit: 1 })).results[0]?.observation.id, "301");

    const generations = new Set<number>();
    let last = Infinity;
    let n = 0;
    for await (const r of c.recallStream("stream", vectorOf(7), { limit: 250, increment: 50, vectors: true })) {
      assert.ok(r.similarity <= last);
      assert.equal(r.observation.vector?.length, 4);
      last = r.similarity;
      generations.add(r.generation);
      n++;
    }
    assert.deepEqual([n, generations.size], [250, 250]);
    for await (const r of c.recallStream("stream", vectorOf(7), { limit: 250 })) {
      assert.ok(r.similarity > 0.99);
      break; // leaving ends the call
    }
    await m.close();
    await assert.rejects(m.recall(vectorOf(1)), { reason: "CLOSED" });
  });

  test("answers from the state that is asked for", patience, async (t) => {
    const server = await serve(t);
    const c = client(t, via, server.address);
    const first = await c.observe("states", { id: "1", vector: vectorOf(1) });
    const between = (await c.recall("states", vectorOf(1))).committedAt ?? assert.fail();
    const second = await c.observe("states", [{ id: "2", vector: vectorOf(2) }]);
    const ids = async (consistency: { at: number } | { atLeast: number } | { asOf: Date }, timeoutMs?: number) => {
      const r = await c.recall("states", vectorOf(1), { consistency, timeoutMs });
      return r.results.map((x) => x.observation.id).sort();
    };
    assert.deepEqual(await ids({ at: first.generation }), ["1"]);
    assert.deepEqual(await ids({ atLeast: second.generation }), ["1", "2"]);
    assert.deepEqual(await ids({ asOf: new Date(between.getTime() + 1) }).then((l) => l[0]), "1");
    await assert.rejects(ids({ at: second.generation + 100 }), { code: "out_of_range" });
    await assert.rejects(ids({ atLeast: second.generation + 100 }, 200), { code: "deadline_exceeded" });
  });

  test("pressure is told, and nothing is lost to it", patience, async (t) => {
    const server = await serve(t, "--queue-normal", "300", "--queue-high", "100", "--queue-low", "100", "--session-window", "200");
    const c = client(t, via, server.address);
    const told: Status[] = [];
    const s = await c.openSession("pressed", { batch: 200, onStatus: (status) => told.push(status) });
    const progress: number[] = [];
    const numbered = function* () {
      for (let i = 1; i <= 5000; i++) {
        yield { id: String(i), vector: vectorOf(i) };
      }
    };
    const stats = await s.observeMany(numbered(), { every: 1000, onProgress: (p) => progress.push(p.observed) });
    assert.equal(stats.visible, 5000);
    assert.deepEqual(progress, [1000, 2000, 3000, 4000, 5000, 5000]);
    if (via.name === "node") {
      assert.ok(told.some((x) => x.pressure > 0.5 && x.queueCapacity === 300), JSON.stringify(told));
      assert.equal(stats.refused, 0); // it keeps to its credits
    }
    const pressure = s.pressure();
    assert.equal((await s.close()).accepted, 5000);
    for await (const status of pressure) {
      assert.match(status.state, /^[A-Z]+$/);
    }
    assert.deepEqual(await idsIn(c, "pressed"), numbers(1, 5000));
  });

  test("what is sent twice is kept once, and what conflicts is rejected and told", patience, async (t) => {
    const server = await serve(t);
    const c = client(t, via, server.address);
    const heard: string[] = [];
    const s = await c.openSession("twice", { onRejection: (r) => heard.push(r.reason) });
    const rejections = s.rejections();
    await s.observe({ id: "a", vector: vectorOf(1) });
    await s.observe({ id: "a", vector: vectorOf(1) });
    await s.observe({ id: "a", vector: vectorOf(2) });
    await s.observe({ id: "b", vector: [1, 2, 3] });
    await s.observe({ id: "c", vector: [1, NaN, 3, 4] });
    await s.observe({ id: "d", vector: [0, 0, 0, 0], halfPrecision: true });
    await s.observe({ id: "a", vector: vectorOf(3), replace: true });
    const error = await s.flush().then(
      () => assert.fail("nothing was rejected"),
      (e: unknown) => e,
    );
    assert.ok(error instanceof RejectedError);
    // Each as soon as it is known: what is wrong in itself before what is taken.
    assert.deepEqual(heard, error.rejections.map((r) => r.reason));
    const told = [...error.rejections].sort((a, b) => a.sequence - b.sequence);
    assert.deepEqual(
      told.map((r) => `${String(r.sequence)} ${r.id} ${r.reason}`),
      ["3 a ID_CONFLICT", "4 b INVALID_DIMENSION", "5 c INVALID_EMBEDDING", "6 d INVALID_EMBEDDING"],
    );
    assert.deepEqual((await rejections.next()).value, error.rejections[0]);
    await s.flush(); // told once
    assert.deepEqual((await c.get("twice", ["a"])).found[0]?.observation.vector, vectorOf(3));
    const end = await s.close();
    assert.deepEqual([end.accepted, end.rejected], [3, 4]);
    assert.deepEqual(await idsIn(c, "twice"), ["a"]);
  });

  test("numbers of a session make a call safe to repeat, and leave no gap", patience, async (t) => {
    const server = await serve(t);
    const c = client(t, via, server.address);
    const one = await c.observe("numbered", { vector: vectorOf(1) }, { session: { id: "", first: 1 } });
    assert.equal(one.nextSequence, 2);
    const again = await c.observe("numbered", { vector: vectorOf(1) }, { session: { id: one.sessionId, first: 1 } });
    assert.deepEqual(again.ids, one.ids);
    await assert.rejects(c.observe("numbered", { vector: vectorOf(1) }, { session: { id: one.sessionId, first: 5 } }), { code: "aborted", reason: "SEQUENCE_GAP" });
    assert.equal((await idsIn(c, "numbered")).length, 1);
    await assert.rejects(c.observe("numbered", [{ id: "x", vector: vectorOf(2) }, { vector: [1] }], { waitFor: "durable" }), (e: RejectedError<Observed>) => {
      assert.deepEqual([e.rejections.map((r) => r.sequence), e.answer.ids[0]], [[2], "x"]);
      return e instanceof RejectedError;
    });
  });

  test("acks are told, and flush waits for the level that is asked for", patience, async (t) => {
    const server = await serve(t, "--space-index-threshold", "0");
    const c = client(t, via, server.address);
    const acks: Ack[] = [];
    const s = await c.openSession("levels", { flushTo: "indexed", onAck: (a) => acks.push(a) });
    for (let i = 1; i <= 200; i++) {
      await s.observe({ vector: vectorOf(i) });
    }
    await s.flush({ level: "durable" });
    assert.equal(s.stats.durable, 200);
    await s.flush();
    for (const level of ["durable", "visible", "indexed"] as const) {
      const own = acks.filter((a) => a.level === level).map((a) => a.through);
      assert.equal(own.at(-1), 200, level);
      assert.deepEqual(own, [...own].sort((a, b) => a - b));
    }
    assert.equal((await c.getSpace("levels")).unindexed, 0);
    const read: Ack[] = [];
    const reading = (async () => {
      for await (const a of s.acks()) {
        read.push(a);
      }
    })();
    await s.close();
    await reading; // ends with the session
    assert.ok(read.some((a) => a.level === "indexed" && a.through === 200));
    const plain = await c.openSession("levels");
    await assert.rejects(plain.flush({ level: "indexed" }), { reason: "INVALID_FIELD" });
    await plain.close();
  });

  test("spaces, sessions and the server are managed", patience, async (t) => {
    const server = await serve(t);
    const c = client(t, via, server.address);
    const { space, created } = await c.createSpace("managed", {
      dimension: 4,
      metric: "euclidean",
      indexThreshold: 100,
      quotas: { observations: 1000 },
      retention: { maxAgeMs: 3_600_000 },
    });
    assert.deepEqual([created, space.metric, space.dimension, space.quotas.observations], [true, "euclidean", 4, 1000]);
    assert.equal((await c.createSpace("managed", { dimension: 4, metric: "euclidean", indexThreshold: 100, quotas: { observations: 1000 }, retention: { maxAgeMs: 3_600_000 } })).created, false);
    await assert.rejects(c.createSpace("managed", { dimension: 5 }), { code: "already_exists" });
    const bounded = await c.updateSpace("managed", { retention: { maxBytes: 1 << 20 } });
    assert.deepEqual(bounded.retention, { maxAgeMs: 3_600_000, maxObservations: 0, maxBytes: 1 << 20 });
    const changed = await c.updateSpace("managed", { retention: { maxObservations: 10 } });
    assert.deepEqual(changed.retention, { maxAgeMs: 3_600_000, maxObservations: 10, maxBytes: 1 << 20 });
    const names: string[] = [];
    for await (const s of c.listSpaces("man")) {
      names.push(s.id);
    }
    assert.deepEqual(names, ["managed"]);

    const s = await c.openSession("managed");
    await s.observe({ vector: vectorOf(1) });
    await s.flush();
    const sessions: string[] = [];
    for await (const info of c.listSessions("managed")) {
      sessions.push(info.sessionId);
    }
    assert.deepEqual(sessions, [s.id]);
    await c.closeSession(s.id, "test");
    await assert.rejects(
      async () => {
        for (;;) {
          await s.observe({ vector: vectorOf(2) });
          await s.flush();
        }
      },
      { reason: /SESSION_CLOSED|CLOSED/ },
    );

    const { index, memory, residentRows, mappedRows, deadRows } = await c.getSpace("managed");
    assert.deepEqual([index.scannedBy, index.policy, index.codesWithheld, index.codeRecall], ["none", "full", false, 0]);
    assert.deepEqual([residentRows, mappedRows, deadRows], [1, 0, 0]);
    assert.ok(memory.rows > 0 && memory.used >= memory.rows);
    const about = await c.status();
    assert.equal(Number(about.spaces), 1);
    assert.equal(about.memory?.level, 1);
    assert.ok((about.journal?.diskLevel ?? 0) > 0);
    assert.deepEqual(about.indexPolicies.map((p) => [p.policy, p.spaces]), [[1, 1n], [2, 0n], [3, 0n]]);
    for await (const status of c.watchStatus({ intervalMs: 100 })) {
      assert.equal(status.observations, 1n);
      break;
    }
    assert.ok((await c.checkpoint()).catalog > 0);
    let parts = 0;
    for await (const part of c.backup()) {
      parts += part.part.case === undefined ? 0 : 1;
    }
    assert.ok(parts >= 3);
    assert.equal(await c.deleteSpace("managed"), 1);
    await assert.rejects(c.getSpace("managed"), isNotFound);
  });

  test("failures say what is wrong", patience, async (t) => {
    const server = await serve(t);
    const c = client(t, via, server.address);
    await assert.rejects(c.recall("nowhere", "x"), { code: "not_found", reason: "SPACE_NOT_FOUND", retryable: false });
    await assert.rejects(c.observe("A", { content: "x" }), { code: "invalid_argument", reason: "INVALID_NAME", field: "space" });
    await assert.rejects(c.openSession("nowhere", { mustExist: true }), { code: "not_found" });
    await assert.rejects(c.openSession("nowhere", { resume: "nobody-knows-this" }), { code: "not_found", reason: "SESSION_EXPIRED" });
    await assert.rejects(c.openSession("nowhere", { flushTo: "someday" as "visible" }), { reason: "INVALID_FIELD", field: "flushTo" });
    await assert.rejects(c.recall("nowhere", "x", { limit: -1 }), { reason: "INVALID_FIELD", field: "limit" });
    await assert.rejects(c.recall("nowhere", "x", { signal: AbortSignal.abort(new Error("no")) }), { message: "no" });
    assert.throws(() => via.connect("ftp://x"), { reason: "INVALID_FIELD", field: "address" });
    const s = await c.openSession("somewhere");
    await assert.rejects(s.observe({ id: "\ud800" }), { reason: "INVALID_FIELD", field: "id" });
    await assert.rejects(s.observe({ metadata: { deep: ["\udc00"] } }), { reason: "INVALID_FIELD" });
    await assert.rejects(s.observe({ observedAt: new Date(NaN) }), { reason: "INVALID_FIELD", field: "observedAt" });
    await assert.rejects(s.observe({ content: "x".repeat(16 << 20) }), { reason: "TOO_LARGE" });
    assert.equal(s.stats.observed, 0);
    await s.observe({ content: "goes on" });
    assert.equal((await s.close()).accepted, 1);
    await server.kill();
    await assert.rejects(client(t, via, server.address).recall("somewhere", "x"), { reason: "TRANSPORT" });
    await assert.rejects(c.openSession("somewhere"), { reason: "TRANSPORT" });
    c.close();
    const closed = { code: "failed_precondition", reason: "CLOSED" };
    await assert.rejects(c.recall("somewhere", "x"), closed);
    await assert.rejects(c.openSession("somewhere"), closed);
    await assert.rejects(c.list("somewhere").next(), closed);
    await assert.rejects(c.watchSpace("somewhere").next(), closed);
  });
}

for (const via of transports) {
  describe(`a client, by ${via.name}`, () => {
    suite(via);
  });
}

for (const protocol of ["grpc", "grpc-web"] as const) {
  test(`streams by ${protocol}`, patience, async (t) => {
    const server = await serve(t);
    const c = connect(server.address, { protocol });
    t.after(() => {
      c.close();
    });
    const s = await c.openSession("protocols");
    await s.observe({ content: "the kettle is in the red box" });
    assert.equal((await s.close()).accepted, 1);
    assert.equal((await c.recall("protocols", "kettle")).results.length, 1);
    await assert.rejects(c.recall("nowhere", "x"), { code: "not_found", reason: "SPACE_NOT_FOUND" });
  });
}
