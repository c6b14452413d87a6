"""What an asynchronous session needs of asyncio and of gRPC's streams."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import grpc
import grpc.aio


class Signal:
    """Wakes all who wait for it. It remembers nothing: look before and after."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def set(self) -> None:
        """Wake who waits."""
        waiters, self._waiters = self._waiters, set()
        for w in waiters:
            if not w.done():
                w.set_result(None)

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait; False when the time was over first."""
        w: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(w)
        try:
            if timeout is None:
                await w
                return True
            done, _ = await asyncio.wait({w}, timeout=timeout)
            return bool(done)
        finally:
            self._waiters.discard(w)
            w.cancel()


async def see_out(call: Any) -> None:
    """Let a stream end by itself: what is under way in gRPC when a loop ends makes noise in the next one."""
    with contextlib.suppress(grpc.RpcError, asyncio.InvalidStateError, asyncio.TimeoutError):
        while await asyncio.wait_for(call.read(), LAST_WORD) is not grpc.aio.EOF:
            pass
        await asyncio.wait_for(call.code(), LAST_WORD)


LAST_WORD = 2.0
"""Seconds in which a server ends a stream on which everything was said."""


async def put(call: Any, frame: bytes) -> bool:
    """Send a frame; False when the stream is over, for which reading gives the reason.

    The call's own write() makes up a status when sending fails, and what the
    server has said by then, a last frame or why it ended the stream, is never
    read. Hence what lies beneath it, where this release of gRPC has that.
    """
    inner, sent = getattr(call, "_cython_call", None), getattr(call, "_metadata_sent", None)
    try:
        if inner is None or sent is None or not hasattr(inner, "send_serialized_message"):
            await call.write(frame)
        else:
            await sent.wait()
            if call.done():
                return False
            await inner.send_serialized_message(frame)
    except (grpc.RpcError, grpc.aio.InternalError, asyncio.InvalidStateError):
        return False
    return True


async def introduce(call: Any, init: bytes) -> Any:
    """Send the first frame and return the first answer."""
    await put(call, init)  # if that fails, reading tells why
    return await call.read()
