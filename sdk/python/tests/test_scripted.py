"""Both drivers against a server that misbehaves as a script says, over the real transport."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from engram_stream import Client, Closed, EngramError, Stats, UnavailableError
from engram_stream import _wire as wire
from engram_stream._gen.engram.v1 import memory_service_pb2 as ms
from engram_stream._gen.engram.v1 import session_pb2 as sp
from engram_stream.aio import AsyncClient

ROOMY = sp.Credits(through_sequence=1 << 40, bytes=1 << 40)
R = ms.ObserveStreamResponse
Script = Callable[["Stream"], Iterator[R]]


class Abort(Exception):
    """Ends a stream with a status, and a reason as the server gives it."""

    def __init__(self, code: grpc.StatusCode, reason: str = "", retry: float = 0.0) -> None:
        super().__init__(reason)
        self.code, self.reason, self.retry = code, reason, retry

    def details(self) -> bytes:
        parts = [any_of("ErrorInfo", wire.block(b"\x0a", self.reason.encode()))]
        if self.retry:
            data = Duration(seconds=int(self.retry), nanos=int(self.retry % 1 * 1e9)).SerializeToString()
            parts.append(any_of("RetryInfo", wire.block(b"\x0a", data)))
        return b"".join(wire.block(b"\x1a", p) for p in parts)


def any_of(name: str, body: bytes) -> bytes:
    return wire.block(b"\x0a", f"type.googleapis.com/google.rpc.{name}".encode()) + wire.block(b"\x12", body)


class Model(grpc.GenericRpcHandler):
    """One session that keeps the sequence rules; each stream follows the script of its number, the last one for all further."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = scripts
        self.lock = threading.Lock()
        self.inits: list[str] = []
        self.began: list[float] = []
        self.next, self.durable, self.ended = 1, 0, False
        self.kept: list[str] = []
        self.duplicates = 0

    def service(self, details: Any) -> Any:
        assert details.method.endswith("/ObserveStream")
        return grpc.stream_stream_rpc_method_handler(self.run)

    def run(self, frames: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        init = ms.ObserveStreamRequest.FromString(next(frames)).init
        with self.lock:
            self.inits.append(init.session_id)
            self.began.append(time.monotonic())
            script = self.scripts[min(len(self.inits), len(self.scripts)) - 1]
        try:
            for answer in script(Stream(self, frames)):
                yield answer.SerializeToString()
        except Abort as err:
            if err.reason:
                context.set_trailing_metadata((("grpc-status-details-bin", err.details()),))
            context.abort(err.code, "as the script says")

    def keep(self, b: sp.ObservationBatch) -> int:
        """Take a batch; a gap is an error, since a client that obeys refusals makes none."""
        with self.lock:
            for i, o in enumerate(b.observations, b.first_sequence):
                assert i <= self.next, f"gap: {i} came, {self.next} was expected"
                if i < self.next:
                    self.duplicates += 1
                else:
                    self.kept.append(o.id)
                    self.next += 1
            return self.next - 1

    def lose(self) -> None:
        """Forget what is not durable, as a crash does."""
        with self.lock:
            self.next = self.durable + 1
            del self.kept[self.durable :]


class Stream:
    """One stream, as a script sees it."""

    def __init__(self, model: Model, frames: Iterator[bytes]) -> None:
        self.model, self._frames = model, frames

    def receive(self) -> ms.ObserveStreamRequest:
        return ms.ObserveStreamRequest.FromString(next(self._frames, b""))

    def welcome(self, credits: sp.Credits = ROOMY) -> R:
        m = self.model
        if m.ended:
            raise Abort(grpc.StatusCode.NOT_FOUND, "SESSION_CLOSED")
        return R(
            init_ack=sp.InitAck(
                session_id="modelled", next_sequence=m.next, durable_sequence=m.durable, credits=credits
            )
        )

    def ack(self, through: int) -> Iterator[R]:
        self.model.durable = max(self.model.durable, through)
        for level in (sp.ACK_LEVEL_DURABLE, sp.ACK_LEVEL_VISIBLE):
            yield R(ack=sp.Ack(status=level, through_sequence=through, credits=ROOMY))  # type: ignore[arg-type]

    def serve(self, closing: sp.SessionClose | None = None) -> Iterator[R]:
        """Take and ack everything until the client closes, or has closed and everything is here."""
        yield from self.ack(self.model.next - 1)
        while closing is None or closing.last_sequence >= self.model.next:
            f = self.receive()
            if f.HasField("observations"):
                yield from self.ack(self.model.keep(f.observations))
            elif f.HasField("close"):
                closing = f.close
            elif not f.WhichOneof("frame"):
                return
        self.model.ended = True
        yield R(closed=sp.Closed(final_sequence=closing.last_sequence, accepted=len(self.model.kept)))


def good(s: Stream) -> Iterator[R]:
    yield s.welcome()
    yield from s.serve()


def take(s: Stream, batches: int, ack: bool = True) -> Iterator[R]:
    """Welcome, and take some batches."""
    yield s.welcome()
    for _ in range(batches):
        f = s.receive()
        if f.HasField("observations"):
            through = s.model.keep(f.observations)
            if ack:
                yield from s.ack(through)


Drive = Callable[..., tuple[Closed, Stats]]


def drive_sync(address: str, count: int, **options: Any) -> tuple[Closed, Stats]:
    with Client(address) as c:
        s = c.open_session("notes", **{"batch": 10, "linger": 0.0, **options})
        for i in range(count):
            s.observe("x", id=str(i))
        return s.close(timeout=20), s.stats


def drive_async(address: str, count: int, **options: Any) -> tuple[Closed, Stats]:
    async def run() -> tuple[Closed, Stats]:
        async with AsyncClient(address) as c:
            s = await c.open_session("notes", **{"batch": 10, "linger": 0.0, **options})
            for i in range(count):
                await s.observe("x", id=str(i))
            return await s.close(timeout=20), s.stats

    return asyncio.run(run())


@pytest.fixture(params=[drive_sync, drive_async], ids=["sync", "asyncio"])
def drive(request: pytest.FixtureRequest) -> Drive:
    chosen: Drive = request.param
    return chosen


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[Model, str]]]:
    servers = []

    def start(*scripts: Script) -> tuple[Model, str]:
        model = Model(*scripts)
        server = grpc.server(ThreadPoolExecutor(8), handlers=[model])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return model, f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop(None).wait()


