// What a space tells arrives: every field, each in its place.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { IndexPolicy, IndexStatusSchema, ScanCodes, SpaceMemorySchema, SpaceSchema, type Space as WireSpace } from "../dist/gen/engram/v1/space_pb.js";
import * as spaces from "../dist/spaces.js";

// Not declared: it is for the SDK alone.
const { spaceOf } = spaces as unknown as { spaceOf: (m: WireSpace) => spaces.Space };

test("how a space is searched, and what memory it takes", () => {
  const space = spaceOf(
    create(SpaceSchema, {
      id: "notes",
      deadRows: 1n,
      residentRows: 2n,
      mappedRows: 3n,
      index: { scannedBy: ScanCodes.ONE_BIT, codeRecall: 0.99, codeCandidates: 200, codeTrialRows: 5000n, codesWithheld: true, policy: IndexPolicy.NARROW },
      memory: { used: 63n, rows: 1n, ids: 2n, codes: 4n, graph: 8n, filters: 16n, rest: 32n, limit: 99n },
    }),
  );
  assert.deepEqual([space.deadRows, space.residentRows, space.mappedRows], [1, 2, 3]);
  assert.deepEqual(space.index, { scannedBy: "1-bit", codeRecall: 0.99, codeCandidates: 200, codeTrialRows: 5000, codesWithheld: true, policy: "narrow" });
  assert.deepEqual(space.memory, { used: 63, rows: 1, ids: 2, codes: 4, graph: 8, filters: 16, rest: 32, limit: 99 });
  const names = (fields: readonly { localName: string }[]) => fields.map((f) => f.localName).sort();
  assert.deepEqual(names(IndexStatusSchema.fields), Object.keys(space.index).sort(), "a field of the contract is not read");
  assert.deepEqual(names(SpaceMemorySchema.fields), Object.keys(space.memory).sort(), "a field of the contract is not read");
});

/** A value that no enum has. */
const later = 99 as never;

test("codes and policies have their words, and those of a newer server none", () => {
  const told = (scannedBy: ScanCodes, policy: IndexPolicy) => {
    const { index } = spaceOf(create(SpaceSchema, { index: { scannedBy, policy } }));
    return [index.scannedBy, index.policy];
  };
  assert.deepEqual(told(ScanCodes.NONE, IndexPolicy.FULL), ["none", "full"]);
  assert.deepEqual(told(ScanCodes.SEVEN_BIT, IndexPolicy.PAUSED), ["7-bit", "paused"]);
  assert.deepEqual(told(later, later), [undefined, undefined]);
});

test("an older server tells less", () => {
  const { index, memory, deadRows } = spaceOf(create(SpaceSchema, { id: "notes" }));
  assert.deepEqual([index.scannedBy, index.policy, index.codesWithheld, memory.used, deadRows], [undefined, undefined, false, 0, 0]);
});
