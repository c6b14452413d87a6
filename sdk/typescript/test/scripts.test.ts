// A session against a server that plays scripts: refusals, gaps, grants, lost
// answers, silence.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Ack, type ConnectOptions, type Session, type SessionOptions } from "@engram-stream/client/node";
import { AckLevel, SessionState } from "../dist/gen/engram/v1/session_pb.js";
import { credits, fault, Model, type Response, response, roomy, type Stream } from "./model.js";
import { client, node, numbers, patience, vectorOf } from "./transports.js";

interface Opened {
  model: Model;
  session: Session;
}

async function open(t: TestContext, script: (s: Stream) => AsyncIterable<Response>, options?: SessionOptions, connect?: ConnectOptions): Promise<Opened> {
  const model = await Model.start(t, script);
  const session = await client(t, node, model.address, connect).openSession("notes", options);
  return { model, session };
}

async function observe(s: Session, from: number, to: number): Promise<void> {
  for (let i = from; i <= to; i++) {
    await s.observe({ id: String(i), vector: vectorOf(i) });
  }
}

const cut = () => new ConnectError("cut", Code.Unavailable);

test("a refusal goes back, waits as long as it was told, and sends again", patience, async (t) => {
  let refusedAt = 0;
  let cameAt = 0;
  const { model, session } = await open(
    t,
    async function* (s) {
      yield await s.welcome();
      const b = await s.batch();
      b.observations.length = 9;
      s.keep(b);
      refusedAt = performance.now();
      yield response({ case: "refusal", value: { expectedSequence: 10n, reason: "QUEUE_FULL", retryAfter: { nanos: 50_000_000 }, credits: roomy } });
      for (;;) {
        const again = await s.batch(); // what was on its way is discarded
        if (again.firstSequence === 10n) {
          cameAt = performance.now();
          yield* s.ack(s.keep(again));
          break;
        }
      }
      yield* s.serve();
    },
    { batch: 20 },
  );
  await observe(session, 1, 200);
  await session.close();
  assert.deepEqual(model.kept, numbers(1, 200));
  assert.ok(cameAt - refusedAt >= 49, `came again after ${String(cameAt - refusedAt)} ms`);
  assert.deepEqual([session.stats.refused, session.stats.sent, session.stats.reconnects], [1, 200, 0]);
  assert.ok(session.stats.resent >= 11);
});

test("grants are kept to", patience, async (t) => {
  const grant = (through: number) => credits(through + 10, 150);
  const { model, session } = await open(t, async function* (s) {
    yield await s.welcome(grant(0));
    let granted = 10;
    for (;;) {
      const f = await s.receive();
      if (f?.case !== "observations") {
        if (f?.case === "close") {
          yield s.end(f.value);
        }
        return;
      }
      const { firstSequence, observations } = f.value;
      const bytes = observations.reduce((n, o) => n + o.id.length + 2 + (o.embedding?.packed?.data.length ?? 0) + 8, 0);
      const last = Number(firstSequence) + observations.length - 1;
      if (last > granted || (bytes > 150 && observations.length > 1)) {
        throw new ConnectError(`${String(last)} was sent with ${String(granted)} granted, ${String(bytes)} bytes`, Code.Internal);
      }
      granted = s.keep(f.value) + 10;
      yield* s.ack(granted - 10, grant(granted - 10));
    }
  });
  await observe(session, 1, 300);
  await session.observe({ id: "301", vector: new Float32Array(100) }); // larger than the grant: alone
  assert.equal((await session.close()).accepted, 301);
  assert.deepEqual(model.kept, numbers(1, 301));
});

test("frames hold no more than the server takes, and less while it asks for less", patience, async (t) => {
  const sizes: number[] = [];
  const { model, session } = await open(t, async function* (s) {
    yield await s.welcome(credits(10, 2 ** 40), 10);
    while (sizes.reduce((a, b) => a + b, 0) < 100) {
      const b = await s.batch();
      sizes.push(b.observations.length);
      const through = s.keep(b);
      if (through === 10) {
        yield response({ case: "status", value: { state: SessionState.WARNING, suggestedBatchSize: 5 } });
      }
      yield* s.ack(through, credits(through + 10, 2 ** 40));
    }
    yield* s.serve();
  });
  await observe(session, 1, 100);
  await session.close();
  assert.deepEqual(model.kept, numbers(1, 100));
  assert.ok(Math.max(...sizes) <= 10 && Math.max(...sizes.slice(sizes.length / 2)) <= 5, sizes.join(" "));
});

