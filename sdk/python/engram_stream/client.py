"""The client that waits. See aio for the one that awaits."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from google.protobuf.message import Message

from . import _calls, _fork
from ._batches import Observable
from ._calls import Forgotten, Found, ManyResult, Method, Observed
from ._channel import TLS, Endpoint, Key, Metadata, endpoint, trace_context
from ._core import Core
from ._deadlines import EXIT_TIMEOUT, deadline_of, left_of
from ._gen.engram.v1 import admin_service_pb2 as ad
from ._gen.engram.v1 import memory_service_pb2 as ms
from ._gen.engram.v1 import recall_pb2 as rp
from ._gen.engram.v1 import space_service_pb2 as ss
from ._progress import Progress
from ._recalls import Recalls
from ._status import from_rpc
from .admin import Checkpoint, ServerStatus, SessionInfo, checkpoint_of, session_info_of, status_of
from .errors import ClosedError, EngramError, ForkedError, RejectedError
from .filters import Clause, Filter
from .memory import Memory
from .observation import Level, Stored, stored_of
from .options import SessionOptions
from .recall import Recall, RecallOptions, Result, recall_of, recall_request, result_of
from .session import Session
from .spaces import Metric, Quotas, Space, create_request, retention_with, space_of, update_request

if TYPE_CHECKING:
    from typing_extensions import Unpack

R = TypeVar("R", bound=Message)


class Client:
    """A connection to a server. It may be used from any thread.

    It does not wait for the server: the first call does. After a fork the
    child's calls go over a connection of their own; sessions stay the parent's.
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
        """Make a client of the server at target: host:port, or a URL.

        `api_key` goes as a bearer token in the header `authorization` of every
        call; a function is asked for it each time. `timeout` is how many
        seconds calls may take that are not given their own; streams have no
        bound. `channel_options` are gRPC's.
        """
        self._endpoint: Endpoint = endpoint(target, tls, api_key, headers, compression, channel_options)
        self._timeout = timeout
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._closed = False
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()
        self._channel = self._open()
        _clients.add(self)

    def __repr__(self) -> str:
        return f"<Client of {self._endpoint}{', closed' if self._closed else ''}>"

    def _open(self) -> grpc.Channel:
        e = self._endpoint
        credentials = e.credentials()
        if credentials is None:
            return grpc.insecure_channel(e.address, e.options, e.compression)
        return grpc.secure_channel(e.address, credentials, e.options, e.compression)

    def close(self) -> None:
        """Close the connection. Sessions are closed by themselves, before: those still open are given up."""
        if os.getpid() != self._pid:
            self._closed = True
            return
        with self._lock:
            self._closed = True
            sessions = list(self._sessions)
        for s in sessions:
            _give_up(s)
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- sessions ---------------------------------------------------------------

    def open_session(self, space: str, *, timeout: float | None = None, **options: Any) -> Session:
        """Open a session, or resume one; `options` are those of SessionOptions."""
        s = Session(self, Core(space, SessionOptions(**options)), timeout)
        self._sessions.add(s)
        return s

    def open_memory(self, space: str, *, timeout: float | None = None, **options: Any) -> Memory:
        """Open a session that can recall; `options` are those of SessionOptions."""
        s = Memory(self, Core(space, SessionOptions(**options), Recalls()), timeout)
        self._sessions.add(s)
        return s

    def observe_many(
        self,
        space: str,
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
        **options: Any,
    ) -> ManyResult:
        """Stream many observations through a session of their own; see Session.observe_many.

        Raises RejectedError when some were not kept, after all the others were.
        """
        with self.open_session(space, timeout=timeout, **options) as s:
            return s.observe_many(
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

    def observe(
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
        out = _calls.observed_of(self._unary(_calls.OBSERVE, request, timeout))
        if out.rejections:
            raise RejectedError(out.rejections, observed=out)
        return out

    def get(self, space: str, *ids: str, timeout: float | None = None) -> Found:
        """Read observations by id, with their vectors."""
        return _calls.found_of(self._unary(_calls.GET, ms.GetObservationsRequest(space=space, ids=ids), timeout))

    def list(
        self,
        space: str,
        *,
        since: int = 0,
        at: int = 0,
        filter: Filter | Clause | None = None,
        with_vectors: bool = False,
        timeout: float | None = None,
    ) -> Generator[Stored, None, None]:
        """Go through the observations of a space in generation order, from the generation after `since`.

        All are of one generation: `at`, or the newest. `timeout` is for each page.
        """
        request = _calls.list_request(space, since, at, filter, with_vectors)
        while True:
            page = self._unary(_calls.LIST, request, timeout)
            yield from map(stored_of, page.observations)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def forget(self, space: str, *ids: str, timeout: float | None = None) -> Forgotten:
        """Delete by id. Ids that are not there are no error."""
        m = self._unary(_calls.FORGET, _calls.forget_request(space, ids, None), timeout)
        return Forgotten(m.forgotten, m.generation)

    def forget_where(self, space: str, filter: Filter | Clause, *, timeout: float | None = None) -> Forgotten:
        """Delete what matches a filter. An empty one is an error."""
        m = self._unary(_calls.FORGET, _calls.forget_request(space, (), filter), timeout)
        return Forgotten(m.forgotten, m.generation)

    def watch_space(
        self,
        space: str,
        *,
        since: int | None = None,
        filter: Filter | Clause | None = None,
        with_vectors: bool = False,
        timeout: float | None = None,
    ) -> Generator[Stored, None, None]:
        """Yield observations as they become visible, from the generation after `since`; None is from now on.

        Closing the iterator ends the call.
        """
        for m in self._server_stream(
            _calls.WATCH_SPACE, _calls.watch_request(space, since, filter, with_vectors), timeout
        ):
            yield from map(stored_of, m.observations)

    # --- recalls ----------------------------------------------------------------

    def recall(self, space: str, *, timeout: float | None = None, **options: Unpack[RecallOptions]) -> Recall:
        """Find the observations of a space nearest to a cue: text, vector or observation_id. See RecallOptions."""
        m = self._unary(_calls.RECALL, recall_request(space, options), timeout)
        return recall_of(m.results, m.snapshot, m.stats)

    def recall_stream(
        self, space: str, *, timeout: float | None = None, **options: Unpack[RecallOptions]
    ) -> Generator[Result, None, None]:
        """Recall, with the results as they come. Closing the iterator ends the call."""
        request = rp.RecallStreamRequest(recall=recall_request(space, options))
        return self._results(request, timeout)

    def _results(self, request: rp.RecallStreamRequest, timeout: float | None) -> Generator[Result, None, None]:
        for m in self._server_stream(_calls.RECALL_STREAM, request, timeout):
            yield from map(result_of, m.results)

    # --- spaces -----------------------------------------------------------------

    def create_space(
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
        return space_of(self._unary(_calls.CREATE_SPACE, r, timeout).space)

    def get_space(self, space: str, *, timeout: float | None = None) -> Space:
        """Read a space and its statistics."""
        return space_of(self._unary(_calls.GET_SPACE, ss.GetSpaceRequest(space=space), timeout).space)

    def list_spaces(self, prefix: str = "", *, timeout: float | None = None) -> Generator[Space, None, None]:
        """Go through the spaces whose names begin with prefix, by name."""
        request = ss.ListSpacesRequest(prefix=prefix)
        while True:
            page = self._unary(_calls.LIST_SPACES, request, timeout)
            yield from map(space_of, page.spaces)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def update_space(
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
            now = self.get_space(space, timeout=timeout)
            retention = retention_with(now, max_age, max_count, max_bytes)
        r = update_request(space, index_threshold, retention, quotas)
        return space_of(self._unary(_calls.UPDATE_SPACE, r, timeout).space)

    def delete_space(self, space: str, *, timeout: float | None = None) -> int:
        """Delete a space and everything in it; returns how many observations there were."""
        return self._unary(_calls.DELETE_SPACE, ss.DeleteSpaceRequest(space=space), timeout).forgotten

    # --- operating --------------------------------------------------------------

    def status(self, *, timeout: float | None = None) -> ServerStatus:
        """Ask how the server is doing."""
        return status_of(self._unary(_calls.STATUS, ad.GetStatusRequest(), timeout).status)

    def watch_status(self, every: float = 1.0, *, timeout: float | None = None) -> Generator[ServerStatus, None, None]:
        """Yield the status every so many seconds. Closing the iterator ends the call."""
        request = ad.WatchStatusRequest()
        request.interval.FromTimedelta(timedelta(seconds=every))
        for m in self._server_stream(_calls.WATCH_STATUS, request, timeout):
            yield status_of(m.status)

    def list_sessions(self, space: str = "", *, timeout: float | None = None) -> Generator[SessionInfo, None, None]:
        """Go through the sessions, of one space unless it is empty."""
        request = ad.ListSessionsRequest(space=space)
        while True:
            page = self._unary(_calls.LIST_SESSIONS, request, timeout)
            yield from map(session_info_of, page.sessions)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def close_session(self, session_id: str, reason: str = "", *, timeout: float | None = None) -> SessionInfo:
        """End somebody's session: its stream is told to go, and it cannot be resumed."""
        request = ad.CloseSessionRequest(session_id=session_id, reason=reason)
        return session_info_of(self._unary(_calls.CLOSE_SESSION, request, timeout).session)

    def checkpoint(self, *, erase: bool = False, timeout: float | None = None) -> Checkpoint:
        """Write a checkpoint of what changed; with erase, what was forgotten leaves the disk before the answer."""
        return checkpoint_of(self._unary(_calls.CHECKPOINT, ad.CheckpointRequest(erase=erase), timeout))

    # --- calls ------------------------------------------------------------------

    def _live(self) -> grpc.Channel:
        """Return the channel of this process."""
        if self._closed:
            raise ClosedError("the client is closed")
        if os.getpid() != self._pid:
            with self._lock:
                if os.getpid() != self._pid:
                    if not _fork.SUPPORTED:
                        raise ForkedError(_fork.ADVICE)
                    self._channel, self._pid = self._open(), os.getpid()
                    self._sessions = weakref.WeakSet()
        return self._channel

    def _unary(self, method: Method[R], request: Any, timeout: float | None) -> R:
        data = request if isinstance(request, bytes) else request.SerializeToString()
        call: Any = self._live().unary_unary(method.path, None, method.answer.FromString)
        try:
            out: R = call(
                data, timeout=self._timeout if timeout is None else timeout, metadata=self._endpoint.metadata()
            )
        except grpc.RpcError as err:
            raise from_rpc(err) from None
        except ValueError as err:  # the channel was closed meanwhile
            raise ClosedError(f"the client is closed: {err}") from None
        return out

    def _server_stream(self, method: Method[R], request: Any, timeout: float | None) -> Generator[R, None, None]:
        call: Any = self._live().unary_stream(method.path, None, method.answer.FromString)
        try:
            answers = call(request.SerializeToString(), timeout=timeout, metadata=self._endpoint.metadata())
            try:
                yield from answers
            finally:
                answers.cancel()
        except grpc.RpcError as err:
            raise from_rpc(err) from None

    def _stream(self, path: str, frames: Iterator[bytes], metadata: Metadata) -> Any:
        call: Any = self._live().stream_stream(path, None, ms.MemoryStreamResponse.FromString)
        try:
            return call(frames, metadata=metadata)
        except ValueError as err:
            raise ClosedError(f"the client is closed: {err}") from None


_clients: weakref.WeakSet[Client] = weakref.WeakSet()


def _after_fork() -> None:
    """Replace locks that another thread may have held when this process was forked."""
    for c in _clients:
        c._lock = threading.Lock()


def _at_exit() -> None:
    """Let sessions that were left open get through what they hold, if that is possible soon."""
    deadline = deadline_of(EXIT_TIMEOUT)
    for c in list(_clients):
        if c._pid == os.getpid() and not c._closed:
            for s in list(c._sessions):
                if s.error is None and s.next_sequence - 1 > s.stats.durable:
                    with contextlib.suppress(EngramError):
                        s.flush(timeout=left_of(deadline))
            c.close()


atexit.register(_at_exit)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _give_up(s: Session) -> None:
    """End a session that its owner left open, and say what is not known to be kept."""
    if s.error is None:
        s.abandon()
        s._warn_of_loss()
