// The parts, each by itself.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { Encoder, stretches } from "../dist/encode.js";
import { Feed } from "../dist/feed.js";
import { ObservationBatchSchema } from "../dist/gen/engram/v1/session_pb.js";
import { type Observation as WireObservation, Priority, VectorEncoding } from "../dist/gen/engram/v1/observation_pb.js";
import { codeName, type Observation } from "./entry.js";
import { Pace } from "../dist/pace.js";
import { fromHalf, toHalf, unpacked } from "../dist/vector.js";

/** A repeatable source of numbers in 0..1 (mulberry32, public domain). */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Reads what the encoder wrote as any other reader does. */
function read(list: readonly Observation[]): WireObservation[] {
  const encoder = new Encoder(2);
  const parts = stretches(list.map((o) => encoder.encode(o)));
  return fromBinary(ObservationBatchSchema, Buffer.concat(parts)).observations;
}

test("what is encoded by hand reads as what was given", () => {
  const rng = random(1);
  const letters = ["a", "Z", "0", "é", "ß", "語", "🫖", " ", "\u0000"];
  const text = (n: number) => Array.from({ length: Math.floor(rng() * n) }, () => letters[Math.floor(rng() * letters.length)]).join("");
  const maybe = <T>(make: () => T): T | undefined => (rng() < 0.5 ? make() : undefined);
  for (let round = 0; round < 50; round++) {
    const given: Observation[] = Array.from({ length: 40 }, () => ({
      id: maybe(() => text(130)),
      content: maybe(() => text(rng() < 0.1 ? 200_000 : 200)),
      vector: maybe(() => Float32Array.from({ length: Math.floor(rng() * 400) }, () => rng() * 2 - 1)),
      observedAt: maybe(() => new Date(Math.floor(rng() * 4e12) - 1e12)),
      confidence: maybe(() => Math.fround(rng())),
      importance: maybe(() => Math.fround(rng())),
      priority: maybe(() => "high" as const),
      replace: maybe(() => true),
      metadata: maybe(() => ({ [text(10)]: [text(20), rng(), null, { deep: true }] })),
      context: maybe(() => ({ location: text(10), participants: [text(3), "b"] })),
      traceparent: maybe(() => "00-x"),
    }));
    for (const [i, m] of read(given).entries()) {
      const o = given[i] ?? assert.fail();
      assert.equal(m.id, o.id ?? "");
      assert.equal(m.content, o.content ?? "");
      assert.deepEqual(m.embedding && unpacked(m.embedding), o.vector);
      assert.equal(m.observedAt && Number(m.observedAt.seconds) * 1000 + m.observedAt.nanos / 1e6, o.observedAt?.getTime());
      assert.equal(m.confidence, o.confidence);
      assert.equal(m.importance, o.importance ?? 0);
      assert.equal(m.priority, o.priority === undefined ? Priority.UNSPECIFIED : Priority.HIGH);
      assert.equal(m.replace, o.replace ?? false);
      assert.deepEqual(m.metadata, o.metadata);
      assert.deepEqual(m.context?.participants, o.context?.participants);
      assert.equal(m.traceparent, o.traceparent ?? "");
    }
  }
});

test("vectors of numbers, views and halves are copied as they are", () => {
  const whole = Float32Array.of(9, 1, 2.5, -3, 9);
  const view = whole.subarray(1, 4);
  const [a, b, c] = read([{ vector: [1, 2.5, -3] }, { vector: view }, { vector: view, halfPrecision: true }]);
  for (const m of [a, b, c]) {
    assert.deepEqual(m?.embedding && unpacked(m.embedding), Float32Array.of(1, 2.5, -3));
  }
  assert.deepEqual([b, c].map((m) => m?.embedding?.packed?.encoding), [VectorEncoding.F32_LE, VectorEncoding.F16_LE]);
  const encoder = new Encoder(2);
  const held = encoder.encode({ vector: view });
  whole.fill(0); // the caller's array is the caller's again
  const after = fromBinary(ObservationBatchSchema, stretches([held])[0] ?? new Uint8Array()).observations[0];
  assert.deepEqual(after?.embedding && unpacked(after.embedding), Float32Array.of(1, 2.5, -3));
  assert.equal(held.end - held.start - held.size, 2); // tag and length
});