for (const resumable of [true, false]) {
  test(`go-away, ${resumable ? "to come back after it" : "for good"}`, patience, async (t) => {
    let sent = 0;
    let came = 0;
    const { model, session } = await open(t, async function* (s) {
      if (s.n === 1) {
        yield await s.welcome();
        await s.batch();
        sent = performance.now();
        const reason = resumable ? "DRAINING" : "SESSION_TAKEN_OVER";
        yield response({ case: "goAway", value: { reason, resumable, resumeAfter: { nanos: 30_000_000 } } });
        return;
      }
      came = performance.now();
      yield await s.welcome();
      yield* s.serve();
    });
    await observe(session, 1, 100);
    if (resumable) {
      await session.close();
      assert.deepEqual(model.kept, numbers(1, 100));
      assert.ok(came - sent >= 29, `came back after ${String(came - sent)} ms`);
      return;
    }
    const reading = session.acks();
    await assert.rejects(session.flush(), { reason: "SESSION_TAKEN_OVER" });
    await assert.rejects(session.observe({ id: "101" }), { reason: "SESSION_TAKEN_OVER" });
    await assert.rejects(session.close(), { reason: "SESSION_TAKEN_OVER" });
    await assert.rejects(reading.next(), { reason: "SESSION_TAKEN_OVER" });
    assert.equal(model.streams, 1);
  });
}

for (const acked of [true, false]) {
  test(`the answer to close is lost, ${acked ? "with everything acked" : "and nobody knows what was kept"}`, patience, async (t) => {
    const { model, session } = await open(t, async function* (s) {
      if (s.n > 1) {
        throw fault(Code.NotFound, "SESSION_CLOSED");
      }
      yield await s.welcome();
      for (;;) {
        const f = await s.receive();
        if (f?.case !== "observations") {
          throw cut();
        }
        const through = s.keep(f.value);
        if (acked) {
          yield* s.ack(through);
        }
      }
    });
    await observe(session, 1, 10);
    if (acked) {
      assert.deepEqual(await session.close(), { finalSequence: 10, accepted: 0, rejected: 0, refused: 0, duplicates: 0, inferred: true });
      assert.equal((await session.close()).inferred, true); // the same when it is called again
    } else {
      await assert.rejects(session.close(), { reason: "SESSION_CLOSED" });
    }
    assert.deepEqual(model.kept, numbers(1, 10));
  });
}

test("a server that says nothing is given up, and tried again", patience, async (t) => {
  const { model, session } = await open(
    t,
    async function* (s) {
      if (s.n === 2) {
        await s.receive();
        await s.receive(); // never comes
        return;
      }
      yield await s.welcome();
      if (s.n === 1) {
        throw cut();
      }
      yield* s.serve();
    },
    { connectTimeoutMs: 200 },
  );
  await observe(session, 1, 10);
  await session.close();
  assert.deepEqual(model.kept, numbers(1, 10));
  assert.deepEqual([session.stats.reconnects, model.streams], [1, 3]);
});

test("a session that comes nowhere ends, in the server's words, and says so everywhere", patience, async (t) => {
  const { session } = await open(
    t,
    async function* (s) {
      yield await s.welcome();
      await s.batch();
      throw fault(Code.Internal, "BROKEN");
    },
    { reconnectForMs: 100 },
  );
  await observe(session, 1, 10);
  await assert.rejects(session.flush(), { reason: "BROKEN" });
  await assert.rejects(session.observe({}), { reason: "BROKEN" });
  await assert.rejects(session.close(), { reason: "BROKEN" });
});

test("an expired session begins anew only when nothing of it was kept", patience, async (t) => {
  for (const kept of [false, true]) {
    const { model, session } = await open(t, async function* (s) {
      if (s.n === 2) {
        throw fault(Code.NotFound, "SESSION_EXPIRED");
      }
      yield await s.welcome();
      if (s.n > 2) {
        yield* s.serve();
        return;
      }
      const b = await s.batch();
      if (kept) {
        yield* s.ack(s.keep(b));
      }
      throw cut();
    });
    await observe(session, 1, 10);
    if (kept) {
      await assert.rejects(session.close(), { code: "not_found", reason: "SESSION_EXPIRED" });
    } else {
      await session.close();
      assert.deepEqual(model.kept, numbers(1, 10));
    }
  }
});

