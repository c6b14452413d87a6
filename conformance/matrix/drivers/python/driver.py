"""The matrix's driver of the Python SDK: a script on stdin, its result on stdout.

With --aio through the client that awaits, else through the one that waits, each
call of which runs in a thread. It judges nothing, and uses the public interface
alone.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import engram_stream as es
from engram_stream import aio

AIO = "--aio" in sys.argv
LEVELS = {level.name.lower(): level for level in es.Level}
METRICS = {metric.name.lower(): metric for metric in es.Metric}
Json = dict[str, Any]


async def call(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Await what the one client returns; run what the other does in a thread."""
    if AIO:
        return await f(*args, **kwargs)
    return await asyncio.to_thread(f, *args, **kwargs)


async def taken(make: Callable[[], Any], count: int | None = None) -> list[Any]:
    """Read what an iteration yields, or its beginning."""
    if not AIO:
        return await asyncio.to_thread(lambda: list(itertools.islice(make(), count)))
    out = []
    async for x in make():
        out.append(x)
        if len(out) == count:
            break
    return out


def vector_of(n: int, make: Json) -> list[float]:
    s, d = make.get("seed", 0), make.get("dimension", 8)
    return [((31 * n + 17 * j + 7 * s + (n % 89) * (j % 13)) % 101 - 50) / 64 for j in range(d)]


def observation_of(n: int, make: Json) -> es.Observation:
    o = es.Observation(metadata={"n": n, "odd": n % 2 == 1, "tag": f"t{n % 3}"})
    o.vector = vector_of(n, make) or None
    ids, content = make.get("ids", "o-"), make.get("content", "note ")
    o.id = f"{ids}{n}" if ids else ""
    o.content = f"{content}{n}" if content else ""
    if make.get("full"):
        o.observed_at = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=n)
        o.confidence, o.importance = (n % 9) / 8, (n % 5) / 4
        o.emotional_valence, o.decay_rate = (n % 5) / 2 - 1, (n % 3) / 4
        o.context = es.Context(f"room {n % 4}", ("ann", f"p{n}"), f"why {n}", "said")
    for name, value in make.get("set", {}).items():
        if name == "content_bytes":
            o.content = "x" * value
        elif name == "vector" and isinstance(value, str):
            o.vector = [float(value), *vector_of(n, make)[1:]]
        else:
            setattr(o, name, value)
    return o


class Heard:
    """What the callbacks of a session were told."""

    def __init__(self) -> None:
        self.levels: dict[int, int] = {}
        self.monotone, self.pressed = True, False
        self.rejections: list[es.Rejection] = []
        self.states: set[str] = set()

    def ack(self, a: es.Ack) -> None:
        before = self.levels.get(a.level, 0)
        self.monotone = self.monotone and a.through >= before
        self.levels[a.level] = max(before, a.through)

    def pressure(self, p: es.Pressure) -> None:
        self.states.add(p.state)
        self.pressed = self.pressed or p.pressure > 0.5


def rejections(found: list[es.Rejection]) -> list[Json]:
    return [{"sequence": r.sequence, "id": r.id, "reason": r.reason} for r in sorted(found, key=lambda r: r.sequence)]


def told(err: BaseException) -> Json:
    if isinstance(err, es.RejectedError):
        return {"kind": "rejected", "rejections": rejections(err.rejections)}
    if isinstance(err, es.EngramError):
        said = {"code": err.code, "reason": err.reason, "field": err.field, "retryable": err.retryable}
        return {"kind": "error", **said}
    if isinstance(err, asyncio.CancelledError):
        return {"kind": "cancelled"}
    return {"kind": "error", "code": "unknown", "reason": "NOT_OF_THE_SDK", "field": repr(err), "retryable": False}


def clause(c: Json) -> es.Clause:
    if "range" in c:
        r = c["range"]
        if r.get("min_exclusive"):
            return es.above(c["key"], r["min"])
        if r.get("max_exclusive"):
            return es.below(c["key"], r["max"])
        return es.between(c["key"], r.get("min"), r.get("max"))
    if "in" in c:
        return es.one_of(c["key"], c["in"])
    return es.exists(c["key"], c["exists"]) if "exists" in c else es.eq(c["key"], c["equals"])


def filter_of(f: Json | None) -> es.Filter | None:
    return None if f is None else es.Filter(**{k: [clause(c) for c in f.get(k, ())] for k in ("all", "any", "none")})


def results(found: list[es.Result]) -> Json:
    return {
        "ids": [r.id for r in found],
        "similarities": [round(r.similarity, 4) for r in found],
        "generations": [r.generation for r in found],
    }


def listed(found: list[es.Stored]) -> Json:
    return {"ids": [o.id for o in found], "generations": [o.generation for o in found]}


