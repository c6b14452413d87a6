"""Protocol Buffers wire format, as far as the hot path and error details need.

Observations are encoded here rather than through generated messages: a batch
is then the concatenation of byte strings that are made once, and kept for
sending again. The format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from .errors import InvalidError

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_DOUBLE = struct.Struct("<d")
_FLOAT = struct.Struct("<f")

MAX_DEPTH = 64
"""How deep metadata may nest; servers take less."""


def varint(n: int) -> bytes:
    """Encode a number, 0 ≤ n < 2**64."""
    if n < 0x80:
        return _SHORT[n]
    if n < 0x4000:
        return bytes((n & 0x7F | 0x80, n >> 7))
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


_SHORT = [bytes((n,)) for n in range(0x80)]


def block(tag: bytes, data: bytes) -> bytes:
    """Encode a length-delimited field."""
    return tag + varint(len(data)) + data


def text(tag: bytes, value: str, field: str) -> bytes:
    """Encode a string; an InvalidError that names the field if it cannot be."""
    try:
        data = value.encode()
    except UnicodeEncodeError:
        raise InvalidError(f"{field} is not valid Unicode: it has lone surrogates", field=field) from None
    except AttributeError:
        raise InvalidError(f"{field} is {type(value).__name__}; it has to be str", field=field) from None
    return tag + varint(len(data)) + data


def real(tag: bytes, value: float, field: str) -> bytes:
    """Encode a binary32 number."""
    try:
        return tag + _FLOAT.pack(value)
    except (struct.error, TypeError, OverflowError):
        raise InvalidError(f"{field} is {value!r}; it has to be a number within binary32", field=field) from None


def timestamp(tag: bytes, value: datetime, field: str) -> bytes:
    """Encode a google.protobuf.Timestamp; a time without zone is an error."""
    if not isinstance(value, datetime):
        raise InvalidError(f"{field} is {type(value).__name__}; it has to be datetime", field=field)
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidError(
            f"{field} is {value.isoformat()} without a time zone: which moment it means is unknown; "
            "use datetime.now(timezone.utc) or value.replace(tzinfo=…)",
            field=field,
        )
    seconds, rest = divmod((value - _EPOCH) // _MICROSECOND, 1_000_000)
    data = b"\x08" + varint(seconds & 0xFFFFFFFFFFFFFFFF)
    if rest:
        data += b"\x10" + varint(rest * 1000)
    return block(tag, data)


def json_object(value: Mapping[str, Any], field: str, depth: int = 0) -> bytes:
    """Encode the fields of a google.protobuf.Struct.

    Structs are maps of strings to JSON values; each entry is a message of key
    (1) and value (2).
    """
    if depth > MAX_DEPTH:
        raise InvalidError(f"{field} nests deeper than {MAX_DEPTH}", field=field)
    parts: list[bytes] = []
    try:
        items = value.items()
    except AttributeError:
        raise InvalidError(f"{field} is {type(value).__name__}; it has to be a mapping", field=field) from None
    for key, item in items:
        if not isinstance(key, str):
            raise InvalidError(f"{field} has the key {key!r}; keys have to be str", field=field)
        entry = text(b"\x0a", key, field) + block(b"\x12", json_value(item, f"{field}.{key}", depth + 1))
        parts.append(block(b"\x0a", entry))
    return b"".join(parts)


def json_value(value: Any, field: str, depth: int = 0) -> bytes:
    """Encode a google.protobuf.Value."""
    if value is None:
        return b"\x08\x00"
    if isinstance(value, str):
        return text(b"\x1a", value, field)
    if isinstance(value, bool):
        return b"\x20\x01" if value else b"\x20\x00"
    if isinstance(value, int):
        if abs(value) > 1 << 53:
            raise InvalidError(
                f"{field} is {value}: numbers are binary64, which cannot hold it; send it as str", field=field
            )
        return b"\x11" + _DOUBLE.pack(value)
    if isinstance(value, float):
        return b"\x11" + _DOUBLE.pack(value)
    if isinstance(value, datetime):
        return text(b"\x1a", moment_text(value, field), field)
    if isinstance(value, Mapping):
        return block(b"\x2a", json_object(value, field, depth))
    if isinstance(value, (list, tuple)):
        if depth > MAX_DEPTH:
            raise InvalidError(f"{field} nests deeper than {MAX_DEPTH}", field=field)
        items = [block(b"\x0a", json_value(x, field, depth + 1)) for x in value]
        return block(b"\x32", b"".join(items))
    plain = getattr(value, "item", None)  # numbers of numpy
    if callable(plain) and getattr(value, "shape", None) == ():
        return json_value(plain(), field, depth)
    if hasattr(value, "tolist"):  # arrays of numpy
        return json_value(value.tolist(), field, depth)
    raise InvalidError(f"{field} is {type(value).__name__}, which JSON does not have", field=field)


def moment_text(value: datetime, field: str) -> str:
    """Write a moment as RFC 3339, as filters and metadata have it."""
    if value.tzinfo is None:
        raise InvalidError(f"{field} is {value.isoformat()} without a time zone", field=field)
    return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field; ValueError when it is malformed."""
    at, end = 0, len(data)
    while at < end:
        key, at = _number(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _number(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _number(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + size > end:
            raise ValueError("cut short")
        yield key >> 3, data[at : at + size]
        at += size


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number does not end")
