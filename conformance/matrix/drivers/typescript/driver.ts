// Runs a script through the SDK's public interface alone, by either transport.
// It judges nothing: what came of each step is written down.
import type { Client, Clause, Memory, Recall, Rejection, Result, Session, Stored } from "@engram-stream/client/node";
import { observationOf, vectorOf } from "./make";

// Scripts are JSON of the runner's own; each operation knows its members.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Step = any;
type Outcome = Record<string, unknown>;

interface Open {
  session: Session;
  levels: Record<string, number>;
  monotone: boolean;
  rejections: Rejection[];
  states: Set<string>;
  pressed: boolean;
}

/** What the SDK of either transport is told apart by: its exports are classes of their own. */
interface Failure {
  name?: string;
  code?: string;
  reason?: string;
  field?: string;
  retryable?: boolean;
  rejections?: Rejection[];
}

/** Runs a script; `begun` is told of each step as it begins. */
export async function run(
  script: { address: string; control: string; steps: Step[] },
  connect: (address: string) => Client,
  begun: (step: string) => void = () => undefined,
): Promise<{ steps: Outcome[] }> {
  const d = new Driver(script, connect);
  const steps: Outcome[] = [];
  for (const s of script.steps) {
    begun(`step ${String(steps.length)} (${String(s.op)})`);
    steps.push(await d.step(s));
  }
  d.end();
  return { steps };
}

class Driver {
  readonly #clients = new Map<string, Client>();
  readonly #sessions = new Map<string, Open>();
  readonly #calls = new Map<string, string>();
  readonly #commits = new Map<string, Recall>();
  readonly #tasks = new Map<string, { abort: AbortController; outcome: Promise<Outcome> }>();

  constructor(
    readonly script: { address: string; control: string },
    readonly connect: (address: string) => Client,
  ) {}