test("a full buffer makes observe wait, or refuse", patience, async (t) => {
  const gate = new AbortController();
  const script = async function* (s: Stream) {
    yield await s.welcome(credits(0, 0));
    await new Promise((resolve) => {
      gate.signal.addEventListener("abort", resolve);
    });
    yield response({ case: "status", value: { state: SessionState.ACTIVE, credits: roomy } });
    yield* s.serve();
  };
  const full = await open(t, script, { buffer: 5, nonBlocking: true });
  await observe(full.session, 1, 5);
  await assert.rejects(full.session.observe({ id: "6" }), { reason: "BUFFER_FULL" });

  const { model, session } = await open(t, script, { buffer: 5 });
  await observe(session, 1, 5);
  await assert.rejects(session.observe({ id: "6" }, { timeoutMs: 20 }), { code: "deadline_exceeded", reason: "DEADLINE" });
  const waiting = [session.observe({ id: "6" }), session.observe({ id: "7" }), session.observe({ id: "8" })];
  const flushed = session.flush();
  await assert.rejects(session.flush({ signal: AbortSignal.timeout(20) }), { name: "TimeoutError" });
  gate.abort();
  assert.deepEqual(await Promise.all(waiting), [6, 7, 8]);
  await flushed;
  assert.deepEqual(model.kept, numbers(1, 8)); // those who waited were flushed too
  assert.equal((await session.close()).accepted, 8);
});

test("acks that come twice, late, or of unknown levels move nothing backwards", patience, async (t) => {
  const acks: Ack[] = [];
  const { session } = await open(
    t,
    async function* (s) {
      yield await s.welcome(credits(3, 2 ** 40));
      s.keep(await s.batch());
      const ack = (status: AckLevel, through: number, grant?: number) =>
        response({ case: "ack", value: { status, throughSequence: BigInt(through), ...(grant === undefined ? {} : { credits: credits(grant, 2 ** 40) }) } });
      yield ack(AckLevel.DURABLE, 3, 1000);
      yield ack(AckLevel.DURABLE, 1, 1);
      yield ack(JSON.parse("77") as AckLevel, 3);
      yield ack(AckLevel.VISIBLE, 3);
      yield ack(AckLevel.VISIBLE, 1);
      yield* s.serve();
    },
    { batch: 3, onAck: (a) => acks.push(a) },
  );
  await observe(session, 1, 3);
  await session.flush();
  assert.deepEqual(
    acks.slice(0, 4).map((a) => `${a.level} ${String(a.through)}`),
    ["durable 3", "durable 1", "UNKNOWN_77 3", "visible 3"],
  );
  await observe(session, 4, 6); // on the grant there is
  await session.close();
  assert.deepEqual([session.stats.durable, session.stats.visible], [6, 6]);
});

test("what a callback throws comes back from the next flush", patience, async (t) => {
  const { session } = await open(
    t,
    async function* (s) {
      yield await s.welcome();
      yield* s.serve();
    },
    {
      onAck: () => {
        throw new Error("of the callback");
      },
    },
  );
  await observe(session, 1, 3);
  await assert.rejects(session.flush(), { message: "of the callback" });
  await session.close({ timeoutMs: 5000 }).catch((e: unknown) => {
    assert.equal((e as Error).message, "of the callback");
  });
});

test("headers and trace context go with streams and observations", patience, async (t) => {
  const seen: (string | null | undefined)[] = [];
  let span = 1;
  const { session } = await open(
    t,
    async function* (s) {
      seen.push(s.headers.get("authorization"), s.headers.get("traceparent"));
      yield await s.welcome();
      const b = await s.batch();
      seen.push(b.observations[0]?.traceparent, b.observations[1]?.traceparent);
      yield* s.ack(s.keep(b));
      yield* s.serve();
    },
    { batch: 2, lingerMs: 1000 },
    { headers: { authorization: "Bearer secret" }, trace: () => ({ traceparent: `00-0123456789abcdef0123456789abcdef-000000000000000${String(span++)}-01` }) },
  );
  await session.observe({ id: "1" });
  await session.observe({ id: "2", traceparent: "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-01" });
  await session.close();
  assert.deepEqual(seen, [
    "Bearer secret",
    "00-0123456789abcdef0123456789abcdef-0000000000000001-01",
    "00-0123456789abcdef0123456789abcdef-0000000000000002-01",
    "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-01",
  ]);
});
