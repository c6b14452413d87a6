"""The client for asyncio. Its calls are those of engram_stream.Client."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from .. import _calls
from .._batches import Observable
from .._calls import Forgotten, Found, ManyResult, Method, Observed
from .._channel import TLS, Endpoint, Key, Metadata, endpoint, trace_context
from .._core import Core
from .._gen.engram.v1 import admin_service_pb2 as ad
from .._gen.engram.v1 import memory_service_pb2 as ms
from .._gen.engram.v1 import recall_pb2 as rp
from .._gen.engram.v1 import space_service_pb2 as ss
from .._progress import Progress
from .._recalls import Recalls
from .._status import from_rpc
from ..admin import Checkpoint, ServerStatus, SessionInfo, checkpoint_of, session_info_of, status_of
from ..errors import ClosedError, ForkedError, RejectedError
from ..filters import Clause, Filter
from ..observation import Level, Stored, stored_of
from ..options import SessionOptions
from ..recall import Recall, RecallOptions, Result, recall_of, recall_request, result_of
from ..spaces import Metric, Quotas, Space, create_request, retention_with, space_of, update_request
from .memory import AsyncMemory
from .session import AsyncSession

if TYPE_CHECKING:
    from typing_extensions import Unpack

R = TypeVar("R", bound=Message)
S = TypeVar("S", bound=AsyncSession)


class Opening(Generic[S]):
    """A session being opened: await it, or enter it with `async with`."""

    def __init__(self, client: AsyncClient, session: S, timeout: float | None) -> None:
        self._client, self._session, self._timeout = client, session, timeout

    async def _open(self) -> S:
        await self._session._open(self._timeout)
        self._client._sessions.add(self._session)
        return self._session

    def __await__(self) -> Generator[Any, None, S]:
        return self._open().__await__()

    async def __aenter__(self) -> S:
        return await self._open()

    async def __aexit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: object) -> None:
        await self._session.__aexit__(kind, err, tb)


class AsyncClient:
    """A connection to a server, for asyncio. It belongs to the event loop of its first call.

    It does not wait for the server: the first call does. It cannot be used
    after a fork: the child has to make one of its own, in a loop of its own.
    """

    def __init__(
        self,
        target: str = "127.0.0.1:50051",
        *,
        tls: TLS | bool = False,
        api_key: Key | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = 30.0,
        compression: bool = False,
        channel_options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        """Make a client of the server at target; the arguments are those of Client."""
        self._endpoint: Endpoint = endpoint(target, tls, api_key, headers, compression, channel_options)
        self._timeout = timeout
        self._pid = os.getpid()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._channel: grpc.aio.Channel | None = None
        self._sessions: weakref.WeakSet[AsyncSession] = weakref.WeakSet()

    def __repr__(self) -> str:
        return f"<AsyncClient of {self._endpoint}{', closed' if self._closed else ''}>"

    def _open(self) -> grpc.aio.Channel:
        e = self._endpoint
        credentials = e.credentials()
        if credentials is None:
            return grpc.aio.insecure_channel(e.address, e.options, e.compression)
        return grpc.aio.secure_channel(e.address, credentials, e.options, e.compression)

    async def close(self) -> None:
        """Close the connection. Sessions are closed by themselves, before: those still open are given up."""
        self._closed = True
        if os.getpid() != self._pid:
            return
        for s in list(self._sessions):
            if s.error is None:
                s._warn_of_loss()
                await s.abandon()
        if self._channel is not None:
            channel, self._channel = self._channel, None
            await channel.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- sessions ---------------------------------------------------------------

    def open_session(self, space: str, *, timeout: float | None = None, **options: Any) -> Opening[AsyncSession]:
        """Open a session, or resume one; `options` are those of SessionOptions."""
        return Opening(self, AsyncSession(self, Core(space, SessionOptions(**options))), timeout)

    def open_memory(self, space: str, *, timeout: float | None = None, **options: Any) -> Opening[AsyncMemory]:
        """Open a session that can recall; `options` are those of SessionOptions."""
        return Opening(self, AsyncMemory(self, Core(space, SessionOptions(**options), Recalls())), timeout)

    async def observe_many(
        self,
        space: str,
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
        **options: Any,
    ) -> ManyResult:
        """Stream many observations through a session of their own; see Session.observe_many.

        Raises RejectedError when some were not kept, after all the others were.
        """
        async with self.open_session(space, timeout=timeout, **options) as s:
            return await s.observe_many(
                observations,
                vectors=vectors,
                contents=contents,
                ids=ids,
                metadata=metadata,
                half_precision=half_precision,
                replace=replace,
                progress=progress,
                timeout=timeout,
            )

    # --- observations -----------------------------------------------------------

    async def observe(
        self,
        space: str,
        *observations: Observable,
        wait_for: Level = Level.VISIBLE,
        must_exist: bool = False,
        session_id: str = "",
        first_sequence: int = 0,
        timeout: float | None = None,
    ) -> Observed:
        """Take a batch in one call; a session is for streaming.

        Retrying is safe for observations with ids of their own, and with
        `session_id` and `first_sequence`: with an empty id and 1 a session is
        opened and named in the answer, whose next_sequence is the first of the
        next batch. Raises RejectedError, with the answer as its `observed`,
        when some were not kept.
        """
        request = _calls.observe_request(
            space, observations, wait_for, must_exist, session_id, first_sequence, trace_context()
        )
        out = _calls.observed_of(await self._unary(_calls.OBSERVE, request, timeout))
        if out.rejections:
            raise RejectedError(out.rejections, observed=out)
        return out

    async def get(self, space: str, *ids: str, timeout: float | None = None) -> Found:
        """Read observations by id, with their vectors."""
        return _calls.found_of(await self._unary(_calls.GET, ms.GetObservationsRequest(space=space, ids=ids), timeout))

    async def list(
        self,
        space: str,
        *,
        since: int = 0,
        at: int = 0,
        filter: Filter | Clause | None = None,
        with_vectors: bool = False,
        timeout: float | None = None,
    ) -> AsyncGenerator[Stored, None]:
        """Go through the observations of a space in generation order, from the generation after `since`.

        All are of one generation: `at`, or the newest. `timeout` is for each page.
        """
        request = _calls.list_request(space, since, at, filter, with_vectors)
        while True:
            page = await self._unary(_calls.LIST, request, timeout)
            for x in page.observations:
                yield stored_of(x)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def forget(self, space: str, *ids: str, timeout: float | None = None) -> Forgotten:
        """Delete by id. Ids that are not there are no error."""
        m = await self._unary(_calls.FORGET, _calls.forget_request(space, ids, None), timeout)
        return Forgotten(m.forgotten, m.generation)

    async def forget_where(self, space: str, filter: Filter | Clause, *, timeout: float | None = None) -> Forgotten:
        """Delete what matches a filter. An empty one is an error."""
        m = await self._unary(_calls.FORGET, _calls.forget_request(space, (), filter), timeout)
        return Forgotten(m.forgotten, m.generation)

    async def watch_space(
        self,
        space: str,
        *,
        since: int | None = None,
        filter: Filter | Clause | None = None,
        with_vectors: bool = False,
        timeout: float | None = None,
    ) -> AsyncGenerator[Stored, None]:
        """Yield observations as they become visible, from the generation after `since`; None is from now on.

        Closing the iterator ends the call.
        """
        async for m in self._server_stream(
            _calls.WATCH_SPACE, _calls.watch_request(space, since, filter, with_vectors), timeout
        ):
            for x in m.observations:
                yield stored_of(x)

    # --- recalls ----------------------------------------------------------------

    async def recall(self, space: str, *, timeout: float | None = None, **options: Unpack[RecallOptions]) -> Recall:
        """Find the observations of a space nearest to a cue: text, vector or observation_id. See RecallOptions."""
        m = await self._unary(_calls.RECALL, recall_request(space, options), timeout)
        return recall_of(m.results, m.snapshot, m.stats)

    def recall_stream(
        self, space: str, *, timeout: float | None = None, **options: Unpack[RecallOptions]
    ) -> AsyncGenerator[Result, None]:
        """Recall, with the results as they come. Closing the iterator ends the call."""
        request = rp.RecallStreamRequest(recall=recall_request(space, options))
        return self._results(request, timeout)

    async def _results(self, request: rp.RecallStreamRequest, timeout: float | None) -> AsyncGenerator[Result, None]:
        async for m in self._server_stream(_calls.RECALL_STREAM, request, timeout):
            for x in m.results:
                yield result_of(x)

    # --- spaces -----------------------------------------------------------------

    async def create_space(
        self,
        space: str,
        *,
        dimension: int = 0,
        metric: Metric = Metric.DEFAULT,
        embedder: str = "",
        index_threshold: int | None = None,
        max_age: timedelta | None = None,
        max_count: int = 0,
        max_bytes: int = 0,
        quotas: Quotas | None = None,
        history_window: timedelta | None = None,
        timeout: float | None = None,
    ) -> Space:
        """Create a space; what is left out is the server's default. With the same settings it may be there already."""
        r = create_request(
            space, dimension, metric, embedder, index_threshold, max_age, max_count, quotas, history_window, max_bytes
        )
        return space_of((await self._unary(_calls.CREATE_SPACE, r, timeout)).space)

    async def get_space(self, space: str, *, timeout: float | None = None) -> Space:
        """Read a space and its statistics."""
        return space_of((await self._unary(_calls.GET_SPACE, ss.GetSpaceRequest(space=space), timeout)).space)

    async def list_spaces(self, prefix: str = "", *, timeout: float | None = None) -> AsyncGenerator[Space, None]:
        """Go through the spaces whose names begin with prefix, by name."""
        request = ss.ListSpacesRequest(prefix=prefix)
        while True:
            page = await self._unary(_calls.LIST_SPACES, request, timeout)
            for x in page.spaces:
                yield space_of(x)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def update_space(
        self,
        space: str,
        *,
        index_threshold: int | None = None,
        max_age: timedelta | None = None,
        max_count: int | None = None,
        max_bytes: int | None = None,
        quotas: Quotas | None = None,
        timeout: float | None = None,
    ) -> Space:
        """Change retention, quotas or the index threshold; None stays."""
        retention = None
        if max_age is not None or max_count is not None or max_bytes is not None:
            now = await self.get_space(space, timeout=timeout)
            retention = retention_with(now, max_age, max_count, max_bytes)
        r = update_request(space, index_threshold, retention, quotas)
        return space_of((await self._unary(_calls.UPDATE_SPACE, r, timeout)).space)

    async def delete_space(self, space: str, *, timeout: float | None = None) -> int:
        """Delete a space and everything in it; returns how many observations there were."""
        return (await self._unary(_calls.DELETE_SPACE, ss.DeleteSpaceRequest(space=space), timeout)).forgotten

    # --- operating --------------------------------------------------------------

    async def status(self, *, timeout: float | None = None) -> ServerStatus:
        """Ask how the server is doing."""
        return status_of((await self._unary(_calls.STATUS, ad.GetStatusRequest(), timeout)).status)

    async def watch_status(
        self, every: float = 1.0, *, timeout: float | None = None
    ) -> AsyncGenerator[ServerStatus, None]:
        """Yield the status every so many seconds. Closing the iterator ends the call."""
        request = ad.WatchStatusRequest()
        request.interval.FromTimedelta(timedelta(seconds=every))
        async for m in self._server_stream(_calls.WATCH_STATUS, request, timeout):
            yield status_of(m.status)

    async def list_sessions(
        self, space: str = "", *, timeout: float | None = None
    ) -> AsyncGenerator[SessionInfo, None]:
        """Go through the sessions, of one space unless it is empty."""
        request = ad.ListSessionsRequest(space=space)
        while True:
            page = await self._unary(_calls.LIST_SESSIONS, request, timeout)
            for x in page.sessions:
                yield session_info_of(x)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def close_session(self, session_id: str, reason: str = "", *, timeout: float | None = None) -> SessionInfo:
        """End somebody's session: its stream is told to go, and it cannot be resumed."""
        request = ad.CloseSessionRequest(session_id=session_id, reason=reason)
        return session_info_of((await self._unary(_calls.CLOSE_SESSION, request, timeout)).session)

    async def checkpoint(self, *, erase: bool = False, timeout: float | None = None) -> Checkpoint:
        """Write a checkpoint of what changed; with erase, what was forgotten leaves the disk before the answer."""
        return checkpoint_of(await self._unary(_calls.CHECKPOINT, ad.CheckpointRequest(erase=erase), timeout))

    # --- calls ------------------------------------------------------------------

    def _live(self) -> Any:
        """Return the channel, which belongs to this process and this loop."""
        if self._closed:
            raise ClosedError("the client is closed")
        if os.getpid() != self._pid:
            raise ForkedError(
                f"this client belongs to process {self._pid}, from which this one was forked: make one here"
            )
        loop = asyncio.get_running_loop()
        if self._channel is None:
            self._channel, self._loop = self._open(), loop
        elif self._loop is not loop:
            raise RuntimeError("this client belongs to another event loop: make one in each")
        return self._channel

    async def _unary(self, method: Method[R], request: Any, timeout: float | None) -> R:
        data = request if isinstance(request, bytes) else request.SerializeToString()
        call: Any = self._live().unary_unary(method.path, None, method.answer.FromString)
        try:
            out: R = await call(
                data, timeout=self._timeout if timeout is None else timeout, metadata=self._endpoint.metadata()
            )
        except grpc.RpcError as err:
            raise from_rpc(err) from None
        except grpc.aio.UsageError as err:  # the channel was closed meanwhile
            raise ClosedError(f"the client is closed: {err}") from None
        return out

    async def _server_stream(self, method: Method[R], request: Any, timeout: float | None) -> AsyncGenerator[R, None]:
        call: Any = self._live().unary_stream(method.path, None, method.answer.FromString)
        answers = call(request.SerializeToString(), timeout=timeout, metadata=self._endpoint.metadata())
        try:
            async for m in answers:
                yield m
        except grpc.RpcError as err:
            raise from_rpc(err) from None
        finally:
            answers.cancel()

    def _stream(self, path: str, metadata: Metadata) -> Any:
        call: Any = self._live().stream_stream(path, None, ms.MemoryStreamResponse.FromString)
        try:
            return call(metadata=metadata)
        except grpc.aio.UsageError as err:
            raise ClosedError(f"the client is closed: {err}") from None
