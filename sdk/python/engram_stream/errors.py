"""What can go wrong: one exception class per kind, with stable reasons.

Every exception of this package derives from EngramError. What a server
answered carries its status code, its reason (a stable word, such as
QUEUE_FULL), the offending field and when a retry may help.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rejection:
    """One observation that was not kept, for good."""

    sequence: int
    """Its number in the session; of a call without session, its position from 1."""
    id: str
    """The id it had; empty when it had none."""
    reason: str
    """A stable word, such as ID_CONFLICT."""
    message: str
    """For people: the field, the value's size and the limit."""


class EngramError(Exception):
    """What the server answered in place of a result, or what kept it from answering."""

    code: str = "unknown"
    """The status code, as the Connect protocol spells it."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        reason: str = "",
        field: str = "",
        retry_after: float = 0.0,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        self.reason = reason
        """A stable word to tell failures apart."""
        self.field = field
        """The offending field, if there is one."""
        self.retry_after = retry_after
        """Seconds after which a retry may help; meaningful with `retryable`."""
        self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.code}: {self.message} ({self.reason})" if self.reason else f"{self.code}: {self.message}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _made_again, (type(self), self.args, self.__dict__)

    def again(self) -> EngramError:
        """Return the same error to be raised once more: one that is raised often would collect tracebacks."""
        out = _made_again(type(self), self.args, self.__dict__)
        out.__cause__ = self.__cause__
        return out


def _made_again(kind: type[EngramError], args: tuple[Any, ...], more: dict[str, Any]) -> EngramError:
    out = kind.__new__(kind, *args)
    out.args = args
    out.__dict__.update(more)
    return out


class InvalidError(EngramError, ValueError):
    """What was sent, or is to be sent, breaks a rule: `field` says where."""

    code = "invalid_argument"

    def __init__(self, message: str, *, reason: str = "INVALID_FIELD", **more: object) -> None:
        super().__init__(message, reason=reason, **more)  # type: ignore[arg-type]


class NotFoundError(EngramError, LookupError):
    """What was asked for is not there."""

    code = "not_found"


class ConflictError(EngramError):
    """Something else is there already by that id or name."""

    code = "already_exists"


class PreconditionError(EngramError):
    """The call does not fit the state of the session or space."""

    code = "failed_precondition"


class RefusedError(EngramError):
    """The server had no room; nothing was taken."""

    code = "resource_exhausted"


class UnavailableError(EngramError, ConnectionError):
    """The server could not be reached, or takes nothing now."""

    code = "unavailable"


class DeadlineError(EngramError, TimeoutError):
    """The time given was over. What a call that writes has done is unknown."""

    code = "deadline_exceeded"


class CancelledError(EngramError):
    """The call was cancelled from this side."""

    code = "canceled"


class AuthError(EngramError, PermissionError):
    """The key is missing, unknown, or not good for this space."""

    code = "unauthenticated"


class RejectedError(EngramError):
    """Observations were not kept, for good; the session goes on."""

    code = "invalid_argument"

    def __init__(self, rejections: Sequence[Rejection], more: int = 0, observed: Any = None) -> None:
        first = rejections[0]
        n = len(rejections) + more
        told = f"observation {first.sequence} was rejected"
        if n > 1:
            told = f"{n} observations were rejected; the first, number {first.sequence}"
        name = f" ({first.id!r})" if first.id else ""
        super().__init__(f"{told}{name}: {first.message}", reason=first.reason)
        self.rejections = list(rejections)
        """At most 10,000 of them; `on_rejection` hears all."""
        self.more = more
        """How many there were beyond those in the list."""
        self.observed = observed
        """Of a call without session, its answer: what became of the others."""


class ClosedError(EngramError):
    """The session, or client, is closed."""

    code = "failed_precondition"

    def __init__(self, message: str = "the session is closed") -> None:
        super().__init__(message, reason="CLOSED")


class FullError(EngramError):
    """The buffer of a session that does not wait is full."""

    code = "resource_exhausted"

    def __init__(self, message: str = "the session's buffer is full") -> None:
        super().__init__(message, reason="BUFFER_FULL", retryable=True)


class ForkedError(EngramError, RuntimeError):
    """The object belongs to the process that this one was forked from."""

    code = "failed_precondition"

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="FORKED")


class LossWarning(RuntimeWarning):
    """A session was left open: some of what it was given is not known to be kept."""


_CLASSES: dict[str, type[EngramError]] = {
    c.code: c
    for c in (
        InvalidError,
        NotFoundError,
        ConflictError,
        PreconditionError,
        RefusedError,
        UnavailableError,
        DeadlineError,
        CancelledError,
        AuthError,
    )
}
_CLASSES["permission_denied"] = AuthError
_CLASSES["out_of_range"] = InvalidError


def error_of(
    code: str, message: str, *, reason: str = "", field: str = "", retry_after: float = 0.0, retryable: bool = False
) -> EngramError:
    """Make the exception of a status code."""
    return _CLASSES.get(code, EngramError)(
        message, code=code, reason=reason, field=field, retry_after=retry_after, retryable=retryable
    )
