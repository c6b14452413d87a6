// The client under test for connect-node: makes the calls that the runner of
// Connect's conformance suite asks for, against the server under test, and tells
// what came back. It reads ClientCompatRequests from its standard input until it
// ends, and answers each with a ClientCompatResponse; every message has its size
// before it, as four bytes, big-endian.
//
// Built and run by `make test-conformance`.
import { create, createRegistry, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { AnySchema, anyUnpack } from "@bufbuild/protobuf/wkt";
import { type CallOptions, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import {
  type ClientCompatRequest,
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
  type ClientResponseResult,
  ClientResponseResultSchema,
} from "../_gen/es/connectrpc/conformance/v1/client_compat_pb.js";
import { Codec, Compression, HTTPVersion, Protocol, StreamType } from "../_gen/es/connectrpc/conformance/v1/config_pb.js";
import {
  type BidiStreamRequest,
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  type ConformancePayload,
  ConformancePayloadSchema,
  ConformanceService,
  ErrorSchema,
  HeaderSchema,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  UnaryRequestSchema,
} from "../_gen/es/connectrpc/conformance/v1/service_pb.js";

const registry = createRegistry(
  UnaryRequestSchema,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  ClientStreamRequestSchema,
  BidiStreamRequestSchema,
);

/** The transport that a case asks for. */
function transportOf(req: ClientCompatRequest): Transport {
  const gzip = req.compression === Compression.GZIP;
  const options = {
    baseUrl: `${req.serverTlsCert.length > 0 ? "https" : "http"}://${req.host}:${req.port}`,
    useBinaryFormat: req.codec === Codec.PROTO,
    acceptCompression: gzip ? [compressionGzip] : [],
    sendCompression: gzip ? compressionGzip : undefined,
    compressMinBytes: -1, // the suite looks at small messages, and at empty ones
    jsonOptions: { registry },
    ...(req.messageReceiveLimit > 0 ? { readMaxBytes: req.messageReceiveLimit } : {}),
    nodeOptions: {
      ...(req.serverTlsCert.length > 0 ? { ca: Buffer.from(req.serverTlsCert) } : {}),
      ...(req.clientTlsCreds === undefined
        ? {}
        : { cert: Buffer.from(req.clientTlsCreds.cert), key: Buffer.from(req.clientTlsCreds.key) }),
    },
  };
  const httpVersion = req.httpVersion === HTTPVersion.HTTP_VERSION_1 ? "1.1" : "2";
  switch (req.protocol) {
    case Protocol.CONNECT:
      return createConnectTransport({ ...options, httpVersion, useHttpGet: req.useGetHttpMethod });
    case Protocol.GRPC:
      return createGrpcTransport(options);
    case Protocol.GRPC_WEB:
      return createGrpcWebTransport({ ...options, httpVersion });
    default:
      throw new Error(`the protocol ${req.protocol} is not known`);
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const headersOf = (headers: Headers) => [...headers].map(([name, value]) => create(HeaderSchema, { name, value: [value] }));

function messages<D extends DescMessage>(req: ClientCompatRequest, schema: D): MessageShape<D>[] {
  return req.requestMessages.map((a) => {
    const m = anyUnpack(a, schema);
    if (m === undefined) throw new Error(`a message of the case is ${a.typeUrl}, not ${schema.typeName}`);
    return m;
  });
}

/** What a call sends as its case says, one after the other. */
async function* outgoing<D extends DescMessage>(req: ClientCompatRequest, schema: D, sent: () => void) {
  for (const m of messages(req, schema)) {
    await pause(req.requestDelayMs);
    yield m;
  }
  sent();
}

/** Makes the call of a case; what fails in it is part of the result. */
async function call(req: ClientCompatRequest): Promise<ClientResponseResult> {
  const result = create(ClientResponseResultSchema);
  const client = createClient(ConformanceService, transportOf(req));
  const abort = new AbortController();
  const timing = req.cancel?.cancelTiming;
  const afterClose = timing?.case === "afterCloseSendMs" ? timing.value : req.cancel && !timing?.case ? 0 : undefined;
  /** Everything is sent; what the case wants cancelled then is cancelled. */
  const sent = () => {
    if (timing?.case === "beforeCloseSend") abort.abort();
    if (afterClose !== undefined) setTimeout(() => abort.abort(), afterClose);
  };
  const received = (payload?: ConformancePayload) => {
    result.payloads.push(payload ?? create(ConformancePayloadSchema));
    if (timing?.case === "afterNumResponses" && result.payloads.length === timing.value) abort.abort();
  };
  const headers = new Headers();
  for (const h of req.requestHeaders) for (const value of h.value) headers.append(h.name, value);
  const options: CallOptions = {
    headers,
    signal: abort.signal,
    timeoutMs: req.timeoutMs,
    onHeader: (h) => (result.responseHeaders = headersOf(h)),
    onTrailer: (h) => (result.responseTrailers = headersOf(h)),
  };
  try {
    switch (req.method) {
      case "Unary":
      case "IdempotentUnary": {
        await pause(req.requestDelayMs);
        sent();
        const response =
          req.method === "Unary"
            ? await client.unary(messages(req, UnaryRequestSchema)[0], options)
            : await client.idempotentUnary(messages(req, IdempotentUnaryRequestSchema)[0], options);
        received(response.payload);
        break;
      }
      case "Unimplemented":
        await client.unimplemented({}, options);
        break;
      case "ServerStream":
        await pause(req.requestDelayMs);
        sent();
        for await (const m of client.serverStream(messages(req, ServerStreamRequestSchema)[0], options)) received(m.payload);
        break;
      case "ClientStream":
        received((await client.clientStream(outgoing(req, ClientStreamRequestSchema, sent), options)).payload);
        break;
      case "BidiStream":
        await bidi(req, options, client.bidiStream, sent, received);
        break;
      default:
        throw new Error(`the method ${req.method} is not known`);
    }
  } catch (err) {
    const e = ConnectError.from(err);
    result.error = create(ErrorSchema, {
      code: e.code as number, // the suite has the same numbers under names of its own
      message: e.rawMessage,
      details: e.details.flatMap((d) =>
        "type" in d ? [create(AnySchema, { typeUrl: `type.googleapis.com/${d.type}`, value: d.value })] : [],
      ),
    });
    // An error carries headers and trailers together, and is where they are.
    if (result.responseHeaders.length === 0) result.responseHeaders = headersOf(e.metadata);
    if (result.responseTrailers.length === 0) result.responseTrailers = headersOf(e.metadata);
    if (e.rawMessage.startsWith("the method") || e.rawMessage.startsWith("a message of the case")) throw err;
  }
  return result;
}

/** Sends and receives in turn where the case is of a full duplex, else one after the other. */
async function bidi(
  req: ClientCompatRequest,
  options: CallOptions,
  method: (out: AsyncIterable<BidiStreamRequest>, o: CallOptions) => AsyncIterable<{ payload?: ConformancePayload }>,
  sent: () => void,
  received: (p?: ConformancePayload) => void,
) {
  const turns = req.streamType === StreamType.FULL_DUPLEX_BIDI_STREAM;
  let answered = () => {};
  async function* out() {
    for (const m of messages(req, BidiStreamRequestSchema)) {
      await pause(req.requestDelayMs);
      const answer = new Promise<void>((resolve) => (answered = resolve));
      yield m;
      if (turns) await answer;
    }
    sent();
  }
  try {
    for await (const m of method(out(), options)) {
      received(m.payload);
      answered();
    }
  } finally {
    answered(); // nothing more comes: the way out must not wait for it
  }
}

const chunks: Buffer[] = [];
let size = 0;

/** Takes n bytes of what has come; undefined while there are fewer. */
function take(n: number): Buffer | undefined {
  if (size < n) return undefined;
  const all = Buffer.concat(chunks);
  chunks.length = 0;
  chunks.push(all.subarray(n));
  size -= n;
  return all.subarray(0, n);
}

async function answer(data: Uint8Array) {
  const req = fromBinary(ClientCompatRequestSchema, data);
  const res = create(ClientCompatResponseSchema, { testName: req.testName });
  try {
    res.result = { case: "response", value: await call(req) };
  } catch (e) {
    res.result = { case: "error", value: { $typeName: "connectrpc.conformance.v1.ClientErrorResult", message: String(e) } };
  }
  const out = toBinary(ClientCompatResponseSchema, res);
  const framed = Buffer.alloc(4 + out.length);
  framed.writeUInt32BE(out.length);
  framed.set(out, 4);
  process.stdout.write(framed);
}

/** Calls under way at once; more wait in the input. */
const parallel = 8;
const running = new Set<Promise<void>>();
let next: number | undefined;
for await (const chunk of process.stdin) {
  chunks.push(chunk);
  size += chunk.length;
  for (;;) {
    next ??= take(4)?.readUInt32BE();
    const data = next === undefined ? undefined : take(next);
    if (data === undefined) break;
    next = undefined;
    const one: Promise<void> = answer(data).finally(() => running.delete(one));
    running.add(one);
    if (running.size >= parallel) await Promise.race(running);
  }
}
await Promise.all(running);
process.exit(0); // connections that are kept open would hold it up