  end(): void {
    this.#clients.forEach((c) => {
      c.close();
    });
  }

  async step(s: Step, signal?: AbortSignal): Promise<Outcome> {
    switch (s.op) {
      case "start": {
        const abort = new AbortController();
        this.#tasks.set(s.as, { abort, outcome: this.step(s.step, abort.signal) });
        return { ok: {} };
      }
      case "join":
        return (await this.#tasks.get(s.of)?.outcome) ?? {};
      case "cancel":
        this.#tasks.get(s.of)?.abort.abort();
        return { ok: {} };
    }
    const after = { n: 0 };
    try {
      const ok = await this.#run(s, signal, after);
      return ok === undefined ? { unsupported: s.op } : { ok };
    } catch (e) {
      const error = told(e as Failure);
      return { error: s.op === "observe" ? { ...error, after: after.n } : error };
    }
  }

  #client(s: Step): Client {
    const name = s.client ?? "a";
    const c = this.#clients.get(name) ?? this.connect(this.script.address);
    this.#clients.set(name, c);
    return c;
  }

  #session(s: Step): Open {
    const one = this.#sessions.get(s.in);
    if (one === undefined) {
      throw new Error(`no session ${String(s.in)} is open`);
    }
    return one;
  }

  async #run(s: Step, signal: AbortSignal | undefined, after: { n: number }): Promise<Outcome | undefined> {
    const wait = { signal, timeoutMs: s.timeout_ms as number | undefined };
    switch (s.op) {
      case "create_space": {
        const settings = { dimension: s.dimension, metric: s.metric, embedder: s.embedder, historyWindowMs: s.history_window_ms };
        const { space } = await this.#client(s).createSpace(s.space, settings, wait);
        return { dimension: space.dimension, metric: space.metric, embedder: space.embedder };
      }
      case "get_space": {
        const { dimension, metric, embedder, generation, observations } = await this.#client(s).getSpace(s.space, wait);
        return { dimension, metric, embedder, generation, observations };
      }
      case "delete_space":
        return { forgotten: await this.#client(s).deleteSpace(s.space, wait) };
      case "open":
        return await this.#open(s, signal);
      case "observe": {
        const { session } = this.#session(s);
        let first = 0;
        let last = 0;
        let gapless = true;
        for (let n = s.from; n <= s.to; n++) {
          const seq = await session.observe(observationOf(n, s.make), wait);
          after.n++;
          if (n === s.from) {
            first = seq;
          } else {
            gapless &&= seq === last + 1;
          }
          last = seq;
        }
        return { first, last, gapless };
      }
      case "flush":
        await this.#session(s).session.flush(wait);
        return {};
      case "close": {
        const { finalSequence: final, accepted, rejected, refused, duplicates, inferred } = await this.#session(s).session.close(wait);
        return { final, accepted, rejected, refused, duplicates, inferred };
      }
      case "detach":
        await this.#session(s).session.detach(wait);
        return {};
      case "ended": {
        const { session } = this.#session(s);
        while (session.error === undefined) {
          await new Promise((resolve) => setTimeout(resolve, 5)); // there is no event for it
        }
        const { code, reason } = session.error as Failure;
        return { code, reason };
      }
      case "stats": {
        const { observed, sent, resent, durable, rejected, refused, reconnects } = this.#session(s).session.stats;
        return { observed, sent, resent, durable, rejected, refused, reconnects };
      }
      case "heard": {
        const h = this.#session(s);
        return {
          durable: h.levels["durable"] ?? 0,
          visible: h.levels["visible"] ?? 0,
          monotone: h.monotone,
          rejections: sorted(h.rejections),
          states: [...h.states].sort(),
          pressed: h.pressed,
        };
      }
      case "observe_call": {
        const list = Array.from({ length: s.to - s.from + 1 }, (_, i) => observationOf(s.from + i, s.make));
        const session = s.session === undefined ? undefined : { id: this.#calls.get(s.session) ?? "", first: s.first };
        const o = await this.#client(s).observe(s.space, list, { ...wait, session, waitFor: s.wait_for, mustExist: s.must_exist });
        if (s.as !== undefined) {
          this.#calls.set(s.as, o.sessionId);
        }
        return { ids: o.ids, generation: o.generation, duplicates: o.duplicates, next: o.nextSequence };
      }
      case "recall": {
        const options = { ...wait, ...this.#recallOptions(s) };
        const found = await (s.in === undefined
          ? this.#client(s).recall(s.space, cueOf(s.cue), options)
          : (this.#session(s).session as Memory).recall(cueOf(s.cue), options));
        if (s.as !== undefined) {
          this.#commits.set(s.as, found);
        }
        const vectors = s.vectors === true ? found.results.map((r) => [...(r.observation.vector ?? [])]) : [];
        return { ...resultsOf(found.results), generation: found.generation, vectors };
      }
      case "recall_stream": {
        const list: Result[] = [];
        for await (const r of this.#client(s).recallStream(s.space, cueOf(s.cue), { ...wait, ...this.#recallOptions(s) })) {
          list.push(r);
        }
        return resultsOf(list);
      }
      case "list":
        return await collect(this.#client(s).list(s.space, { ...wait, since: s.since, filter: filterOf(s.filter) }), Infinity);
      case "watch":
        return await collect(this.#client(s).watchSpace(s.space, { ...wait, since: s.since, filter: filterOf(s.filter) }), s.count);
      case "get": {
        const { found, missing } = await this.#client(s).get(s.space, s.ids, wait);
        return { found: found.map(storedOf), missing };
      }
      case "forget": {
        const what = s.filter === undefined ? s.ids : { where: filterOf(s.filter) };
        return { forgotten: (await this.#client(s).forget(s.space, what, wait)).forgotten };
      }
      case "close_client":
        this.#client(s).close();
        return {};
      case "fault": {
        const r = await fetch(`${this.script.control}/fault`, { method: "POST", body: JSON.stringify(s) });
        if (!r.ok) {
          throw new Error(await r.text());
        }
        return (await r.json()) as Outcome;
      }
      default:
        return undefined;
    }
  }

  async #open(s: Step, signal: AbortSignal | undefined): Promise<Outcome> {
    const one: Omit<Open, "session"> = { levels: {}, monotone: true, rejections: [], states: new Set(), pressed: false };
    const heard = one as Open;
    const resume = s.resume === undefined ? s.resume_id : this.#sessions.get(s.resume)?.session.id;
    const options = {
      signal: s.timeout_ms === undefined ? signal : AbortSignal.timeout(s.timeout_ms),
      resume,
      mustExist: s.must_exist,
      flushTo: s.flush_to,
      batch: s.batch,
      buffer: s.buffer,
      nonBlocking: s.non_blocking,
      connectTimeoutMs: s.connect_timeout_ms,
      reconnectForMs: s.reconnect_for_ms,
      onAck: (a: { level: string; through: number }) => {
        heard.monotone &&= a.through >= (heard.levels[a.level] ?? 0);
        heard.levels[a.level] = Math.max(a.through, heard.levels[a.level] ?? 0);
      },
      onRejection: (r: Rejection) => heard.rejections.push(r),
      onStatus: (x: { state: string; pressure: number }) => {
        heard.states.add(x.state);
        heard.pressed ||= x.pressure > 0.5;
      },
    };
    const c = this.#client(s);
    heard.session = s.memory === true ? await c.openMemory(s.space, options) : await c.openSession(s.space, options);
    this.#sessions.set(s.as, heard);
    return { resumed: resume !== undefined && heard.session.id === resume };
  }

  #recallOptions(s: Step) {
    const c = s.consistency;
    const consistency =
      c === undefined
        ? undefined
        : c.as_of !== undefined
          ? { asOf: this.#commits.get(c.as_of)?.committedAt ?? new Date(0) }
          : c.at !== undefined
            ? { at: c.at as number }
            : { atLeast: c.at_least as number };
    return { limit: s.limit, minSimilarity: s.min_similarity, filter: filterOf(s.filter), consistency, exact: s.exact, vectors: s.vectors };
  }
}

function cueOf(c: Step) {
  if (c.n !== undefined) return vectorOf(c.n, c.make);
  if (c.vector !== undefined) return Float32Array.from(c.vector);
  return c.id !== undefined ? { id: c.id as string } : { text: c.text as string };
}

function filterOf(f: Step) {
  if (f === undefined) return undefined;
  const clauses = (list: Step[] | undefined): Clause[] =>
    (list ?? []).map((c) =>
      c.range === undefined
        ? c
        : { key: c.key, range: { min: c.range.min, max: c.range.max, minExclusive: c.range.min_exclusive ?? false, maxExclusive: c.range.max_exclusive ?? false } },
    );
  return { all: clauses(f.all), any: clauses(f.any), none: clauses(f.none) };
}

function resultsOf(list: readonly Result[]): Outcome {
  return {
    ids: list.map((r) => r.observation.id),
    similarities: list.map((r) => Math.round(r.similarity * 1e4) / 1e4),
    generations: list.map((r) => r.generation),
  };
}

async function collect(from: AsyncIterable<Stored>, count: number): Promise<Outcome> {
  const ids: string[] = [];
  const generations: number[] = [];
  for await (const x of from) {
    ids.push(x.observation.id);
    generations.push(x.generation);
    if (ids.length === count) break;
  }
  return { ids, generations };
}

function storedOf({ observation: o, generation }: Stored): Outcome {
  return {
    id: o.id,
    content: o.content,
    vector: [...(o.vector ?? [])],
    metadata: o.metadata,
    observed_at: o.observedAt?.getTime(),
    confidence: o.confidence,
    importance: o.importance,
    emotional_valence: o.emotionalValence,
    decay_rate: o.decayRate,
    location: o.context?.location ?? "",
    participants: o.context?.participants ?? [],
    reason: o.context?.reason ?? "",
    method: o.context?.method ?? "",
    generation,
  };
}

function sorted(list: readonly Rejection[]): Outcome[] {
  return [...list].sort((a, b) => a.sequence - b.sequence).map(({ sequence, id, reason }) => ({ sequence, id, reason }));
}

function told(e: Failure): Outcome {
  switch (e.name) {
    case "RejectedError":
      return { kind: "rejected", rejections: sorted(e.rejections ?? []) };
    case "EngramError":
      return { kind: "error", code: e.code, reason: e.reason, field: e.field, retryable: e.retryable };
    case "AbortError":
      return { kind: "cancelled" };
    default:
      return { kind: "error", code: "unknown", reason: "NOT_OF_THE_SDK", field: String(e), retryable: false };
  }
}
