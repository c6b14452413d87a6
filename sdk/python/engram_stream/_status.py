"""Exceptions of gRPC, and the details the server sends with them."""

from __future__ import annotations

from typing import Any

import grpc

from . import _wire
from .errors import EngramError, error_of

_DETAILS = "grpc-status-details-bin"
_ERROR_INFO = "google.rpc.ErrorInfo"
_RETRY_INFO = "google.rpc.RetryInfo"

CODES = (
    *("ok", "canceled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists"),
    *("permission_denied", "resource_exhausted", "failed_precondition", "aborted", "out_of_range"),
    *("unimplemented", "internal", "unavailable", "data_loss", "unauthenticated"),
)
"""Status codes by number, as the Connect protocol spells them."""


def code_name(n: int) -> str:
    """Spell a status code given by number."""
    return CODES[n] if 0 <= n < len(CODES) else "unknown"


def from_rpc(err: BaseException) -> EngramError:
    """Make an EngramError of what grpc raised."""
    if isinstance(err, EngramError):
        return err
    code = getattr(err, "code", None)
    if not callable(code):
        out = error_of("unavailable", str(err) or type(err).__name__, reason="TRANSPORT", retryable=True)
        out.__cause__ = err
        return out
    status: Any = code() or grpc.StatusCode.UNKNOWN
    details = getattr(err, "details", lambda: "")() or status.name
    trailers = getattr(err, "trailing_metadata", lambda: ())() or ()
    out = from_status(code_name(status.value[0]), details, trailers)
    out.__cause__ = err
    return out


def from_status(code: str, message: str, trailers: Any) -> EngramError:
    """Make an EngramError of a status and its trailing metadata."""
    reason, field, retry = "", "", None
    for key, value in trailers:
        if key == _DETAILS and isinstance(value, bytes):
            reason, field, retry = _details(value)
    if not reason:
        # Nothing that the server's own code made: the transport did, or the deadline of the call.
        return error_of(
            code,
            message,
            reason="DEADLINE" if code == "deadline_exceeded" else "TRANSPORT",
            retryable=retry is not None or code == "unavailable",
            retry_after=retry or 0.0,
        )
    return error_of(code, message, reason=reason, field=field, retry_after=retry or 0.0, retryable=retry is not None)


def _details(data: bytes) -> tuple[str, str, float | None]:
    """Read google.rpc.Status: reason, field, and seconds until a retry."""
    reason, field, retry = "", "", None
    try:
        for number, value in _wire.fields(data):
            if number != 3 or not isinstance(value, bytes):
                continue
            detail = dict(_wire.fields(value))  # google.protobuf.Any
            kind, body = detail.get(1, b""), detail.get(2, b"")
            if not isinstance(kind, bytes) or not isinstance(body, bytes):
                continue
            name = kind.rpartition(b"/")[2].decode()
            if name == _ERROR_INFO:
                reason, field = _error_info(body)
            elif name == _RETRY_INFO:
                retry = _duration(dict(_wire.fields(body)).get(1, b""))
    except (ValueError, UnicodeDecodeError):
        pass  # of a newer server: the status itself is told anyway
    return reason, field, retry


def _error_info(body: bytes) -> tuple[str, str]:
    reason, field = "", ""
    for number, value in _wire.fields(body):
        if number == 1 and isinstance(value, bytes):
            reason = value.decode()
        elif number == 3 and isinstance(value, bytes):  # map<string, string> metadata
            entry = dict(_wire.fields(value))
            key, said = entry.get(1), entry.get(2)
            if key == b"field" and isinstance(said, bytes):
                field = said.decode()
    return reason, field


def _duration(body: int | bytes) -> float:
    if not isinstance(body, bytes):
        return 0.0
    parts = dict(_wire.fields(body))
    seconds, nanos = parts.get(1, 0), parts.get(2, 0)
    return (seconds if isinstance(seconds, int) else 0) + (nanos if isinstance(nanos, int) else 0) / 1e9
