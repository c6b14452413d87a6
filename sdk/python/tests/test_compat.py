"""Both drivers against a server that is newer than the SDK: fields, values, frames and reasons that it does not know."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from engram_stream import Client, EngramError, Observation, Priority, Recall, RejectedError, Space, Stored
from engram_stream import _wire as wire
from engram_stream._gen.engram.v1 import admin_service_pb2 as ap
from engram_stream._gen.engram.v1 import memory_service_pb2 as ms
from engram_stream._gen.engram.v1 import observation_pb2 as op
from engram_stream._gen.engram.v1 import recall_pb2 as rp
from engram_stream._gen.engram.v1 import session_pb2 as sp
from engram_stream._gen.engram.v1 import space_pb2 as spp
from engram_stream._gen.engram.v1 import space_service_pb2 as ssp
from engram_stream.aio import AsyncClient

from .test_scripted import ROOMY, Abort, Model, R, Stream, good, want

# Fields that no message has: a varint, eight bytes, and bytes that are no text.
UNKNOWN = b"\xc8\xab\x30\x07" + b"\xd1\xab\x30" + b"\x07" * 8 + b"\xda\xab\x30\x04\xff\x00\xfe\x01"


def newer(m: Message) -> Any:
    """Put unknown fields into a message and all below it."""
    for field, value in m.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for part in value if field.is_repeated else [value]:
            newer(part)
    m.MergeFromString(UNKNOWN)
    return m


def test_the_unknown_fields_are_unknown() -> None:
    assert newer(sp.Ack(credits=ROOMY)).SerializeToString() != sp.Ack(credits=ROOMY).SerializeToString()
    assert [n for n, _ in wire.fields(UNKNOWN)] == [99001, 99002, 99003]


Script = Callable[[Stream], Iterator[R]]


def from_the_future(script: Script) -> Script:
    """Let a script's frames come with unknown fields in them, and frames of a kind that is not known after each."""

    def run(s: Stream) -> Iterator[R]:
        for frame in script(s):
            first = frame.HasField("init_ack")
            yield newer(frame)
            if not first:
                yield newer(R())

    return run


@from_the_future
def moving(s: Stream) -> Iterator[R]:
    yield s.welcome()
    yield R(ack=sp.Ack(status=99, through_sequence=1_000_000, credits=ROOMY))  # type: ignore[arg-type]
    yield R(status=sp.SessionStatus(state=99, cause="a cause of its own", pressure=0.5, credits=ROOMY))  # type: ignore[arg-type]
    s.model.keep(s.receive().observations)
    yield R(go_away=sp.GoAway(reason="REBALANCED", resumable=True))


