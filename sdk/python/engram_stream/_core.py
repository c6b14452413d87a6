"""A session's state, without I/O.

Client and AsyncClient drive the same core: they open streams, give it what the
server sent, and send what it says. The core does no waiting and takes no lock;
its driver guards it. docs/sdk-behaviour.md says what it does and why.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from . import _wire
from ._gen.engram.v1 import memory_service_pb2 as ms
from ._gen.engram.v1 import session_pb2 as sp
from ._recalls import Recalls
from ._window import Window
from .errors import ClosedError, EngramError, RejectedError, Rejection, error_of
from .observation import Level
from .options import Ack, Closed, Pressure, SessionOptions, Stats

MAX_KEPT = 10_000
"""Rejections that wait for a flush; on_rejection hears all."""

MAX_RECENT = 8192
"""Rejected numbers remembered to tell repeated rejections apart: as many as a
server repeats."""

FOREVER = 3600.0
"""A wait that only an event ends."""


class Core:
    """State of one session. See the module."""

    def __init__(self, space: str, options: SessionOptions, recalls: Recalls | None = None) -> None:
        self.space, self.options, self.recalls = space, options, recalls
        self.id = options.resume
        self.window = Window()
        self.sent = 0  # the last number sent on this stream
        self.taken = 0  # the last the server may have taken: sent, and not refused
        self._unsettled = 0  # of this, what earlier streams left without an answer
        self._welcomed = False  # the server has said once where the session stands
        self.ever_sent = 0
        self.rewinds = 0  # how often `sent` went back
        self.granted, self.granted_bytes = 0, 0
        self.acked = [0] * (Level.INDEXED + 1)
        self.generation = 0
        self.dimension = 0
        self.hold = 0.0  # nothing is sent before: the server asked for it
        self.urgent = 0  # through which nothing lingers
        self.draining = False  # observe takes no more
        self.detaching = False  # the server is not to be told to close
        self.closing = False  # the server was told to close
        self.progress = False  # something was acked on this stream
        self.max_batch = options.batch  # by option and server
        self.batch = options.batch  # the same under the pressure of now
        self.closed: Closed | None = None
        self.error: EngramError | None = None
        self.stats = Stats()
        self.pressure: Pressure | None = None
        self.paused, self.rate = False, 0  # what the client asked of the flow
        self._told_close = False  # on this stream
        self._controls: deque[bytes] = deque()
        self._lingering, self._linger_till = 0, 0.0
        self._rejected: list[Rejection] = []
        self._rejected_more = 0
        self._recent: dict[int, None] = {}

    # --- a stream begins --------------------------------------------------------

    def init_frame(self) -> bytes:
        """Return the first frame of a stream."""
        levels = [Level.DURABLE, Level.VISIBLE]
        if self.options.flush_to not in levels:
            levels.append(self.options.flush_to)
        init = sp.SessionInit(
            space=self.space,
            must_exist=self.options.must_exist,
            session_id=self.id,
            priority=int(self.options.priority),  # type: ignore[arg-type]
            ack_levels=[int(x) for x in levels],  # type: ignore[misc]
        )
        return ms.ObserveStreamRequest(init=init).SerializeToString()

    def welcomed(self, frame: Any) -> Ack | None:
        """Take over where the server says the session stands; raises when it cannot.

        Returns the ack that came while nobody was there to hear it.
        """
        if not frame.HasField("init_ack"):
            raise error_of("internal", "the server's first frame is not init_ack", reason="PROTOCOL_ORDER")
        ack: sp.InitAck = frame.init_ack
        if not self._welcomed:  # 1, or resumed from another process
            self.window.first, self.taken, self._welcomed = ack.next_sequence, ack.next_sequence - 1, True
        self._unsettled = self.taken
        self._check(ack.next_sequence)
        missed = None
        if self.ever_sent and ack.durable_sequence > self.acked[Level.DURABLE]:
            missed = Ack(Level.DURABLE, ack.durable_sequence, self.generation)
        self.id, self.dimension = ack.session_id, ack.dimension
        self.granted, self.granted_bytes = ack.credits.through_sequence, ack.credits.bytes
        self.max_batch = self.options.batch
        if ack.max_batch_size:
            self.max_batch = min(self.max_batch, ack.max_batch_size)
        self.batch = self.max_batch
        self._raise(Level.DURABLE, ack.durable_sequence)
        if ack.next_sequence - 1 < self.sent:
            self.rewinds += 1
        self.sent = ack.next_sequence - 1
        self._told_close = False
        self._controls.clear()
        if self.paused:
            self._control(sp.FLOW_ACTION_PAUSE)
        if self.rate:
            self._control(sp.FLOW_ACTION_SLOW_DOWN, self.rate)
        return missed

    def _check(self, expected: int) -> None:
        """Raise when the number that the server expects is one the session cannot go on from."""
        if expected < self.window.first:
            # They were accepted from a process that is gone, and lost in a
            # crash before they were durable.
            raise error_of(
                "data_loss",
                f"the server asks for number {expected} again, and this session holds nothing before "
                f"{self.window.first}: observe the lost ones again in a new session",
                reason="PAYLOADS_GONE",
            )
        if expected > self.taken + 1:
            raise error_of(
                "aborted",
                f"the server expects number {expected}, and has taken none above {self.taken} of this session: "
                "another process has used it",
                reason="SESSION_TAKEN_OVER",
            )

    def start_over(self) -> bool:
        """Let a session of which the server kept nothing begin anew; False if it kept something."""
        if not self.id or self.acked[Level.DURABLE] > 0 or self.window.first != 1:
            return False
        self.id, self.taken = "", 0
        return True

    # --- what is observed -------------------------------------------------------

    def room(self, size: int) -> bool:
        """Say whether an observation of that many bytes may be pushed; raises when the session is over."""
        if self.error is not None:
            raise self.error.again()
        if self.draining:
            raise ClosedError()
        w = self.window
        return not w.entries or (len(w) < self.options.buffer and w.size + size <= self.options.buffer_bytes)

    def fitting(self, entries: Sequence[bytes], start: int) -> int:
        """Return how many entries from start on may be pushed now."""
        if not self.room(len(entries[start])):
            return 0
        n, held = 1, self.window.size + len(entries[start])
        most = min(len(entries) - start, self.options.buffer - len(self.window))
        while n < most and held + len(entries[start + n]) <= self.options.buffer_bytes:
            held += len(entries[start + n])
            n += 1
        return n

    def push(self, entries: Sequence[bytes]) -> tuple[int, bool]:
        """Take entries; returns the first one's number, and whether the sender has to be woken."""
        first = self.window.next
        before = first - 1 - self.sent
        self.window.push(entries)
        self.stats.observed += len(entries)
        return first, before <= 0 or before + len(entries) >= self.batch

    @property
    def last(self) -> int:
        """The last number given."""
        return self.window.next - 1

    @property
    def following(self) -> int:
        """The number the next observation gets."""
        return self.window.next

    def hurry(self) -> int:
        """Let nothing linger that is observed so far; returns its last number."""
        self.urgent = max(self.urgent, self.last)
        return self.last

    # --- what is sent -----------------------------------------------------------

    def next_frame(self, now: float) -> tuple[bytes | None, float]:
        """Return what may be sent now or, with None, the seconds to wait for it."""
        if self._controls:
            return self._controls.popleft(), 0.0
        if self.recalls is not None and (recall := self.recalls.next()) is not None:
            return recall, 0.0
        if self.hold > now:
            return None, self.hold - now
        w, first, last = self.window, self.sent + 1, self.last
        if first > last:
            if self.draining and not self.detaching and not self._told_close:
                self.closing = self._told_close = True
                return ms.ObserveStreamRequest(
                    close=sp.SessionClose(drain=True, last_sequence=last)
                ).SerializeToString(), 0.0
            return None, FOREVER
        # By count, by bytes of the frame, and by what is granted: numbers, and
        # bytes above the durable mark. One alone may always go, if its number may.
        stop = min(last, self.sent + self.batch)
        begin = w.through(self.sent)
        stop = max(min(stop, w.reach(first, stop, begin + self.options.batch_bytes)), first)
        full = stop < last
        most = min(stop, self.granted)
        if begin > w.base:
            most = min(most, w.reach(first, most, w.base + self.granted_bytes))
        else:
            most = min(most, max(first, w.reach(first, most, w.base + self.granted_bytes)))
        if most < stop:
            stop, full = most, True  # more cannot be had now: go with what there is
        if stop < first:
            return None, FOREVER
        if not (full or stop - self.sent >= self.batch or stop <= self.urgent or self._lingered(first, now)):
            return None, max(0.0, self._linger_till - now)
        self._lingering = 0
        entries = w.slice(first, stop)
        self._count(stop)
        return _frame(first, entries, w.through(stop) - begin), 0.0

    def _count(self, stop: int) -> None:
        fresh = max(0, stop - max(self.sent, self.ever_sent))
        self.stats.sent += fresh
        self.stats.resent += stop - self.sent - fresh
        self.sent = stop
        self.ever_sent = max(self.ever_sent, stop)
        self.taken = max(self.taken, stop)

    def _lingered(self, first: int, now: float) -> bool:
        """Say whether the first waiting observation has waited long enough; asked first, its wait begins."""
        if self._lingering != first:
            self._lingering, self._linger_till = first, now + self.options.linger
        return now >= self._linger_till

    def pause(self, paused: bool) -> None:
        """Ask for no new credits, or for new ones again."""
        self.paused = paused
        self._control(sp.FLOW_ACTION_PAUSE if paused else sp.FLOW_ACTION_RESUME)

    def limit(self, rate: int) -> None:
        """Ask for no more than so many credits a second; 0 leaves it to the server."""
        self.rate = rate
        self._control(sp.FLOW_ACTION_SLOW_DOWN if rate else sp.FLOW_ACTION_SPEED_UP, rate)

    def _control(self, action: Any, rate: int = 0) -> None:
        control = sp.FlowControl(action=action, preferred_rate=rate)
        self._controls.append(ms.ObserveStreamRequest(flow_control=control).SerializeToString())

    # --- what is received -------------------------------------------------------

    def take(self, frame: ms.MemoryStreamResponse, now: float) -> Ack | Rejection | Pressure | None:
        """Act on one frame; returns what there is to tell."""
        kind = frame.WhichOneof("frame")
        if kind == "ack":
            ack = frame.ack
            self.progress = True
            self._raise(ack.status, ack.through_sequence)
            self.generation = max(self.generation, ack.generation)
            if ack.HasField("credits"):
                self._grant(ack.credits)
            return Ack(ack.status, ack.through_sequence, ack.generation)
        if kind == "rejection":
            r = Rejection(
                frame.rejection.sequence,
                frame.rejection.observation_id,
                frame.rejection.reason,
                frame.rejection.message,
            )
            return r if self._heard(r) else None
        if kind == "refusal":
            self._refused(frame.refusal, now)
        elif kind == "status":
            return self._pressed(frame.status)
        elif kind == "closed":
            c = frame.closed
            self.closed = Closed(c.final_sequence, c.accepted, c.rejected, c.refused, c.duplicates)
        elif kind == "recall_results" and self.recalls is not None:
            self.recalls.answer(frame.recall_results)
        return None  # or of a newer server

    def _raise(self, level: int, through: int) -> None:
        """Record that everything through a number has reached a level, and so the levels below."""
        if not Level.ACCEPTED <= level <= Level.INDEXED:
            return  # of a newer server
        through = min(through, self.taken)  # nothing is kept that was not sent
        for below in range(level, 0, -1):
            self.acked[below] = max(self.acked[below], through)
        durable = self.acked[Level.DURABLE]
        self.window.drop(durable)
        self.stats.durable = durable
        self.sent = max(self.sent, min(durable, self.last))

    def _grant(self, c: sp.Credits) -> None:
        if c.through_sequence >= self.granted:
            self.granted, self.granted_bytes = c.through_sequence, c.bytes

    def _heard(self, r: Rejection) -> bool:
        """Keep a rejection for the next flush; False when it was heard before."""
        if r.sequence in self._recent:
            return False
        self._recent[r.sequence] = None
        if len(self._recent) > MAX_RECENT:
            del self._recent[next(iter(self._recent))]
        self.stats.rejected += 1
        if len(self._rejected) < MAX_KEPT:
            self._rejected.append(r)
        else:
            self._rejected_more += 1
        return True

    def _refused(self, r: sp.Refusal, now: float) -> None:
        """Go back to where the server wants it, once it wants it."""
        self.stats.refused += 1
        if self.window.first <= r.expected_sequence <= self.sent:
            self.sent = r.expected_sequence - 1
            self.taken = max(self._unsettled, self.sent)
            self.rewinds += 1
        if r.HasField("credits"):
            self._grant(r.credits)
        wait = r.retry_after.seconds + r.retry_after.nanos / 1e9
        if wait > 0:
            self.hold = now + wait

    def _pressed(self, s: sp.SessionStatus) -> Pressure:
        if s.HasField("credits"):
            self._grant(s.credits)
        self.batch = self.max_batch
        if s.suggested_batch_size:
            self.batch = min(self.batch, s.suggested_batch_size)
        name = sp.SessionState.Name(s.state) if s.state in sp.SessionState.values() else f"{s.state}"
        self.pressure = Pressure(
            state=name.removeprefix("SESSION_STATE_"),
            cause=s.cause,
            pressure=s.pressure,
            queue_depth=s.queue_depth,
            queue_capacity=s.queue_capacity,
            retry_after=s.retry_after.seconds + s.retry_after.nanos / 1e9,
            suggested_batch=s.suggested_batch_size,
        )
        return self.pressure

    # --- the end ----------------------------------------------------------------

    def take_rejected(self) -> RejectedError | None:
        """Return what was rejected since last asked."""
        if not self._rejected:
            return None
        out = RejectedError(sorted(self._rejected, key=lambda r: r.sequence), self._rejected_more)
        self._rejected, self._rejected_more = [], 0
        return out

    def progressed(self) -> bool:
        """Say whether the server acked anything since last asked."""
        was, self.progress = self.progress, False
        return was

    def lost_answer(self, err: EngramError) -> EngramError | None:
        """Make a good end of an error that says the session is closed, if it was this one that closed it.

        Everything is known to be kept then: only the answer was lost, with its stream.
        """
        if err.reason != "SESSION_CLOSED" or not self.closing or self.acked[Level.DURABLE] < self.last:
            return err
        self.closed = Closed(self.last, inferred=True)
        self._raise(Level.VISIBLE, self.last)
        return None

    def end(self, err: EngramError | None) -> None:
        """Record why the session is over."""
        if self.error is None:
            self.error = ClosedError() if err is None or self.closed is not None else err
        if self.recalls is not None:
            self.recalls.fail(self.error)


def _frame(first: int, entries: list[bytes], size: int) -> bytes:
    """Encode a frame { observations (2) { first_sequence (1), observations (2)… } }."""
    head = b"\x08" + _wire.varint(first)
    return b"".join((b"\x12", _wire.varint(len(head) + size), head, *entries))


_NOT_THE_SERVERS = ("TRANSPORT", "DEADLINE")


def is_final(err: EngramError) -> bool:
    """Say whether an error that ends a stream means that coming back is of no use."""
    return (
        not err.retryable
        and err.reason not in _NOT_THE_SERVERS
        and err.code not in ("unavailable", "canceled", "internal", "unknown")
    )


def comes_back(err: EngramError) -> bool:
    """Say whether a failed attempt to resume may be made again."""
    return err.retryable or err.code == "unavailable" or err.reason in _NOT_THE_SERVERS


def gone_away(g: sp.GoAway) -> EngramError:
    """Make an error of a go-away."""
    return error_of(
        "aborted",
        "the server asked this stream to go away",
        reason=g.reason,
        retryable=g.resumable,
        retry_after=g.resume_after.seconds + g.resume_after.nanos / 1e9,
    )
