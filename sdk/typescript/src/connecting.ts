// What both ways of connecting share.
import { createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { AdminService } from "./gen/engram/v1/admin_service_pb.js";
import { MemoryService } from "./gen/engram/v1/memory_service_pb.js";
import { SpaceService } from "./gen/engram/v1/space_service_pb.js";
import type { TraceContext } from "./encode.js";
import { invalid } from "./errors.js";

/** The settings of a client, however it connects. */
export interface ConnectOptions {
  /** Headers of every call, such as an API key. */
  headers?: HeadersInit | undefined;
  /**
   * Gives the W3C trace context of whatever runs now. It is asked for every call
   * and every observation, which become children of it.
   */
  trace?: (() => TraceContext | undefined) | undefined;
  /** Interceptors of every call, such as those of an OpenTelemetry package. */
  interceptors?: readonly Interceptor[] | undefined;
}

/** @internal host:port, or a URL; gives the URL without a slash at its end. */
export function baseUrlOf(address: string, tls: boolean): string {
  const text = address.includes("://") ? address : `${tls ? "https" : "http"}://${address}`;
  let url: URL | undefined;
  try {
    url = new URL(text);
  } catch {
    // told below
  }
  if (url === undefined || url.host === "" || !["http:", "https:"].includes(url.protocol)) {
    throw invalid("address", `address is ${JSON.stringify(address)}; it has to be host:port or an http or https URL`);
  }
  return url.href.replace(/\/+$/, "");
}

/** @internal Puts the client's headers and trace context on every call. */
export function interceptors(o: ConnectOptions): Interceptor[] {
  const annotate: Interceptor = (next) => (req) => {
    new Headers(o.headers).forEach((value, key) => {
      req.header.set(key, value);
    });
    const trace = req.header.has("traceparent") ? undefined : o.trace?.();
    if (trace !== undefined) {
      req.header.set("traceparent", trace.traceparent);
      if (trace.tracestate !== undefined && trace.tracestate !== "") {
        req.header.set("tracestate", trace.tracestate);
      }
    }
    return next(req);
  };
  return [...(o.interceptors ?? []), annotate];
}

/** @internal */
export function clientsOf(transport: Transport) {
  return {
    memory: createClient(MemoryService, transport),
    spaces: createClient(SpaceService, transport),
    admin: createClient(AdminService, transport),
  };
}
