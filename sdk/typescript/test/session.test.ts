import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect } from "@engram-stream/client";
import { Server } from "./server.js";

describe("a session", () => {
  let server: Server;
  before(async () => {
    server = await Server.start();
  });
  after(async () => {
    await server.remove();
  });

  for (const protocol of ["connect", "grpc", "grpc-web"] as const) {
    test(`keeps and recalls, by ${protocol}`, async () => {
      const client = connect(server.address, { protocol });
      const session = await client.openSession(`plain-${protocol}`);
      assert.equal(await session.observe({ id: "kettle", content: "the kettle is in the red box", metadata: { room: "kitchen" } }), 1);
      await session.flush();
      const found = await client.recall(`plain-${protocol}`, "where is the kettle?", { limit: 3 });
      assert.equal(found.results[0]?.observation.content, "the kettle is in the red box");
      assert.deepEqual(found.results[0].observation.metadata, { room: "kitchen" });
      const end = await session.close();
      assert.deepEqual(end, { finalSequence: 1, accepted: 1, rejected: 0, refused: 0, duplicates: 0, inferred: false });
      client.close();
    });
  }
});
