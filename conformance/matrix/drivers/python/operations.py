"""The operations of the matrix, once for both clients.

They are coroutines. With Client nothing in them ever waits for a loop: its
calls have returned by the time they would be awaited.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import words
from engram_stream import Ack, EngramError, Level, Metric, Pressure, Recall, RejectedError, Rejection
from formula import Json, observation_of, vector_of

if TYPE_CHECKING:
    from driver import Driver

Operation = Callable[["Driver", Json], Awaitable[Json]]


async def got(value: Any) -> Any:
    """Return what a call of either client comes to."""
    return await value if inspect.isawaitable(value) else value


async def each(items: Any) -> AsyncIterator[Any]:
    """Iterate over what either client yields; breaking off ends the call."""
    if hasattr(items, "__aiter__"):
        try:
            async for item in items:
                yield item
        finally:
            await items.aclose()
    else:
        try:
            for item in items:
                yield item
        finally:
            items.close()


def within(step: Json) -> Json:
    """Return the keyword of the step's deadline."""
    return {"timeout": step["timeout_ms"] / 1000} if "timeout_ms" in step else {}


# --- spaces ----------------------------------------------------------------------


async def create_space(d: Driver, s: Json) -> Json:
    """Create a space."""
    settings: Json = {k: s[k] for k in ("dimension", "embedder") if k in s}
    if "metric" in s:
        settings["metric"] = Metric[s["metric"].upper()]
    if "history_window_ms" in s:
        settings["history_window"] = timedelta(milliseconds=s["history_window_ms"])
    return words.space_of(await got(d.client(s).create_space(s["space"], **settings, **within(s))))


async def get_space(d: Driver, s: Json) -> Json:
    """Read a space."""
    space = await got(d.client(s).get_space(s["space"], **within(s)))
    return {**words.space_of(space), "generation": space.generation, "observations": space.observations}


async def delete_space(d: Driver, s: Json) -> Json:
    """Delete a space."""
    return {"forgotten": await got(d.client(s).delete_space(s["space"], **within(s)))}


# --- sessions --------------------------------------------------------------------


class Heard:
    """What the callbacks of a session were told."""

    def __init__(self) -> None:
        self.levels = dict.fromkeys(Level, 0)
        self.monotone = True
        self.rejections: list[Rejection] = []
        self.states: set[str] = set()
        self.pressed = False

    def ack(self, a: Ack) -> None:
        """Take an ack."""
        level = Level(a.level)
        self.monotone = self.monotone and a.through >= self.levels[level]
        self.levels[level] = max(self.levels[level], a.through)

    def pressure(self, p: Pressure) -> None:
        """Take a change of the pressure."""
        self.states.add(p.state)
        self.pressed = self.pressed or p.pressure > 0.5


async def open_session(d: Driver, s: Json) -> Json:
    """Open a session, or resume one."""
    told = Heard()
    resume: str = d.sessions[s["resume"]].id if "resume" in s else s.get("resume_id", "")
    options: Json = {k: s[k] for k in ("must_exist", "batch", "buffer") if k in s}
    if "flush_to" in s:
        options["flush_to"] = Level[s["flush_to"].upper()]
    for name in ("connect_timeout", "reconnect_for"):
        if f"{name}_ms" in s:
            options[name] = s[f"{name}_ms"] / 1000
    opening = d.client(s).open_memory if s.get("memory") else d.client(s).open_session
    session = await got(
        opening(
            s["space"],
            resume=resume,
            blocking=not s.get("non_blocking", False),
            on_ack=told.ack,
            on_rejection=told.rejections.append,
            on_pressure=told.pressure,
            **options,
            **within(s),
        )
    )
    d.sessions[s["as"]], d.heard[s["as"]] = session, told
    return {"resumed": resume != "" and session.id == resume}


async def observe(d: Driver, s: Json) -> Json:
    """Observe one by one."""
    session, make = d.sessions[s["in"]], s.get("make", {})
    first = last = 0
    gapless = True
    for n in range(s["from"], s["to"] + 1):
        try:
            sequence = await got(session.observe(observation_of(n, make), **within(s)))
        except BaseException as err:
            d.note(err, after=n - s["from"])
            raise
        first = first or sequence
        gapless = gapless and last in (0, sequence - 1)
        last = sequence
    return {"first": first, "last": last, "gapless": gapless}


async def flush(d: Driver, s: Json) -> Json:
    """Wait for all that was observed."""
    await got(d.sessions[s["in"]].flush(**within(s)))
    return {}


async def close(d: Driver, s: Json) -> Json:
    """End a session."""
    c = await got(d.sessions[s["in"]].close(**within(s)))
    return {
        "final": c.final_sequence,
        "accepted": c.accepted,
        "rejected": c.rejected,
        "refused": c.refused,
        "duplicates": c.duplicates,
        "inferred": c.inferred,
    }


async def detach(d: Driver, s: Json) -> Json:
    """Let go of a session."""
    await got(d.sessions[s["in"]].detach(**within(s)))
    return {}


async def ended(d: Driver, s: Json) -> Json:
    """Wait until a session has ended by itself: what iterates over its acks ends with it."""
    session = d.sessions[s["in"]]
    acks = session.acks()
    try:
        if hasattr(acks, "__aiter__"):
            async for _ in acks:
                pass
        else:
            for _ in acks:
                pass
    except EngramError as err:
        return {"code": err.code, "reason": err.reason}
    return {"code": session.error.code, "reason": session.error.reason}


