// What only sessions made of calls have to bear: sleep, silence, and others that
// use the same session.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Proxy } from "./proxy.js";
import { client, idsIn, node, numbers, patience, serve, vectorOf, web } from "./transports.js";
import type { Session } from "@engram-stream/client/web";

async function observe(s: Session, from: number, to: number): Promise<void> {
  for (let i = from; i <= to; i++) {
    await s.observe({ id: String(i), vector: vectorOf(i) });
  }
}

test("a tab that was asleep goes on where it was", patience, async (t) => {
  // A page as far as the client looks at it.
  const page = Object.assign(new EventTarget(), { visibilityState: "visible" });
  const network = new EventTarget();
  const globals = globalThis as unknown as Record<string, unknown>;
  globals["document"] = page;
  globals["addEventListener"] = network.addEventListener.bind(network);
  globals["removeEventListener"] = network.removeEventListener.bind(network);
  t.after(() => {
    delete globals["document"];
    delete globals["addEventListener"];
    delete globals["removeEventListener"];
  });
  const server = await serve(t);
  const proxy = await Proxy.open(server.address);
  t.after(() => proxy.close());
  const c = client(t, web, proxy.address);
  // With pauses so long that only the wake-up can end them in time.
  t.mock.method(Math, "random", () => 1e6);
  const s = await c.openSession("asleep");
  await observe(s, 1, 100);
  await s.flush();
  proxy.refuse(); // its connections are cut while it sleeps, and it has no network
  await observe(s, 101, 200);
  await proxy.tried(1);
  proxy.restore();
  page.visibilityState = "hidden";
  page.dispatchEvent(new Event("visibilitychange")); // is no wake-up
  page.visibilityState = "visible";
  const woken = setInterval(() => page.dispatchEvent(new Event("visibilitychange")), 50);
  t.after(() => {
    clearInterval(woken);
  });
  await s.flush();
  assert.ok(s.stats.reconnects >= 1);
  assert.equal((await s.close()).accepted, 200);
  assert.deepEqual(await idsIn(c, "asleep"), numbers(1, 200));
});

test("a first call whose answer is lost is repeated under the same name", patience, async (t) => {
  const server = await serve(t);
  let lost = 0;
  const c = client(t, { name: "web", connect: (a, o) => web.connect(a, { ...o, ...{ fetch: fragile } }) }, server.address);
  async function fragile(...args: Parameters<typeof fetch>): Promise<Response> {
    const url = args[0] instanceof Request ? args[0].url : String(args[0]);
    const first = url.endsWith("/Observe") ? ++lost : 3;
    if (first === 1) {
      throw new TypeError("it never came to the server");
    }
    const res = await fetch(...args);
    if (first === 2) {
      await res.arrayBuffer();
      throw new TypeError("the answer is lost");
    }
    return res;
  }
  const s = await c.openSession("lost");
  for (let i = 1; i <= 10; i++) {
    await s.observe({ content: `without an id ${String(i)}` });
  }
  const end = await s.close();
  assert.deepEqual([end.accepted, lost, s.stats.reconnects], [10, 2, 2]);
  assert.equal((await idsIn(c, "lost")).length, 10);
});

test("another process that uses the session is noticed", patience, async (t) => {
  const server = await serve(t);
  const c = client(t, web, server.address);
  const first = await c.openSession("taken");
  await observe(first, 1, 10);
  await first.flush();
  const other = await client(t, node, server.address).openSession("taken", { resume: first.id });
  await other.observe({ id: "other", vector: vectorOf(11) });
  await other.flush();
  await assert.rejects(
    async () => {
      for (let i = 12; ; i++) {
        await observe(first, i, i);
        await first.flush();
      }
    },
    { reason: "SESSION_TAKEN_OVER" },
  );
  assert.equal((await other.close()).accepted, 11);
  assert.deepEqual(await idsIn(c, "taken"), [...numbers(1, 10), "other"]);
});

test("a client that is closed ends its sessions, and says what may be lost", patience, async (t) => {
  const server = await serve(t);
  for (const via of [web, node]) {
    const warn = t.mock.method(console, "warn", () => undefined);
    const c = via.connect(server.address);
    const s = await c.openSession("left", { lingerMs: 10_000 });
    await s.observe({ content: "x" });
    c.close();
    await assert.rejects(s.observe({ content: "y" }), { reason: "CLOSED" });
    await assert.rejects(c.openSession("left"), { reason: "CLOSED" });
    assert.equal(warn.mock.callCount(), 1);
    warn.mock.restore();
  }
});
