// The two ways of connecting that tests go through; both keep the same promises.
import { type Client, connect as connectNode, type ConnectOptions } from "@engram-stream/client/node";
import { connect as connectWeb } from "@engram-stream/client/web";
import type { TestContext } from "node:test";
import { Server } from "./server.js";

export interface Transport {
  name: string;
  connect: (address: string, options?: ConnectOptions) => Client;
}

export const node: Transport = { name: "node", connect: connectNode };
export const web: Transport = { name: "web", connect: connectWeb };
export const transports = [node, web];

/** A server for one test, which removes it. */
export async function serve(t: TestContext, ...flags: string[]): Promise<Server> {
  const server = await Server.start(...flags);
  t.after(() => server.remove());
  return server;
}

/** A client for one test, which closes it. */
export function client(t: TestContext, via: Transport, address: string, options?: ConnectOptions): Client {
  const c = via.connect(address, options);
  t.after(() => {
    c.close();
  });
  return c;
}

/** Bounds a test: what hangs fails. */
export const patience = { timeout: 30_000 };

/** The ids that a space holds, in the order in which they were kept. */
export async function idsIn(c: Client, space: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const s of c.list(space)) {
    ids.push(s.observation.id);
  }
  return ids;
}

/** The texts of the numbers from, …, to. */
export function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => String(from + i));
}

/** A small vector that no other number has. */
export function vectorOf(i: number): Float32Array {
  return Float32Array.of(1, i % 97, i % 89, i / 1000);
}
