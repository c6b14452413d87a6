"""Memories: sessions that recall on the same stream."""

from __future__ import annotations

import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING

from ._deadlines import deadline_of
from ._recalls import Answer
from .errors import DeadlineError, NotFoundError
from .observation import Level
from .recall import Recall, RecallOptions, recall_request
from .session import Session

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from ._gen.engram.v1 import recall_pb2 as rp


class Memory(Session):
    """A session that recalls on the same stream: a recall sees everything observed on it before."""

    def recall(self, *, timeout: float | None = None, **options: Unpack[RecallOptions]) -> Recall:
        """Find what is near a cue, among everything observed before and what else the space holds.

        Observations that are still waiting to be sent are sent first.
        """
        self._check()
        self._not_from_callback("recall")
        request = recall_request("", options)
        deadline = deadline_of(timeout)
        last, rewinds = self._send_rest(deadline)
        a = self._ask(request, deadline)
        if self._missed(a, request, last, rewinds):
            # It came to the server before an observation that had to be sent
            # again. Once that is visible, any answer holds it.
            self._await_visible(last, deadline)
            a = self._ask(request, deadline)
        if a.error is not None:
            raise a.error.again()
        assert a.recall is not None
        return a.recall

    def __enter__(self) -> Self:
        return self

    def _ask(self, request: rp.RecallRequest, deadline: float | None) -> Answer:
        wait: Future[Answer] = Future()
        recalls = self._core.recalls
        assert recalls is not None
        with self._lock:
            number = recalls.ask(request, wait.set_result)
            self._work.notify()
        try:
            return wait.result(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except FutureTimeoutError:
            raise DeadlineError("the time given was over before the recall was answered", reason="DEADLINE") from None
        finally:
            if not wait.done():
                with self._lock:
                    recalls.forget(number)

    def _missed(self, a: Answer, request: rp.RecallRequest, last: int, rewinds: int) -> bool:
        """Say whether an answer may lack what was observed before it was asked for, through number last.

        Something was refused meanwhile, or the server says that it does not
        cover it. It says nothing of that to a recall with its own consistency.
        """
        if a.error is None and not request.HasField("consistency"):
            return a.covered < last
        if a.error is None or isinstance(a.error, NotFoundError):  # the space may come with what was refused
            with self._lock:
                return self._core.rewinds != rewinds
        return False

    def _send_rest(self, deadline: float | None) -> tuple[int, int]:
        """Wait until everything is sent; returns the last number, and how often the session went back."""
        core = self._core
        with self._lock:
            last = core.hurry()
            self._work.notify()
            while core.acked[Level.DURABLE] < last and core.sent < last:
                if core.error is not None:
                    raise core.error.again()
                self._await(deadline)
            if core.error is not None:
                raise core.error.again()
            return last, core.rewinds

    def _await_visible(self, last: int, deadline: float | None) -> None:
        core = self._core
        with self._lock:
            while core.acked[Level.VISIBLE] < last:
                if core.error is not None:
                    raise core.error.again()
                self._await(deadline)
