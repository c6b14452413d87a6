/**
 * The client of Engram for browsers, and wherever there is `fetch`: sessions are
 * made of calls, and survive that a tab sleeps.
 *
 * @module
 */
import { createConnectTransport } from "@connectrpc/connect-web";
import { Client } from "./client.js";
import { baseUrlOf, clientsOf, type ConnectOptions, interceptors } from "./connecting.js";
import { CallsDuplex } from "./duplex-calls.js";

export * from "./api.js";

/** The settings of a client in a browser. */
export interface WebOptions extends ConnectOptions {
  /** In place of the global `fetch`. */
  fetch?: typeof globalThis.fetch | undefined;
}

/**
 * Makes a client of the server at an address: host:port, or a URL. It does not
 * wait for the server: the first call does. A page of another origin has to be
 * among the server's `cors_allowed_origins`.
 */
export function connect(address: string, options: WebOptions = {}): Client {
  const transport = createConnectTransport({
    baseUrl: baseUrlOf(address, false),
    useBinaryFormat: true,
    interceptors: interceptors(options),
    ...(options.fetch === undefined ? {} : { fetch: options.fetch }),
  });
  const clients = clientsOf(transport);
  return new Client({ ...clients, duplex: new CallsDuplex(clients), trace: options.trace, onWake, close: () => undefined });
}

/** Calls back when the page is shown again, or the network is back. */
function onWake(wake: () => void): () => void {
  const doc = globalThis.document as Document | undefined;
  const add = globalThis.addEventListener as typeof addEventListener | undefined;
  if (doc === undefined || add === undefined) {
    return () => undefined; // not a page
  }
  const shown = () => {
    if (doc.visibilityState === "visible") {
      wake();
    }
  };
  doc.addEventListener("visibilitychange", shown);
  add("online", wake);
  add("pageshow", wake);
  return () => {
    doc.removeEventListener("visibilitychange", shown);
    removeEventListener("online", wake);
    removeEventListener("pageshow", wake);
  };
}