test("what cannot be encoded is refused, and nothing of it stays", () => {
  const encoder = new Encoder(2);
  let nested: Record<string, never> | Record<string, object> = {};
  for (let i = 0; i < 200; i++) {
    nested = { nested };
  }
  for (const o of [{ id: "a\ud800" }, { content: "\udc00\ud800" }, { metadata: nested }, { metadata: { n: NaN } }, { context: { participants: ["\ud800"] } }, { priority: "urgent" }]) {
    assert.throws(() => encoder.encode(o as Observation), { name: "EngramError", reason: "INVALID_FIELD" }, JSON.stringify(o).slice(0, 60));
  }
  const parts = stretches([encoder.encode({ id: "1" }), encoder.encode({ id: "2" })]);
  assert.deepEqual(fromBinary(ObservationBatchSchema, Buffer.concat(parts)).observations.map((m) => m.id), ["1", "2"]);
});

test("every binary16 survives, and numbers between round to the nearest, ties to even", () => {
  for (let h = 0; h < 0x10000; h++) {
    const x = fromHalf(h);
    if (Number.isNaN(x)) {
      assert.ok((toHalf(x) & 0x7fff) > 0x7c00);
      continue;
    }
    assert.equal(toHalf(x), h);
    const next = fromHalf(h + 1);
    if ((h & 0x7fff) < 0x7bff) {
      assert.equal(toHalf(x + (next - x) / 2), h % 2 === 0 ? h : h + 1);
      assert.equal(toHalf(x + (next - x) * 0.25), h);
      assert.equal(toHalf(x + (next - x) * 0.75), h + 1);
    }
  }
  assert.deepEqual([65504, 65536, -1e9, 1e-9, NaN].map(toHalf), [0x7bff, 0x7c00, 0xfc00, 0, 0x7e00]);
});

test("pauses grow up to their bound, and the time asleep is not charged", () => {
  const pace = new Pace(10_000, () => 0.5);
  assert.equal(pace.next(), 0); // the first try is made at once
  const pauses = Array.from({ length: 20 }, () => pace.next());
  assert.deepEqual(pauses.slice(0, 3), [50, 75, 112.5]);
  assert.deepEqual([...pauses].sort((a, b) => a - b), pauses);
  assert.equal(pauses.at(-1), 5000);
  pace.charge(3_600_000, 100); // an hour went by in a pause of 100 ms
  assert.ok(!pace.exhausted);
  pace.charge(10_000, 10_000);
  assert.ok(pace.exhausted);
  pace.reset();
  assert.ok(!pace.exhausted);
  assert.equal(pace.next(), 0);
});

test("readers of events go at their own pace, and hear the end", async () => {
  const feed = new Feed<number>(true);
  feed.publish("a", 1);
  const slow = feed.read();
  const left = feed.read();
  feed.publish("b", 2);
  feed.publish("a", 3); // stands for 1
  assert.deepEqual([(await slow.next()).value, (await slow.next()).value], [2, 3]);
  const waiting = slow.next();
  feed.publish("a", 4);
  assert.equal((await waiting).value, 4);
  await left.return?.();
  assert.equal((await left.next()).done, true);
  const stop = new AbortController();
  const aborted = feed.read(stop.signal);
  assert.equal((await aborted.next()).value, 2); // b was told before a
  assert.equal((await aborted.next()).value, 4);
  const cut = assert.rejects(aborted.next(), { message: "stop" });
  stop.abort(new Error("stop"));
  await cut;
  feed.publish("a", 5);
  feed.end(new Error("over"));
  assert.equal((await slow.next()).value, 5); // the rest first
  await assert.rejects(slow.next(), { message: "over" });
  assert.equal((await slow.next()).done, true); // told once
  const many = new Feed<number>(false);
  const behind = many.read();
  for (let i = 0; i <= 10_001; i++) {
    many.publish(i, i);
  }
  await assert.rejects(behind.next(), { reason: "SLOW_READER" });
});

test("codes are spelled as the protocol does", () => {
  assert.deepEqual([1, 5, 8, 11, 16, 99].map(codeName), ["canceled", "not_found", "resource_exhausted", "out_of_range", "unauthenticated", "unknown"]);
});
