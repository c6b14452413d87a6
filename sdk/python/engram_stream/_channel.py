"""How a client connects: address, TLS, keys, trace context."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import grpc

from .errors import InvalidError

trace_api: Any
propagator: Any
try:
    from opentelemetry import trace as trace_api
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    propagator = TraceContextTextMapPropagator()
except ImportError:  # an extra
    trace_api = propagator = None

MAX_ANSWER = 64 << 20
_PING_EVERY_MS, _PING_TIMEOUT_MS = 15_000, 10_000

Metadata = tuple[tuple[str, str], ...]
Key = str | Callable[[], str]


@dataclass(frozen=True, slots=True)
class TLS:
    """How to connect by TLS. PEM bytes; left out, the system's roots and no client certificate."""

    roots: bytes | None = None
    key: bytes | None = None
    """A client's key, for mutual TLS, with `certificate`."""
    certificate: bytes | None = None
    server_name: str | None = None
    """The name the certificate has to be for, if it is not the address's."""

    def __repr__(self) -> str:
        parts = [n for n in ("roots", "key", "certificate") if getattr(self, n) is not None]
        shown = [f"{n}=…" for n in parts] + ([f"server_name={self.server_name!r}"] if self.server_name else [])
        return f"TLS({', '.join(shown)})"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server is, and how to speak to it."""

    address: str
    tls: TLS | None
    headers: Metadata
    key: Key | None
    options: tuple[tuple[str, Any], ...]
    compression: grpc.Compression

    def __str__(self) -> str:
        return self.address + (" by TLS" if self.tls is not None else "")

    def metadata(self) -> Metadata:
        """Return the headers of a call that is made now."""
        out = self.headers
        if self.key is not None:
            key = self.key() if callable(self.key) else self.key
            out = (*out, ("authorization", f"Bearer {key}"))
        if propagator is not None:
            carrier: dict[str, str] = {}
            propagator.inject(carrier)
            out = (*out, *carrier.items())
        return out

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Return what gRPC needs for TLS; None without."""
        if self.tls is None:
            return None
        return grpc.ssl_channel_credentials(self.tls.roots, self.tls.key, self.tls.certificate)


def endpoint(
    target: str,
    tls: TLS | bool,
    api_key: Key | None,
    headers: Mapping[str, str] | None,
    compression: bool,
    options: Sequence[tuple[str, Any]],
) -> Endpoint:
    """Read the arguments of a client."""
    secure = TLS() if tls is True else tls or None
    address = target
    if "://" in target:
        parts = urlsplit(target)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/"):
            raise InvalidError(
                f"target is {target!r}; it has to be host:port or an http or https URL without path", field="target"
            )
        if parts.scheme == "http" and secure is not None:
            raise InvalidError(f"target is {target!r}, and tls wants https", field="target")
        address = parts.netloc
        if parts.scheme == "https":
            secure = secure or TLS()
    if not address:
        raise InvalidError("target is empty; it has to be host:port or a URL", field="target")
    host, port = _split(address)
    if not port:
        address = f"{address}:{443 if secure else 80}" if "://" in target else f"{address}:50051"
    chosen: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", MAX_ANSWER),
        ("grpc.max_send_message_length", -1),
        ("grpc.keepalive_time_ms", _PING_EVERY_MS),
        ("grpc.keepalive_timeout_ms", _PING_TIMEOUT_MS),
        ("grpc.http2.max_pings_without_data", 0),
        # A client has connections of its own, and how they come back is up to
        # the session, which paces itself.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 5000),  # how long connecting may take
        ("grpc.max_reconnect_backoff_ms", 1000),
        ("grpc.enable_retries", 0),
    ]
    if host in ("localhost", "::1") or host.startswith("127."):
        chosen.append(("grpc.enable_http_proxy", 0))
    if secure is not None and secure.server_name:
        chosen.append(("grpc.ssl_target_name_override", secure.server_name))
    return Endpoint(
        address=address,
        tls=secure,
        headers=tuple((k.lower(), v) for k, v in (headers or {}).items()),
        key=api_key,
        options=(*chosen, *options),
        compression=grpc.Compression.Gzip if compression else grpc.Compression.NoCompression,
    )


def _split(address: str) -> tuple[str, str]:
    """Split host and port; an IPv6 address stands in brackets."""
    if address.startswith("["):
        host, _, rest = address[1:].partition("]")
        return host, rest.removeprefix(":")
    host, _, port = address.rpartition(":")
    return (host, port) if host else (address, "")


def trace_context() -> tuple[str, str]:
    """Return the W3C traceparent and tracestate of the current span; empty without one."""
    if trace_api is None:
        return "", ""
    context = trace_api.get_current_span().get_span_context()
    if not context.is_valid:
        return "", ""
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
    return parent, context.trace_state.to_header()
