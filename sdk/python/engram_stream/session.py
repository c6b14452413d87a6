"""Sessions: numbered streams of observations into one space."""

from __future__ import annotations

import contextvars
import os
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import grpc

from . import _calls
from ._batches import Observable, batches
from ._calls import ManyResult
from ._channel import trace_context
from ._core import Core, comes_back, gone_away, is_final
from ._deadlines import EXIT_TIMEOUT, deadline_of, left_of
from ._encode import entry, observation_from
from ._events import Events
from ._facts import Facts, put_all
from ._feeds import Feed
from ._gen.engram.v1 import session_pb2 as sp
from ._pace import MAXIMUM, Pace
from ._progress import Meter, Progress
from ._status import from_rpc
from .errors import ClosedError, DeadlineError, EngramError, FullError, Rejection, error_of
from .observation import Level
from .options import Ack, Closed, Pressure

if TYPE_CHECKING:
    from .client import Client


class Stream:
    """One stream to the server; it is over once and for good."""

    def __init__(self) -> None:
        self.call: Any = None
        self.welcomed = False
        self.over = False


class Session(Facts):
    """A numbered stream of observations into one space.

    It batches, keeps to the credits the server grants, sends again what was
    refused, and comes back by itself after a cut, a restart or a crash of the
    server. It holds every observation until the server has it on stable
    storage: nothing is lost and nothing is applied twice.

    All methods may be called from any thread, at the same time. A session owns
    one thread, which receives and reconnects; gRPC's own thread asks it for
    what to send. Callbacks run in the session's thread, one at a time: they
    must not wait for the session, since no acks come meanwhile. What a
    callback raises is raised again by the next flush or close.

    Used as a context manager it is closed at the end.
    """

    def __init__(self, client: Client, core: Core, timeout: float | None) -> None:
        self._client, self._core = client, core
        self._pid = os.getpid()
        self._context = contextvars.copy_context()  # of the trace it was opened in
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)  # for those who wait
        self._work = threading.Condition(self._lock)  # for the sender
        self._stop = threading.Event()
        self._feeds: weakref.WeakSet[Feed[Any]] = weakref.WeakSet()
        self._failed_callback: BaseException | None = None
        self._stream = self._connect(timeout)
        self._thread = threading.Thread(target=self._run, args=(self._stream,), name=f"engram-{core.id}", daemon=True)
        self._thread.start()

    # --- observing --------------------------------------------------------------

    def observe(self, observation: Observable, *, timeout: float | None = None, **fields: Any) -> int:
        """Hand an observation over and return its number.

        A str is its content; `fields` are those of Observation. It waits for
        room in the buffer (at most `timeout` seconds), not for the server. The
        current span of OpenTelemetry becomes the parent of the observation's.
        """
        data = entry(observation_from(observation, fields), trace_context())
        self._check()
        deadline = deadline_of(timeout)
        with self._lock:
            while not self._core.room(len(data)):
                self._await_room(deadline)
            seq, wake = self._core.push((data,))
            if wake:
                self._work.notify()
        return seq

    def observe_many(
        self,
        observations: Iterable[Observable] | None = None,
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
        """Hand over many observations, and wait until all have reached `flush_to`.

        Give either observations, or columns of the same length: vectors as a
        matrix (n × dimension) or a sequence of vectors, and texts, ids and
        metadata. Columns are much cheaper. Raises RejectedError when some were
        not kept, after all the others were. When `timeout` seconds are over,
        it raises DeadlineError: what was handed over stays so.
        """
        self._check()
        began = time.monotonic()
        total, stretches = batches(
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
            for entries in stretches:
                self._push_all(entries, deadline)
                count += len(entries)
                meter.reach(min(self.acked(level) - first + 1, count))
            if meter.wanted:
                self._follow(meter, level, first, count, deadline)
            self.flush(timeout=left_of(deadline))
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

    def _push_all(self, entries: list[bytes], deadline: float | None) -> None:
        at = 0
        with self._lock:
            while at < len(entries):
                n = self._core.fitting(entries, at)
                if n == 0:
                    self._await_room(deadline)
                    continue
                _, wake = self._core.push(entries if n == len(entries) else entries[at : at + n])
                at += n
                if wake:
                    self._work.notify()

    def _follow(self, meter: Meter, level: Level, first: int, count: int, deadline: float | None) -> None:
        """Tell the progress of what is on its way."""
        with self._lock:
            self._core.hurry()
            self._work.notify()
        done = 0
        while done < count:
            with self._lock:
                while self._core.acked[level] - first + 1 <= done:
                    if self._core.error is not None:
                        raise self._core.error.again()
                    self._await(deadline)
                done = min(self._core.acked[level] - first + 1, count)
            meter.reach(done)

    def _await_room(self, deadline: float | None) -> None:
        if not self._core.options.blocking:
            raise FullError()
        self._await(deadline)

    # --- waiting and ending -----------------------------------------------------

    def flush(self, *, timeout: float | None = None) -> None:
        """Wait until everything observed so far has reached the level `flush_to`.

        Raises RejectedError when observations were rejected since last asked,
        DeadlineError when `timeout` seconds are over, and what ended the session.
        """
        self._check()
        self._not_from_callback("flush")
        deadline = deadline_of(timeout)
        with self._lock:
            last = self._core.hurry()
            self._work.notify()
            while self._core.acked[self._core.options.flush_to] < last:
                if self._core.error is not None:
                    raise self._core.error.again()
                self._await(deadline)
            self._raise_kept()

    def close(self, *, timeout: float | None = None) -> Closed:
        """Wait until everything is decided and visible, end the session for good, and return what the server counted.

        When `timeout` seconds are over, the session is given up where it stands.
        """
        return self._finish(timeout, detach=False)  # type: ignore[return-value]

    def detach(self, *, timeout: float | None = None) -> None:
        """Wait until everything is on stable storage, and let go of the session without ending it.

        Opening one with `resume=` its id goes on with it, in this process or another.
        """
        self._finish(timeout, detach=True)

    def _finish(self, timeout: float | None, detach: bool) -> Closed | None:
        self._check()
        self._not_from_callback("detach" if detach else "close")
        deadline = deadline_of(timeout)
        core = self._core
        try:
            with self._lock:
                core.draining, core.detaching = True, detach
                core.hurry()
                self._work.notify()
                while core.error is None and not (core.acked[Level.DURABLE] >= core.last if detach else core.closed):
                    self._await(deadline)
                if core.error is not None and core.closed is None:
                    raise core.error.again()
        finally:
            self._leave(None)
        with self._lock:
            self._raise_kept()
        return core.closed

    def abandon(self) -> None:
        """Give the session up where it stands, without waiting. The server keeps it, to be resumed."""
        self._check()
        self._leave(None)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: object) -> None:
        if err is None:
            self.close()
            return
        if not isinstance(err, Exception):  # interrupted: go at once
            self.abandon()
            return
        # What was observed before the failure is kept, if that is possible soon.
        try:
            self.close(timeout=EXIT_TIMEOUT)
        except EngramError as closing:
            if hasattr(err, "add_note"):
                err.add_note(f"and closing the session {self.id}: {closing}")

    # --- flow and events --------------------------------------------------------

    def pause(self) -> None:
        """Ask the server for no more credits; what is granted is used up."""
        self._control(lambda: self._core.pause(True))

    def resume(self) -> None:
        """Ask the server for credits again."""
        self._control(lambda: self._core.pause(False))

    def limit(self, rate: int) -> None:
        """Ask for no more than so many observations a second; 0 leaves it to the server."""
        self._control(lambda: self._core.limit(rate))

    def _control(self, ask: Any) -> None:
        self._check()
        with self._lock:
            if self._core.error is not None:
                raise self._core.error.again()
            ask()
            self._work.notify()

    def acks(self) -> Iterator[Ack]:
        """Iterate over acks from now on, until the session is over. Those not taken in time are merged."""
        return Events(self, Ack)

    def pressures(self) -> Iterator[Pressure]:
        """Iterate over changes of the pressure from now on, until the session is over; of several the newest counts."""
        return Events(self, Pressure)

    def rejections(self) -> Iterator[Rejection]:
        """Iterate over rejections from now on, until the session is over."""
        return Events(self, Rejection)

    # --- the driver -------------------------------------------------------------

    def _not_from_callback(self, name: str) -> None:
        if threading.current_thread() is self._thread:
            raise RuntimeError(
                f"{name}() waits for acks, which do not come while a callback runs: call it from another thread"
            )

    def _await(self, deadline: float | None) -> None:
        """Wait for a change; the lock is held before and after."""
        if deadline is None:
            self._changed.wait()
            return
        left = deadline - time.monotonic()
        if left <= 0 or not self._changed.wait(left):
            raise DeadlineError("the time given was over before the session came so far", reason="DEADLINE")

    def _connect(self, timeout: float | None = None) -> Stream:
        """Open a stream, introduce the session and take over where the server says it stands."""
        stream, core = Stream(), self._core
        method = _calls.OBSERVE_STREAM if core.recalls is None else _calls.MEMORY_STREAM
        limit = core.options.connect_timeout if timeout is None else min(timeout, core.options.connect_timeout)
        metadata = self._context.copy().run(self._client._endpoint.metadata)
        stream.call = self._client._stream(method.path, self._frames(stream, core.init_frame()), metadata)
        self._stream = stream
        late = threading.Event()

        def give_up() -> None:
            late.set()
            stream.call.cancel()

        timer = threading.Timer(limit, give_up)
        timer.daemon = True
        timer.start()
        try:
            with self._lock:
                stopped = self._stop.is_set()
            if stopped:
                raise ClosedError()
            first = next(stream.call)
            with self._lock:
                missed = core.welcomed(first)
                stream.welcomed = True
                self._work.notify_all()
                self._changed.notify_all()
                if missed is not None:
                    put_all(self._feeds, missed)
            if missed is not None:
                self._tell(missed)
        except StopIteration:
            self._drop(stream)
            raise error_of("unavailable", "the server ended the stream", reason="TRANSPORT", retryable=True) from None
        except BaseException as err:
            self._drop(stream)
            if late.is_set():
                message = f"the server did not answer within {limit:g} s"
                if timeout is not None and limit == timeout:
                    raise DeadlineError(message, reason="DEADLINE") from None
                raise error_of("unavailable", message, reason="TRANSPORT", retryable=True) from None
            if isinstance(err, grpc.RpcError):
                raise from_rpc(err) from None
            raise
        finally:
            timer.cancel()
        return stream

    def _frames(self, stream: Stream, init: bytes) -> Iterator[bytes]:
        """Yield what is to be sent on a stream until it is over. It runs in a thread of gRPC."""
        yield init
        core = self._core
        while True:
            with self._lock:
                while True:
                    if stream.over:
                        return
                    if stream.welcomed:
                        frame, wait = core.next_frame(time.monotonic())
                        if frame is not None:
                            break
                        self._work.wait(wait)
                    else:
                        self._work.wait()
                if core.recalls is not None:
                    self._changed.notify_all()  # a recall waits until what it has to see is under way
            yield frame

    def _drop(self, stream: Stream) -> None:
        """End a stream: its sender leaves, and so does its receiver."""
        with self._lock:
            stream.over = True
            self._work.notify_all()
        stream.call.cancel()

    def _leave(self, err: EngramError | None) -> None:
        """End the session, if it still runs, and wait for its thread."""
        with self._lock:
            self._core.end(err)
            self._changed.notify_all()
        self._stop.set()
        self._drop(self._stream)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self, stream: Stream) -> None:
        """Keep the session connected until it is over."""
        try:
            self._finished(self._keep_connected(stream))
        except EngramError as err:
            self._finished(err)
        except BaseException as err:  # told to whoever uses the session
            failure = error_of("internal", f"the session's receiver failed: {err!r}", reason="CLIENT_BUG")
            failure.__cause__ = err
            self._finished(failure)

    def _finished(self, err: EngramError | None) -> None:
        with self._lock:
            if err is not None:
                err = self._core.lost_answer(err)
            self._core.end(err)
            self._changed.notify_all()
        self._drop(self._stream)

    def _keep_connected(self, stream: Stream) -> EngramError | None:
        pace = Pace(self._core.options.reconnect_for)
        while True:
            began = time.monotonic()
            why, after = self._receive(stream)
            self._drop(stream)
            if self._stop.is_set() or why is None or (is_final(why) and not after):
                return why
            now = time.monotonic()
            with self._lock:
                if self._core.recalls is not None:
                    self._core.recalls.cut()
                useful = self._core.progressed()
                self._changed.notify_all()
            pace.begin(now, useful or now - began > MAXIMUM)
            stream = self._reconnect(why, after, pace)

    def _reconnect(self, why: EngramError, after: float, pace: Pace) -> Stream:
        """Try until it succeeds, the server says it never will, or the time for it is over."""
        wait = after if pace.fresh else max(after, pace.next())
        if time.monotonic() > pace.deadline:
            raise why
        while True:
            if self._stop.wait(wait):
                raise ClosedError()
            try:
                stream = self._connect()
            except EngramError as err:
                with self._lock:
                    if err.reason == "SESSION_EXPIRED" and self._core.start_over():
                        wait = 0.0
                        continue
                if not comes_back(err) or time.monotonic() > pace.deadline:
                    raise
                wait = max(pace.next(), err.retry_after)
                continue
            with self._lock:
                self._core.stats.reconnects += 1
            return stream

    def _receive(self, stream: Stream) -> tuple[EngramError | None, float]:
        """Take the server's frames until the stream ends; returns why, and when to come back if the server said."""
        away: sp.GoAway | None = None
        core = self._core
        try:
            for frame in stream.call:
                if frame.HasField("go_away"):
                    away = frame.go_away
                    if not away.resumable:
                        return gone_away(away), 0.0
                    continue
                with self._lock:
                    told = core.take(frame, time.monotonic())
                    self._changed.notify_all()
                    if core.sent < core.last or core.draining:
                        self._work.notify()
                    if told is not None:
                        put_all(self._feeds, told)
                if told is not None:
                    self._tell(told)
                if core.closed is not None:
                    return None, 0.0
            ended = error_of("unavailable", "the server ended the stream", reason="TRANSPORT", retryable=True)
        except grpc.RpcError as err:
            ended = from_rpc(err)
        if away is not None:
            gone = gone_away(away)
            return gone, max(gone.retry_after, 0.001)
        return ended, 0.0