async def stats(d: Driver, s: Json) -> Json:
    """Read the counts of a session."""
    counts = d.sessions[s["in"]].stats
    names = ("observed", "sent", "resent", "durable", "rejected", "refused", "reconnects")
    return {name: getattr(counts, name) for name in names}


async def heard(d: Driver, s: Json) -> Json:
    """Tell what the callbacks were told."""
    told = d.heard[s["in"]]
    return {
        "durable": told.levels[Level.DURABLE],
        "visible": told.levels[Level.VISIBLE],
        "monotone": told.monotone,
        "rejections": words.rejections_of(told.rejections),
        "states": sorted(told.states),
        "pressed": told.pressed,
    }


# --- calls -----------------------------------------------------------------------


async def observe_call(d: Driver, s: Json) -> Json:
    """Take a batch in one call."""
    options: Json = {}
    if "wait_for" in s:
        options["wait_for"] = Level[s["wait_for"].upper()]
    if s.get("must_exist"):
        options["must_exist"] = True
    if "session" in s:  # "new" has no id yet
        options["session_id"], options["first_sequence"] = d.calls.get(s["session"], ""), s["first"]
    batch = [observation_of(n, s.get("make", {})) for n in range(s["from"], s["to"] + 1)]
    try:
        out = await got(d.client(s).observe(s["space"], *batch, **options, **within(s)))
    except RejectedError as err:
        if "as" in s:
            d.calls[s["as"]] = err.observed.session_id
        raise
    if "as" in s:
        d.calls[s["as"]] = out.session_id
    return {
        "ids": out.ids,
        "generation": out.generation,
        "duplicates": out.duplicates,
        "next": out.next_sequence if "session" in s else 0,
    }


def recalling(d: Driver, s: Json) -> Json:
    """Return the keywords of a recall."""
    cue = s["cue"]
    if "n" in cue:
        options: Json = {"vector": vector_of(cue["n"], cue.get("make", {}))}
    elif "vector" in cue:
        options = {"vector": cue["vector"]}
    elif "id" in cue:
        options = {"observation_id": cue["id"]}
    else:
        options = {"text": cue["text"]}
    options |= {k: s[k] for k in ("limit", "min_similarity", "exact") if k in s}
    if s.get("vectors"):
        options["with_vectors"] = True
    if "filter" in s:
        options["filter"] = words.filter_of(s["filter"])
    for mode, value in s.get("consistency", {}).items():
        options[mode] = d.recalls[value].committed_at if mode == "as_of" else value
    return options


async def recall(d: Driver, s: Json) -> Json:
    """Recall, by a call or on a memory's stream."""
    options = recalling(d, s)
    if "in" in s:
        found: Recall = await got(d.sessions[s["in"]].recall(**options, **within(s)))
    else:
        found = await got(d.client(s).recall(s["space"], **options, **within(s)))
    if "as" in s:
        d.recalls[s["as"]] = found
    vectors = [words.components_of(r.observation.vector) for r in found] if s.get("vectors") else []
    return {**words.results_of(found), "generation": found.generation, "vectors": vectors}


async def recall_stream(d: Driver, s: Json) -> Json:
    """Recall, with the results as they come."""
    results = each(d.client(s).recall_stream(s["space"], **recalling(d, s), **within(s)))
    return words.results_of([r async for r in results])


async def _first(items: Any, count: int | None) -> Json:
    ids: list[str] = []
    generations: list[int] = []
    stored = each(items)
    try:
        async for o in stored:
            ids.append(o.id)
            generations.append(o.generation)
            if len(ids) == count:
                break
    finally:
        await stored.aclose()  # type: ignore[attr-defined]
    return {"ids": ids, "generations": generations}


def _chosen(s: Json) -> Json:
    return {"filter": words.filter_of(s["filter"])} if "filter" in s else {}


async def list_observations(d: Driver, s: Json) -> Json:
    """Go through a space."""
    return await _first(d.client(s).list(s["space"], since=s.get("since", 0), **_chosen(s), **within(s)), None)


async def watch(d: Driver, s: Json) -> Json:
    """Watch a space until so many have come."""
    return await _first(d.client(s).watch_space(s["space"], since=s["since"], **_chosen(s), **within(s)), s["count"])


async def get(d: Driver, s: Json) -> Json:
    """Read by id."""
    found = await got(d.client(s).get(s["space"], *s["ids"], **within(s)))
    return {"found": [words.stored_of(o) for o in found.observations], "missing": found.missing}


async def forget(d: Driver, s: Json) -> Json:
    """Delete by id, or by a filter."""
    if "filter" in s:
        gone = await got(d.client(s).forget_where(s["space"], words.filter_of(s["filter"]), **within(s)))
    else:
        gone = await got(d.client(s).forget(s["space"], *s["ids"], **within(s)))
    return {"forgotten": gone.count}


async def close_client(d: Driver, s: Json) -> Json:
    """Close a client."""
    await got(d.client(s).close())
    return {}


OPERATIONS: dict[str, Operation] = {
    "create_space": create_space,
    "get_space": get_space,
    "delete_space": delete_space,
    "open": open_session,
    "observe": observe,
    "flush": flush,
    "close": close,
    "detach": detach,
    "ended": ended,
    "stats": stats,
    "heard": heard,
    "observe_call": observe_call,
    "recall": recall,
    "recall_stream": recall_stream,
    "list": list_observations,
    "get": get,
    "forget": forget,
    "watch": watch,
    "close_client": close_client,
}
