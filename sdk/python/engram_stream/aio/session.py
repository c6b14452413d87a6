"""Sessions for asyncio: numbered streams of observations into one space."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import time
import weakref
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic

import grpc
import grpc.aio

from .. import _calls
from .._batches import Observable, abatches
from .._calls import ManyResult
from .._channel import trace_context
from .._core import Core, comes_back, gone_away, is_final
from .._deadlines import EXIT_TIMEOUT, deadline_of, left_of
from .._encode import entry, observation_from
from .._facts import Facts, put_all
from .._feeds import Feed, T
from .._gen.engram.v1 import session_pb2 as sp
from .._pace import MAXIMUM, Pace
from .._progress import Meter, Progress
from .._status import from_rpc
from ..errors import ClosedError, DeadlineError, EngramError, FullError, Rejection, error_of
from ..observation import Level
from ..options import Ack, Closed, Pressure
from ._stream import LAST_WORD, Signal, introduce, put, see_out

if TYPE_CHECKING:
    from .client import AsyncClient


class AsyncSession(Facts):
    """A numbered stream of observations into one space. See engram_stream.Session.

    It belongs to the event loop it was opened in, and owns two tasks: one that
    sends, and one that receives and reconnects. Callbacks are ordinary
    functions and run in the latter. Cancelling what waits for the session
    leaves the session alone.
    """

    def __init__(self, client: AsyncClient, core: Core) -> None:
        self._client, self._core = client, core
        self._pid = os.getpid()
        self._context = contextvars.copy_context()  # of the trace it was opened in
        self._changed, self._work = Signal(), Signal()
        self._feeds: weakref.WeakSet[Feed[Any]] = weakref.WeakSet()
        self._failed_callback: BaseException | None = None
        self._call: Any = None  # the stream; owned by the task, once that runs
        self._task: asyncio.Task[None] | None = None
        self._leaving = False  # the stream is to end in good order

    async def _open(self, timeout: float | None) -> None:
        call = await self._connect(timeout)
        self._task = asyncio.create_task(self._run(call), name=f"engram-{self._core.id}")

    # --- observing --------------------------------------------------------------

    async def observe(self, observation: Observable, *, timeout: float | None = None, **fields: Any) -> int:
        """Hand an observation over and return its number; see Session.observe."""
        data = entry(observation_from(observation, fields), trace_context())
        self._check()
        deadline = deadline_of(timeout)
        while not self._core.room(len(data)):
            await self._await_room(deadline)
        seq, wake = self._core.push((data,))
        if wake:
            self._work.set()
            if seq % self._core.batch == 0:
                await asyncio.sleep(0)  # let the sender have its turn
        return seq

    async def observe_many(
        self,
        observations: Iterable[Observable] | AsyncIterable[Observable] | None = None,
        *,
        vectors: Any = None,
        contents: Sequence[str] | None = None,
        ids: Sequence[str] | None = None,
        metadata: Sequence[Mapping[str, Any] | None] | None = None,
        half_precision: bool = False,
        replace: bool = False,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> ManyResult:
        """Hand over many observations, and wait until all have reached `flush_to`; see Session.observe_many.

        Observations may come from an asynchronous iterable.
        """
        self._check()
        began = time.monotonic()
        total, stretches = abatches(
            observations,
            {
                "vectors": vectors,
                "contents": contents,
                "ids": ids,
                "metadata": metadata,
                "half_precision": half_precision,
                "replace": replace,
            },
            trace_context(),
        )
        deadline = deadline_of(timeout)
        level = self._core.options.flush_to
        count, first = 0, self.next_sequence
        before = self.stats
        meter = Meter(progress, total)
        try:
            async for entries in stretches:
                await self._push_all(entries, deadline)
                count += len(entries)
                meter.reach(min(self.acked(level) - first + 1, count))
                await asyncio.sleep(0)  # the loop has others to serve
            if meter.wanted:
                await self._follow(meter, level, first, count, deadline)
            await self.flush(timeout=left_of(deadline))
        finally:
            meter.close()
        after = self.stats
        return ManyResult(
            count=count,
            session_id=self.id,
            generation=self.generation,
            seconds=time.monotonic() - began,
            resent=after.resent - before.resent,
            reconnects=after.reconnects - before.reconnects,
        )

    async def _push_all(self, entries: list[bytes], deadline: float | None) -> None:
        at = 0
        while at < len(entries):
            n = self._core.fitting(entries, at)
            if n == 0:
                await self._await_room(deadline)
                continue
            _, wake = self._core.push(entries if n == len(entries) else entries[at : at + n])
            at += n
            if wake:
                self._work.set()

    async def _follow(self, meter: Meter, level: Level, first: int, count: int, deadline: float | None) -> None:
        self._core.hurry()
        self._work.set()
        done = 0
        while done < count:
            while self._core.acked[level] - first + 1 <= done:
                if self._core.error is not None:
                    raise self._core.error.again()
                await self._await(deadline)
            done = min(self._core.acked[level] - first + 1, count)
            meter.reach(done)

    async def _await_room(self, deadline: float | None) -> None:
        if not self._core.options.blocking:
            raise FullError()
        await self._await(deadline)

    # --- waiting and ending -----------------------------------------------------

    async def flush(self, *, timeout: float | None = None) -> None:
        """Wait until everything observed so far has reached the level `flush_to`; see Session.flush."""
        self._check()
        deadline = deadline_of(timeout)
        last = self._core.hurry()
        self._work.set()
        while self._core.acked[self._core.options.flush_to] < last:
            if self._core.error is not None:
                raise self._core.error.again()
            await self._await(deadline)
        self._raise_kept()

    async def close(self, *, timeout: float | None = None) -> Closed:
        """Wait until everything is decided and visible, end the session for good, and return what the server counted.

        When `timeout` seconds are over, or when it is cancelled, the session is
        given up where it stands.
        """
        return await self._finish(timeout, detach=False)  # type: ignore[return-value]

    async def detach(self, *, timeout: float | None = None) -> None:
        """Wait until everything is on stable storage, and let go of the session without ending it.

        Opening one with `resume=` its id goes on with it, in this process or another.
        """
        await self._finish(timeout, detach=True)

    async def _finish(self, timeout: float | None, detach: bool) -> Closed | None:
        self._check()
        deadline = deadline_of(timeout)
        core, done = self._core, False
        try:
            core.draining, core.detaching = True, detach
            core.hurry()
            self._work.set()
            while core.error is None and not (core.acked[Level.DURABLE] >= core.last if detach else core.closed):
                await self._await(deadline)
            if core.error is not None and core.closed is None:
                raise core.error.again()
            done = True
        finally:
            await self._leave(patient=done)
        self._raise_kept()
        return core.closed

    async def abandon(self) -> None:
        """Give the session up where it stands, without waiting. The server keeps it, to be resumed."""
        self._check()
        await self._leave(patient=False)

    async def __aenter__(self) -> AsyncSession:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: object) -> None:
        if err is None:
            await self.close()
            return
        if not isinstance(err, Exception):  # cancelled or interrupted: go at once
            await self.abandon()
            return
        # What was observed before the failure is kept, if that is possible soon.
        try:
            await self.close(timeout=EXIT_TIMEOUT)
        except EngramError as closing:
            if hasattr(err, "add_note"):
                err.add_note(f"and closing the session {self.id}: {closing}")

    # --- flow and events --------------------------------------------------------

    def pause(self) -> None:
        """Ask the server for no more credits; what is granted is used up."""
        self._control()
        self._core.pause(True)

    def resume(self) -> None:
        """Ask the server for credits again."""
        self._control()
        self._core.pause(False)

    def limit(self, rate: int) -> None:
        """Ask for no more than so many observations a second; 0 leaves it to the server."""
        self._control()
        self._core.limit(rate)

    def _control(self) -> None:
        self._check()
        if self._core.error is not None:
            raise self._core.error.again()
        self._work.set()  # the sender runs after what follows

    def acks(self) -> AsyncIterator[Ack]:
        """Iterate over acks from now on, until the session is over. Those not taken in time are merged."""
        return AsyncEvents(self, Ack)

    def pressures(self) -> AsyncIterator[Pressure]:
        """Iterate over changes of the pressure from now on, until the session is over; of several the newest counts."""
        return AsyncEvents(self, Pressure)

    def rejections(self) -> AsyncIterator[Rejection]:
        """Iterate over rejections from now on, until the session is over."""
        return AsyncEvents(self, Rejection)

    # --- the driver -------------------------------------------------------------

    async def _await(self, deadline: float | None) -> None:
        """Wait for a change."""
        left = left_of(deadline)
        if left == 0 or not await self._changed.wait(left):
            raise DeadlineError("the time given was over before the session came so far", reason="DEADLINE")

    async def _connect(self, timeout: float | None = None) -> Any:
        """Open a stream, introduce the session and take over where the server says it stands."""
        core = self._core
        method = _calls.OBSERVE_STREAM if core.recalls is None else _calls.MEMORY_STREAM
        limit = core.options.connect_timeout if timeout is None else min(timeout, core.options.connect_timeout)
        metadata = self._context.copy().run(self._client._endpoint.metadata)
        call = self._client._stream(method.path, metadata)
        try:
            first = await asyncio.wait_for(introduce(call, core.init_frame()), limit)
            if first is grpc.aio.EOF:
                raise error_of("unavailable", "the server ended the stream", reason="TRANSPORT", retryable=True)
            missed = core.welcomed(first)
            self._call = call
            self._changed.set()
            if missed is not None:
                put_all(self._feeds, missed)
                self._tell(missed)
        except asyncio.TimeoutError:
            call.cancel()
            message = f"the server did not answer within {limit:g} s"
            if timeout is not None and limit == timeout:
                raise DeadlineError(message, reason="DEADLINE") from None
            raise error_of("unavailable", message, reason="TRANSPORT", retryable=True) from None
        except grpc.RpcError as err:
            raise from_rpc(err) from None
        except BaseException:
            call.cancel()
            raise
        return call

    async def _send(self, call: Any) -> None:
        """Send what there is to send on a stream until it ends, which the receiver notices."""
        core = self._core
        while True:
            if self._leaving:
                with contextlib.suppress(grpc.RpcError, asyncio.InvalidStateError):
                    await call.done_writing()
                return
            frame, wait = core.next_frame(time.monotonic())
            if frame is None:
                await self._work.wait(wait)
                continue
            if core.recalls is not None:
                self._changed.set()  # a recall waits until what it has to see is under way
            if not await put(call, frame):
                return

    async def _leave(self, patient: bool) -> None:
        """End the session, if it still runs, and wait for its tasks."""
        self._core.end(None)
        self._changed.set()
        task, self._task = self._task, None  # the frames that its end holds on to go with it
        if task is not None and not task.done():
            if patient and self._call is not None:
                self._leaving = True
                self._work.set()
                await asyncio.wait({task}, timeout=LAST_WORD)  # it sees the stream out
            task.cancel()
            await asyncio.wait({task})
        if self._call is not None:
            self._call.cancel()  # should the task never have begun
            self._call = None

    async def _run(self, call: Any) -> None:
        """Keep the session connected until it is over."""
        failure: EngramError | None = None
        try:
            failure = await self._keep_connected(call)
        except EngramError as err:
            failure = err
        except asyncio.CancelledError:
            if self._core.error is None:  # the loop ends under the session
                self._warn_of_loss()
            raise
        except BaseException as err:  # told to whoever uses the session
            failure = error_of("internal", f"the session's receiver failed: {err!r}", reason="CLIENT_BUG")
            failure.__cause__ = err
        finally:
            if failure is not None:
                failure = self._core.lost_answer(failure)
            self._core.end(failure)
            self._changed.set()

    async def _keep_connected(self, call: Any) -> EngramError | None:
        pace = Pace(self._core.options.reconnect_for)
        while True:
            began = time.monotonic()
            sender = asyncio.create_task(self._send(call))
            try:
                why, after = await self._receive(call)
            finally:
                sender.cancel()
                call.cancel()
                await asyncio.wait({sender})
                if not sender.cancelled() and (bug := sender.exception()) is not None:
                    raise bug
                self._call = None
            if self._leaving or why is None or (is_final(why) and not after):
                return why
            if self._core.recalls is not None:
                self._core.recalls.cut()
            pace.begin(time.monotonic(), self._core.progressed() or time.monotonic() - began > MAXIMUM)
            call = await self._reconnect(why, after, pace)

    async def _reconnect(self, why: EngramError, after: float, pace: Pace) -> Any:
        """Try until it succeeds, the server says it never will, or the time for it is over."""
        wait = after if pace.fresh else max(after, pace.next())
        if time.monotonic() > pace.deadline:
            raise why
        while True:
            await asyncio.sleep(wait)
            try:
                call = await self._connect()
            except EngramError as err:
                if err.reason == "SESSION_EXPIRED" and self._core.start_over():
                    wait = 0.0
                    continue
                if not comes_back(err) or time.monotonic() > pace.deadline:
                    raise
                wait = max(pace.next(), err.retry_after)
                continue
            self._core.stats.reconnects += 1
            return call

    async def _receive(self, call: Any) -> tuple[EngramError | None, float]:
        """Take the server's frames until the stream ends; returns why, and when to come back if the server said."""
        away: sp.GoAway | None = None
        core = self._core
        try:
            while True:
                frame = await call.read()
                if frame is grpc.aio.EOF:
                    ended = error_of("unavailable", "the server ended the stream", reason="TRANSPORT", retryable=True)
                    break
                if frame.HasField("go_away"):
                    away = frame.go_away
                    if not away.resumable:
                        return gone_away(away), 0.0
                    continue
                told = core.take(frame, time.monotonic())
                self._changed.set()
                self._work.set()
                if told is not None:
                    put_all(self._feeds, told)
                    self._tell(told)
                if core.closed is not None:
                    await see_out(call)
                    return None, 0.0
        except (grpc.RpcError, asyncio.InvalidStateError) as err:
            ended = from_rpc(err)
        if away is not None:
            gone = gone_away(away)
            return gone, max(gone.retry_after, 0.001)
        return ended, 0.0


class AsyncEvents(Generic[T]):
    """An iterator over what a session tells; it ends with the session, and raises what ended it."""

    def __init__(self, session: AsyncSession, kind: type[T]) -> None:
        self._session = session
        self._feed: Feed[T] = Feed(kind)
        session._feeds.add(self._feed)

    def __aiter__(self) -> AsyncEvents[T]:
        return self

    async def __anext__(self) -> T:
        s = self._session
        s._check()
        while True:
            item = self._feed.take()
            if item is not None:
                return item
            if s._core.error is not None:
                if isinstance(s._core.error, ClosedError):
                    raise StopAsyncIteration
                raise s._core.error.again()
            await s._changed.wait()
