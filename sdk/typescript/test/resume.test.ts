// Nothing is lost and nothing is applied twice, whatever happens to connections
// and to the server.
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import type { Client, Session } from "@engram-stream/client/node";
import { Proxy } from "./proxy.js";
import { client, idsIn, numbers, patience, serve, type Transport, transports, vectorOf } from "./transports.js";

const count = 10_000;

async function proxied(t: TestContext, target: string): Promise<Proxy> {
  const proxy = await Proxy.open(target);
  t.after(() => proxy.close());
  return proxy;
}

/** Observes the numbers from, …, to, each under its own text as id. */
async function observe(s: Session, from: number, to: number): Promise<void> {
  for (let i = from; i <= to; i++) {
    await s.observe({ id: String(i), vector: vectorOf(i) });
  }
}

/**
 * Observes all numbers, and does something so many times on the way: each time with
 * some of them durable since the last time, and more under way.
 */
async function observeThrough(s: Session, times: number, act: () => Promise<void> | void): Promise<void> {
  const acks = s.acks();
  const step = Math.floor(count / (times + 1));
  let durable = 0;
  for (let i = 0; i < times; i++) {
    await observe(s, i * step + 1, (i + 1) * step);
    while (s.stats.durable <= durable) {
      await acks.next();
    }
    durable = s.stats.durable;
    await act();
  }
  await observe(s, times * step + 1, count);
  await s.flush();
}

async function check(c: Client, space: string, s: Session): Promise<void> {
  const end = await s.close();
  assert.equal(end.finalSequence, count);
  if (!end.inferred) {
    assert.equal(end.accepted, count);
  }
  assert.deepEqual(await idsIn(c, space), numbers(1, count));
}

function suite(via: Transport): void {
  test("10,000 observations through cut connections", patience, async (t) => {
    const server = await serve(t);
    const proxy = await proxied(t, server.address);
    const c = client(t, via, proxy.address);
    const s = await c.openSession("cuts");
    await observeThrough(s, 6, () => {
      proxy.cut();
    });
    assert.ok(s.stats.reconnects >= 3, `reconnected ${String(s.stats.reconnects)} times`);
    await check(c, "cuts", s);
  });

  test("the server refuses connections for a while", patience, async (t) => {
    const server = await serve(t);
    const proxy = await proxied(t, server.address);
    const c = client(t, via, proxy.address);
    const s = await c.openSession("away");
    await observeThrough(s, 2, async () => {
      proxy.refuse();
      await proxy.tried(2);
      proxy.restore();
    });
    await check(c, "away", s);
  });

  test("the server drains and comes back", patience, async (t) => {
    const server = await serve(t);
    const c = client(t, via, server.address);
    const s = await c.openSession("drains");
    await observeThrough(s, 1, async () => {
      await server.stop();
      await server.run();
    });
    await check(c, "drains", s);
  });

  test("the server is killed and comes back", patience, async (t) => {
    const server = await serve(t);
    const c = client(t, via, server.address);
    const s = await c.openSession("killed");
    await observeThrough(s, 2, async () => {
      await server.kill();
      await server.run();
    });
    await check(c, "killed", s);
  });

  test("a session is let go of, and gone on with", patience, async (t) => {
    const server = await serve(t);
    const c = client(t, via, server.address);
    const first = await c.openSession("detached");
    await observe(first, 1, 100);
    await first.detach();
    await assert.rejects(first.observe({ id: "x" }), { reason: "CLOSED" });
    const second = await client(t, via, server.address).openSession("detached", { resume: first.id });
    assert.equal(second.id, first.id);
    assert.equal(await second.observe({ id: "101", vector: vectorOf(101) }), 101);
    const end = await second.close();
    assert.equal(end.accepted, 101);
    assert.deepEqual(await idsIn(c, "detached"), numbers(1, 101));
    await assert.rejects(c.openSession("detached", { resume: first.id }), { code: "not_found", reason: "SESSION_CLOSED" });
  });
}

for (const via of transports) {
  describe(`resuming, by ${via.name}`, () => {
    suite(via);
  });
}