def want(model: Model, count: int) -> None:
    assert model.kept == [str(i) for i in range(count)]


def test_cut_between_batches(drive: Drive, serve: Callable[..., tuple[Model, str]]) -> None:
    def cut(s: Stream) -> Iterator[R]:
        yield from take(s, 3, ack=len(s.model.inits) % 2 == 0)
        raise Abort(grpc.StatusCode.UNAVAILABLE)

    model, address = serve(*[cut] * 6, good)
    closed, stats = drive(address, 500)
    want(model, 500)
    assert (closed.accepted, stats.reconnects, model.inits) == (500, 6, ["", *["modelled"] * 6])


def test_crash_loses_what_is_not_durable(drive: Drive, serve: Callable[..., tuple[Model, str]]) -> None:
    def crash(s: Stream) -> Iterator[R]:
        yield from take(s, 4, ack=False)
        s.model.lose()
        raise Abort(grpc.StatusCode.INTERNAL)

    model, address = serve(crash, lambda s: take(s, 5), crash, good)
    drive(address, 300)
    want(model, 300)


def test_refusal_goes_back_and_waits(drive: Drive, serve: Callable[..., tuple[Model, str]]) -> None:
    times: list[float] = []

    def refusing(s: Stream) -> Iterator[R]:
        yield from take(s, 2)
        while s.receive().observations.first_sequence != 31:
            pass
        wait = Duration(nanos=200_000_000)
        times.append(time.monotonic())
        yield R(refusal=sp.Refusal(expected_sequence=21, reason="QUEUE_FULL", retry_after=wait, credits=ROOMY))
        closing = None  # may come before what was refused comes again
        while (f := s.receive()).observations.first_sequence != 21:
            if f.HasField("close"):
                closing = f.close
        times.append(time.monotonic())
        yield from s.ack(s.model.keep(f.observations))
        yield from s.serve(closing)

    model, address = serve(refusing)
    _, stats = drive(address, 200)
    want(model, 200)
    assert stats.refused == 1
    assert stats.reconnects == 0
    assert stats.sent == 200
    assert stats.resent >= 20
    assert times[1] - times[0] >= 0.2


@pytest.mark.parametrize("resumable", [True, False])
def test_go_away(drive: Drive, serve: Callable[..., tuple[Model, str]], resumable: bool) -> None:
    left: list[float] = []

    def away(s: Stream) -> Iterator[R]:
        yield from take(s, 2)
        left.append(time.monotonic())
        reason = "DRAINING" if resumable else "SESSION_TAKEN_OVER"
        yield R(go_away=sp.GoAway(reason=reason, resumable=resumable, resume_after=Duration(nanos=150_000_000)))

    model, address = serve(away, good)
    if resumable:
        drive(address, 100)
        want(model, 100)
        assert model.began[1] - left[0] >= 0.15
        return
    with pytest.raises(EngramError) as err:
        drive(address, 100)
    assert err.value.reason == "SESSION_TAKEN_OVER"
    assert len(model.inits) == 1


