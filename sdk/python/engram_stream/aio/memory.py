"""Memories for asyncio: sessions that recall on the same stream."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .._deadlines import deadline_of, left_of
from .._recalls import Answer
from ..errors import DeadlineError, NotFoundError
from ..observation import Level
from ..recall import Recall, RecallOptions, recall_request
from .session import AsyncSession

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from .._gen.engram.v1 import recall_pb2 as rp


class AsyncMemory(AsyncSession):
    """A session that recalls on the same stream: a recall sees everything observed on it before."""

    async def recall(self, *, timeout: float | None = None, **options: Unpack[RecallOptions]) -> Recall:
        """Find what is near a cue, among what was observed before and what else is there; see Memory.recall."""
        self._check()
        request = recall_request("", options)
        deadline = deadline_of(timeout)
        last, rewinds = await self._send_rest(deadline)
        a = await self._ask(request, deadline)
        if self._missed(a, request, last, rewinds):
            # It came to the server before an observation that had to be sent
            # again. Once that is visible, any answer holds it.
            await self._await_visible(last, deadline)
            a = await self._ask(request, deadline)
        if a.error is not None:
            raise a.error.again()
        assert a.recall is not None
        return a.recall

    async def __aenter__(self) -> Self:
        return self

    async def _ask(self, request: rp.RecallRequest, deadline: float | None) -> Answer:
        wait: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        recalls = self._core.recalls
        assert recalls is not None

        def deliver(a: Answer) -> None:
            if not wait.done():
                wait.set_result(a)

        number = recalls.ask(request, deliver)
        self._work.set()
        try:
            return await asyncio.wait_for(wait, left_of(deadline))
        except asyncio.TimeoutError:
            raise DeadlineError("the time given was over before the recall was answered", reason="DEADLINE") from None
        finally:
            recalls.forget(number)

    def _missed(self, a: Answer, request: rp.RecallRequest, last: int, rewinds: int) -> bool:
        """Say whether an answer may lack what was observed before; see Memory."""
        if a.error is None and not request.HasField("consistency"):
            return a.covered < last
        if a.error is None or isinstance(a.error, NotFoundError):
            return self._core.rewinds != rewinds
        return False

    async def _send_rest(self, deadline: float | None) -> tuple[int, int]:
        core = self._core
        last = core.hurry()
        self._work.set()
        while core.acked[Level.DURABLE] < last and core.sent < last:
            if core.error is not None:
                raise core.error.again()
            await self._await(deadline)
        if core.error is not None:
            raise core.error.again()
        return last, core.rewinds

    async def _await_visible(self, last: int, deadline: float | None) -> None:
        core = self._core
        while core.acked[Level.VISIBLE] < last:
            if core.error is not None:
                raise core.error.again()
            await self._await(deadline)