def stored(o: es.Stored) -> Json:
    c = o.context or es.Context()
    return {
        "id": o.id, "content": o.content, "vector": [float(x) for x in ([] if o.vector is None else o.vector)],
        "metadata": o.metadata, "observed_at": round(o.observed_at.timestamp() * 1000) if o.observed_at else 0,
        "confidence": o.confidence, "importance": o.importance, "emotional_valence": o.emotional_valence,
        "decay_rate": o.decay_rate, "location": c.location, "participants": list(c.participants),
        "reason": c.reason, "method": c.method, "generation": o.generation,
    }  # fmt: skip


class Driver:
    """Runs one script."""

    def __init__(self, script: Json) -> None:
        self.script = script
        self.clients: dict[str, Any] = {}
        self.sessions: dict[str, tuple[Any, Heard]] = {}
        self.calls: dict[str, str] = {}
        self.commits: dict[str, es.Recall] = {}
        self.tasks: dict[str, asyncio.Task[Json]] = {}

    async def step(self, s: Json) -> Json:
        op = s["op"]
        if op == "start":
            self.tasks[s["as"]] = asyncio.create_task(self.step(s["step"]))
            return {"ok": {}}
        if op == "join":
            try:
                return await self.tasks[s["of"]]
            except asyncio.CancelledError as err:  # before it had begun
                return {"error": told(err)}
        if op == "cancel" and AIO:
            self.tasks[s["of"]].cancel()
            return {"ok": {}}
        run = getattr(self, f"do_{op}", None)
        if run is None:
            return {"unsupported": op}
        after: Json = {"after": 0} if op == "observe" else {}
        try:
            return {"ok": await (run(s, after) if op == "observe" else run(s))}
        except (Exception, asyncio.CancelledError) as err:
            return {"error": {**told(err), **after}}

    def client(self, s: Json) -> Any:
        name = s.get("client", "a")
        if name not in self.clients:
            self.clients[name] = (aio.AsyncClient if AIO else es.Client)(self.script["address"])
        return self.clients[name]

    def session(self, s: Json) -> Any:
        return self.sessions[s["in"]][0]

    async def do_create_space(self, s: Json) -> Json:
        given = {k: s[k] for k in ("dimension", "embedder") if k in s}
        if "history_window_ms" in s:
            given["history_window"] = timedelta(milliseconds=s["history_window_ms"])
        metric = METRICS[s.get("metric", "default")]
        x = await call(self.client(s).create_space, s["space"], metric=metric, timeout=limit(s), **given)
        return {"dimension": x.dimension, "metric": x.metric.name.lower(), "embedder": x.embedder}

    async def do_get_space(self, s: Json) -> Json:
        x = await call(self.client(s).get_space, s["space"], timeout=limit(s))
        out = {k: getattr(x, k) for k in ("dimension", "embedder", "generation", "observations")}
        return {**out, "metric": x.metric.name.lower()}

    async def do_delete_space(self, s: Json) -> Json:
        return {"forgotten": await call(self.client(s).delete_space, s["space"], timeout=limit(s))}

    async def do_open(self, s: Json) -> Json:
        heard, options = Heard(), {k: s[k] for k in ("must_exist", "batch", "buffer") if k in s}
        resume = self.sessions[s["resume"]][0].id if "resume" in s else s.get("resume_id", "")
        if "flush_to" in s:
            options["flush_to"] = LEVELS[s["flush_to"]]
        for name in ("connect_timeout", "reconnect_for"):
            if f"{name}_ms" in s:
                options[name] = s[f"{name}_ms"] / 1000
        open_ = self.client(s).open_memory if s.get("memory") else self.client(s).open_session

        def begin() -> Any:
            return open_(
                s["space"], timeout=limit(s), resume=resume, blocking=not s.get("non_blocking"), on_ack=heard.ack,
                on_rejection=heard.rejections.append, on_pressure=heard.pressure, **options,
            )  # fmt: skip

        session = await begin() if AIO else await asyncio.to_thread(begin)
        self.sessions[s["as"]] = session, heard
        return {"resumed": bool(resume) and session.id == resume}

    async def do_observe(self, s: Json, after: Json) -> Json:
        session, numbers = self.session(s), []
        for n in range(s["from"], s["to"] + 1):
            o = observation_of(n, s.get("make", {}))
            numbers.append(await call(session.observe, o, timeout=limit(s)))
            after["after"] += 1
        gapless = all(b == a + 1 for a, b in itertools.pairwise(numbers))
        return {"first": numbers[0], "last": numbers[-1], "gapless": gapless}

    async def do_flush(self, s: Json) -> Json:
        await call(self.session(s).flush, timeout=limit(s))
        return {}

    async def do_close(self, s: Json) -> Json:
        c = await call(self.session(s).close, timeout=limit(s))
        names = ("accepted", "rejected", "refused", "duplicates", "inferred")
        return {"final": c.final_sequence, **{k: getattr(c, k) for k in names}}

    async def do_detach(self, s: Json) -> Json:
        await call(self.session(s).detach, timeout=limit(s))
        return {}

    async def do_ended(self, s: Json) -> Json:
        while self.session(s).error is None:
            await asyncio.sleep(0.005)  # there is no event for it
        return {"code": self.session(s).error.code, "reason": self.session(s).error.reason}

    async def do_stats(self, s: Json) -> Json:
        names = ("observed", "sent", "resent", "durable", "rejected", "refused", "reconnects")
        return {k: getattr(self.session(s).stats, k) for k in names}

    async def do_heard(self, s: Json) -> Json:
        h = self.sessions[s["in"]][1]
        return {
            "durable": h.levels.get(es.Level.DURABLE, 0), "visible": h.levels.get(es.Level.VISIBLE, 0),
            "monotone": h.monotone, "rejections": rejections(h.rejections), "states": sorted(h.states),
            "pressed": h.pressed,
        }  # fmt: skip

    async def do_observe_call(self, s: Json) -> Json:
        batch = [observation_of(n, s.get("make", {})) for n in range(s["from"], s["to"] + 1)]
        numbered = {"session_id": self.calls.get(s["session"], ""), "first_sequence": s["first"]} if "session" in s else {}
        o = await call(
            self.client(s).observe, s["space"], *batch, wait_for=LEVELS[s.get("wait_for", "visible")],
            must_exist=s.get("must_exist", False), timeout=limit(s), **numbered,
        )  # fmt: skip
        if "as" in s:
            self.calls[s["as"]] = o.session_id
        return {"ids": o.ids, "generation": o.generation, "duplicates": o.duplicates, "next": o.next_sequence}

    def recall_options(self, s: Json) -> Json:
        cue, out = s["cue"], {k: s[k] for k in ("limit", "min_similarity", "exact") if k in s}
        if "n" in cue:
            out["vector"] = vector_of(cue["n"], cue.get("make", {}))
        else:
            ((kind, value),) = cue.items()
            out[{"id": "observation_id"}.get(kind, kind)] = value
        if "filter" in s:
            out["filter"] = filter_of(s["filter"])
        for mode, value in s.get("consistency", {}).items():
            out[mode] = self.commits[value].committed_at if mode == "as_of" else value
        return {**out, "with_vectors": s.get("vectors", False), "timeout": limit(s)}

    async def do_recall(self, s: Json) -> Json:
        options = self.recall_options(s)
        if "in" in s:
            found = await call(self.session(s).recall, **options)
        else:
            found = await call(self.client(s).recall, s["space"], **options)
        if "as" in s:
            self.commits[s["as"]] = found
        vectors = [[float(x) for x in r.observation.vector] for r in found] if s.get("vectors") else []
        return {**results(list(found)), "generation": found.generation, "vectors": vectors}

    async def do_recall_stream(self, s: Json) -> Json:
        return results(await taken(lambda: self.client(s).recall_stream(s["space"], **self.recall_options(s))))

    def reading(self, s: Json) -> Json:
        return {"since": s.get("since", 0), "filter": filter_of(s.get("filter")), "timeout": limit(s)}

    async def do_list(self, s: Json) -> Json:
        return listed(await taken(lambda: self.client(s).list(s["space"], **self.reading(s))))

    async def do_watch(self, s: Json) -> Json:
        return listed(await taken(lambda: self.client(s).watch_space(s["space"], **self.reading(s)), s["count"]))

    async def do_get(self, s: Json) -> Json:
        f = await call(self.client(s).get, s["space"], *s["ids"], timeout=limit(s))
        return {"found": [stored(o) for o in f.observations], "missing": f.missing}

    async def do_forget(self, s: Json) -> Json:
        c = self.client(s)
        if "filter" in s:
            f = await call(c.forget_where, s["space"], filter_of(s["filter"]), timeout=limit(s))
        else:
            f = await call(c.forget, s["space"], *s["ids"], timeout=limit(s))
        return {"forgotten": f.count}

    async def do_close_client(self, s: Json) -> Json:
        await call(self.client(s).close)
        return {}

    async def do_fault(self, s: Json) -> Json:
        return await asyncio.to_thread(self.ask, s)

    def ask(self, s: Json) -> Json:
        request = urllib.request.Request(self.script["control"] + "/fault", json.dumps(s).encode())
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


def limit(s: Json) -> float | None:
    return s["timeout_ms"] / 1000 if "timeout_ms" in s else 30.0


async def main() -> None:
    script = json.load(sys.stdin)
    d = Driver(script)
    steps = [await d.step(s) for s in script["steps"]]
    for c in d.clients.values():
        await call(c.close)
    json.dump({"steps": steps}, sys.stdout)


asyncio.run(main())