class Newer(grpc.GenericRpcHandler):
    """Answers single calls, and streams by a model's scripts."""

    def __init__(self, *scripts: Script) -> None:
        self.model = Model(*scripts)
        observation = op.Observation(id="one", content="the kettle", priority=99, metadata=Struct())  # type: ignore[arg-type]
        observation.embedding.values.extend([1, 2])
        observation.metadata["n"] = 1
        rejection = sp.Rejection(sequence=2, reason="TOO_SAD", message="m")
        result = rp.RecallResult(observation=observation, similarity=0.5)
        index = spp.IndexStatus(scanned_by=99, code_recall=0.5, policy=98)  # type: ignore[arg-type]
        space = spp.Space(id="notes", metric=99, state=99, index=index, memory=spp.SpaceMemory(used=8))  # type: ignore[arg-type]
        status = ap.ServerStatus(
            state=99,  # type: ignore[arg-type]
            lanes=[ap.LaneStatus(priority=99)],  # type: ignore[arg-type]
            memory=ap.MemoryStatus(level=99, used=8),  # type: ignore[arg-type]
            journal=ap.JournalStatus(disk_level=97),  # type: ignore[arg-type]
            index_policies=[ap.IndexPolicyStatus(policy=1, spaces=2), ap.IndexPolicyStatus(policy=99, spaces=3)],  # type: ignore[arg-type]
        )
        self.answers: dict[str, Message] = {
            "Observe": ms.ObserveResponse(observation_ids=["one", ""], rejections=[rejection]),
            "Recall": rp.RecallResponse(results=[result], snapshot=rp.Snapshot(generation=7)),
            "GetObservations": ms.GetObservationsResponse(observations=[op.StoredObservation(observation=observation)]),
            "GetSpace": ssp.GetSpaceResponse(space=space),
            "GetStatus": ap.GetStatusResponse(status=status),
        }
        for answer in self.answers.values():
            newer(answer)

    def service(self, details: Any) -> Any:
        name = details.method.rsplit("/", 1)[1]
        if name.endswith("Stream"):
            return self.model.service(details)

        def answer(_: bytes, context: grpc.ServicerContext) -> bytes:
            if name in self.answers:
                return self.answers[name].SerializeToString()
            err = Abort(grpc.StatusCode.FAILED_PRECONDITION, "LEGAL_HOLD")
            context.set_trailing_metadata((("grpc-status-details-bin", err.details()),))
            context.abort(err.code, "as the script says")
            raise AssertionError("abort raises")

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def newer_server() -> Iterator[tuple[Newer, str]]:
    handler = Newer(moving, from_the_future(good))
    server = grpc.server(ThreadPoolExecutor(8), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield handler, f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_a_session_goes_on(newer_server: tuple[Newer, str]) -> None:
    handler, address = newer_server
    told: list[str] = []
    heard = threading.Event()

    def on_pressure(p: Any) -> None:
        told.append(f"{p.state} {p.cause}")
        heard.set()

    with Client(address) as c:
        s = c.open_session("notes", batch=10, linger=0.0, on_pressure=on_pressure)
        for i in range(40):
            s.observe("x", id=str(i))
        s.close(timeout=20)
        assert (s.stats.reconnects, s.stats.durable) == (1, 40)
    want(handler.model, 40)
    assert heard.wait(10)
    assert told[0].endswith("99 a cause of its own")


def test_a_session_goes_on_in_asyncio(newer_server: tuple[Newer, str]) -> None:
    handler, address = newer_server

    async def run() -> None:
        async with AsyncClient(address) as c:
            s = await c.open_session("notes", batch=10, linger=0.0)
            for i in range(40):
                await s.observe("x", id=str(i))
            await s.close(timeout=20)
            assert (s.stats.reconnects, s.stats.durable) == (1, 40)

    asyncio.run(run())
    want(handler.model, 40)


def check(o: Observation) -> None:
    assert (o.id, o.content, list(o.vector), o.metadata) == ("one", "the kettle", [1.0, 2.0], {"n": 1.0})
    assert o.priority == Priority.UNSET  # not one of those that are known
    repr(o)


def check_all(r: Recall, stored: Stored, space: Space, rejected: str) -> None:
    assert r.generation == 7
    check(r.results[0].observation)
    check(stored)
    assert space.id == "notes"
    assert space.metric == 0, "a metric that is not known is none of those that are"
    repr(space)
    assert (space.index.scanned_by, space.index.policy, space.index.code_recall) == ("99", "98", 0.5)
    assert space.memory.used == 8
    assert rejected == "TOO_SAD"


def test_answers_are_read(newer_server: tuple[Newer, str]) -> None:
    _, address = newer_server
    with Client(address) as c:
        with pytest.raises(RejectedError) as rejected:
            c.observe("notes", Observation("a"), Observation("b"))
        check_all(
            c.recall("notes", text="kettle"),
            c.get("notes", "one").observations[0],
            c.get_space("notes"),
            rejected.value.rejections[0].reason,
        )
        status = c.status()
        assert int(status.state) == 99
        assert (status.memory.level, status.memory.used, status.disk_level) == ("99", 8, "97")
        assert status.index_policies == {"FULL": 2, "99": 3}
        with pytest.raises(EngramError) as err:
            c.delete_space("notes")
        assert (err.value.code, err.value.reason) == ("failed_precondition", "LEGAL_HOLD")


def test_answers_are_read_in_asyncio(newer_server: tuple[Newer, str]) -> None:
    _, address = newer_server

    async def run() -> None:
        async with AsyncClient(address) as c:
            with pytest.raises(RejectedError) as rejected:
                await c.observe("notes", Observation("a"), Observation("b"))
            found = await c.get("notes", "one")
            check_all(
                await c.recall("notes", text="kettle"),
                found.observations[0],
                await c.get_space("notes"),
                rejected.value.rejections[0].reason,
            )
            with pytest.raises(EngramError, match="LEGAL_HOLD"):
                await c.delete_space("notes")

    asyncio.run(run())
