/**
 * The client of Engram for Node: sessions are real streams over HTTP/2.
 *
 * @module
 */
import type { SecureClientSessionOptions } from "node:http2";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Client } from "./client.js";
import { baseUrlOf, clientsOf, type ConnectOptions, interceptors } from "./connecting.js";
import { StreamDuplex } from "./duplex-stream.js";

export * from "./api.js";

/** The settings of a client in Node. */
export interface NodeOptions extends ConnectOptions {
  /** `connect` without it. */
  protocol?: "connect" | "grpc" | "grpc-web" | undefined;
  /** TLS settings, such as `ca`, `cert` and `key`. With them, host:port means https. */
  tls?: SecureClientSessionOptions | undefined;
}

/** A connection is checked when it has been silent for this long … */
const pingIntervalMs = 15_000;
/** … and given up when no answer comes within this. */
const pingTimeoutMs = 10_000;
/** What the server may send on a stream before it is read. */
const streamWindow = 4 << 20;

/**
 * Makes a client of the server at an address: host:port, or a URL. It does not
 * wait for the server: the first call does.
 */
export function connect(address: string, options: NodeOptions = {}): Client {
  const baseUrl = baseUrlOf(address, options.tls !== undefined);
  const sessionManager = new Http2SessionManager(
    baseUrl,
    { pingIntervalMs, pingTimeoutMs },
    { ...options.tls, settings: { initialWindowSize: streamWindow } },
  );
  const settings = {
    baseUrl,
    httpVersion: "2" as const,
    sessionManager,
    interceptors: interceptors(options),
    useBinaryFormat: true,
    // Vectors hardly shrink, and it takes longer than a network nearby.
    acceptCompression: [],
  };
  const { protocol = "connect" } = options;
  const make = { connect: createConnectTransport, grpc: createGrpcTransport, "grpc-web": createGrpcWebTransport }[protocol];
  const clients = clientsOf(make(settings));
  return new Client({
    ...clients,
    duplex: new StreamDuplex(clients.memory),
    trace: options.trace,
    onWake: undefined,
    close: () => {
      sessionManager.abort();
    },
  });
}
