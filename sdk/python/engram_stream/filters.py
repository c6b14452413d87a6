"""Filters: tests of an observation's fields.

    where(eq("metadata.country", "Italy"), above("confidence", 0.8))
    Filter(any=[exists("metadata.due")], none=[one_of("context.location", ["attic"])])

Keys are those of the contract: `id`, `observed_at`, `expires_at`, `confidence`,
`importance`, `emotional_valence`, `context.location`, `context.participants`,
`context.reason`, `context.method`, and `metadata.<path>`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import struct_pb2

from . import _wire
from ._gen.engram.v1 import filter_pb2 as pb
from .errors import InvalidError


@dataclass(frozen=True, slots=True)
class Clause:
    """One test of one field, made by the functions of this module."""

    key: str
    test: str
    """equals, in, range or exists."""
    value: Any

    def _to_wire(self) -> pb.FilterClause:
        try:
            if self.test == "equals":
                return pb.FilterClause(key=self.key, equals=_value(self.value, self.key))
            if self.test == "in":
                out = pb.FilterClause(key=self.key)
                chosen: struct_pb2.ListValue = getattr(out, "in")  # a keyword of Python
                chosen.SetInParent()
                chosen.values.extend(_value(x, self.key) for x in self.value)
                return out
            if self.test == "exists":
                return pb.FilterClause(key=self.key, exists=bool(self.value))
            lo, hi, strict = self.value
            r = pb.FilterRange()
            if lo is not None:
                r.min.CopyFrom(_value(lo, self.key))
                r.min_exclusive = strict
            if hi is not None:
                r.max.CopyFrom(_value(hi, self.key))
                r.max_exclusive = strict
            return pb.FilterClause(key=self.key, range=r)
        except InvalidError as err:
            raise InvalidError(
                f"clause on {self.key!r}: {err.message}", reason="INVALID_FILTER", field="filter"
            ) from None


def _value(value: Any, key: str) -> struct_pb2.Value:
    return struct_pb2.Value.FromString(_wire.json_value(value, key))


def eq(key: str, value: Any) -> Clause:
    """Match when the field equals a number, string, bool, datetime or None."""
    return Clause(key, "equals", value)


def one_of(key: str, values: Iterable[Any]) -> Clause:
    """Match when the field equals one of the values."""
    return Clause(key, "in", tuple(values))


def between(key: str, lo: Any = None, hi: Any = None) -> Clause:
    """Match when lo ≤ field ≤ hi, of numbers, strings or datetimes; None is open."""
    return Clause(key, "range", (lo, hi, False))


def above(key: str, lo: Any) -> Clause:
    """Match when lo < field."""
    return Clause(key, "range", (lo, None, True))


def below(key: str, hi: Any) -> Clause:
    """Match when field < hi."""
    return Clause(key, "range", (None, hi, True))


def exists(key: str, there: bool = True) -> Clause:
    """Match when the field is there or, with False, is not."""
    return Clause(key, "exists", there)


@dataclass(frozen=True, slots=True)
class Filter:
    """All of `all`, at least one of `any` (if there are any) and none of `none` must match."""

    all: Sequence[Clause] = ()
    any: Sequence[Clause] = ()
    none: Sequence[Clause] = ()


def where(*all: Clause) -> Filter:
    """Return the filter that all clauses must match."""
    return Filter(all=all)


def to_wire(f: Filter | Clause | None) -> pb.Filter | None:
    """Make the message of a filter, or of a single clause."""
    if f is None:
        return None
    if isinstance(f, Clause):
        f = Filter(all=(f,))
    return pb.Filter(
        all=[c._to_wire() for c in f.all],
        any=[c._to_wire() for c in f.any],
        none=[c._to_wire() for c in f.none],
    )