def test_retry_after_of_a_failed_resume(drive: Drive, serve: Callable[..., tuple[Model, str]]) -> None:
    def draining(_: Stream) -> Iterator[R]:
        raise Abort(grpc.StatusCode.UNAVAILABLE, "DRAINING", 0.2)
        yield

    model, address = serve(lambda s: take(s, 1), draining, good)
    drive(address, 50)
    want(model, 50)
    assert model.began[2] - model.began[1] >= 0.2


def test_expired(drive: Drive, serve: Callable[..., tuple[Model, str]]) -> None:
    def expired(s: Stream) -> Iterator[R]:
        s.model.lose()
        raise Abort(grpc.StatusCode.NOT_FOUND, "SESSION_EXPIRED")
        yield

    model, address = serve(lambda s: take(s, 1, ack=False), expired, good)
    drive(address, 50)  # nothing was kept: it begins anew
    want(model, 50)
    assert model.inits == ["", "modelled", ""]
    model, address = serve(lambda s: take(s, 1), expired, good)
    with pytest.raises(EngramError, match="SESSION_EXPIRED"):
        drive(address, 50)


def test_payloads_that_are_gone(drive: Drive, serve: Callable[..., tuple[Model, str]]) -> None:
    def amnesia(s: Stream) -> Iterator[R]:
        s.model.durable, s.model.next = 0, 1  # durable it was not
        yield s.welcome()

    _, address = serve(lambda s: take(s, 3), amnesia)
    with pytest.raises(EngramError) as err:
        drive(address, 100)
    assert (err.value.code, err.value.reason) == ("data_loss", "PAYLOADS_GONE")


def test_the_answer_to_close_is_lost(drive: Drive, serve: Callable[..., tuple[Model, str]]) -> None:
    def silent(s: Stream) -> Iterator[R]:
        for answer in good(s):
            if answer.HasField("closed"):
                raise Abort(grpc.StatusCode.UNAVAILABLE)
            yield answer

    model, address = serve(silent)
    closed, _ = drive(address, 50)
    want(model, 50)
    assert closed == Closed(50, inferred=True)


def test_a_first_frame_that_is_none(drive: Drive, serve: Callable[..., tuple[Model, str]]) -> None:
    def confused(_: Stream) -> Iterator[R]:
        yield R(status=sp.SessionStatus())

    _, address = serve(confused)
    with pytest.raises(EngramError, match="PROTOCOL_ORDER"):
        drive(address, 1)

    def mute(_: Stream) -> Iterator[R]:
        return iter(())

    _, address = serve(mute)
    with pytest.raises(UnavailableError, match="ended the stream"):
        drive(address, 1)


def test_final_errors_end_at_once(drive: Drive, serve: Callable[..., tuple[Model, str]]) -> None:
    def fail(s: Stream) -> Iterator[R]:
        yield from take(s, 1)
        raise Abort(grpc.StatusCode.FAILED_PRECONDITION, "PROTOCOL_ORDER")

    def taken(s: Stream) -> Iterator[R]:
        yield from take(s, 2)
        yield R(go_away=sp.GoAway(reason="SESSION_TAKEN_OVER"))

    for _ in range(5):  # sending fails before, at or after the server's last word
        for script, reason in ((fail, "PROTOCOL_ORDER"), (taken, "SESSION_TAKEN_OVER")):
            model, address = serve(script)
            with pytest.raises(EngramError, match=reason):
                drive(address, 100)
            assert len(model.inits) == 1


def test_given_up_when_nothing_is_acked(drive: Drive, serve: Callable[..., tuple[Model, str]]) -> None:
    def useless(s: Stream) -> Iterator[R]:
        yield s.welcome()
        raise Abort(grpc.StatusCode.UNAVAILABLE)

    model, address = serve(useless)
    with pytest.raises(UnavailableError):
        drive(address, 10, reconnect_for=0.5)
    assert len(model.inits) >= 3


def test_frames_and_fields_of_the_future(drive: Drive, serve: Callable[..., tuple[Model, str]]) -> None:
    def newer(s: Stream) -> Iterator[R]:
        yield s.welcome()
        yield R.FromString(wire.block(b"\xfa\x3f", b"a frame of the future"))
        yield R(ack=sp.Ack(status=17, through_sequence=1))  # type: ignore[arg-type]
        yield R(status=sp.SessionStatus(state=99))  # type: ignore[arg-type]
        yield from s.serve()

    model, address = serve(newer)
    drive(address, 50)
    want(model, 50)


def test_no_thread_is_left_behind(serve: Callable[..., tuple[Model, str]]) -> None:
    _, address = serve(good)
    before = threading.active_count()
    model, address = serve(good)
    for _ in range(10):
        model.next, model.durable, model.ended, model.kept = 1, 0, False, []
        drive_sync(address, 5)
    deadline = time.monotonic() + 20
    while threading.active_count() > before + 9 and time.monotonic() < deadline:  # 8 are the model's
        time.sleep(0.05)
    assert threading.active_count() <= before + 9, threading.enumerate()
